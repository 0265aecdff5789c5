"""Canonicalisation, signing and verification against dkimpy, in both directions."""

import hashlib
import re
import time

import dkim
import pytest
from chatgate_dkim import canonical, signature, signing, verifying
from chatgate_dkim.message import Message
from dkim.canonicalization import Relaxed, Simple
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.plugins.dkim.sample import ED25519, RSA, signed

ORACLES = {"simple": Simple, "relaxed": Relaxed}
KEYS = pytest.mark.parametrize("key", [RSA, ED25519], ids=["rsa", "ed25519"])

# Lines of a body: what canonicalisation looks at, and a little else.
lines = st.lists(st.sampled_from([b"", b" ", b"\t", b"  ", b"a", b"a ", b" a", b"a \t b", b".", b"\xff\x00", b"a\rb"]))
bodies = lines.map(lambda some: b"".join(line + b"\r\n" for line in some))
words = st.sampled_from(
    [b"a", b"B", b" ", b"  ", b"\t", b"\r\n ", b"\r\n\t", b":", b";", b"=", b"\xe4", b"<a@b.example>"]
)
values = st.lists(words, max_size=8).map(b"".join).map(lambda text: re.sub(rb"(?:\r\n[ \t]+)+(?=\Z|\r)", b"", text))
names = st.sampled_from([b"To", b"SUBJECT", b"subject", b"X-Other", b"Cc", b"Date", b"Autocrypt", b"Content-Type"])
others = st.lists(st.tuples(names, values).map(lambda f: f[0] + b":" + f[1] + b"\r\n"), max_size=6).map(b"".join)
contents = st.tuples(others, others, bodies).map(
    lambda m: m[0] + b"From: Alice <alice@example.net>\r\n" + m[1] + b"\r\n" + m[2]
)
algorithms = st.sampled_from(["simple", "relaxed"])


class Text:
    def __init__(self):
        self.text = b""

    def update(self, piece):
        self.text += piece


@given(algorithms, bodies, st.integers(1, 9))
@example("relaxed", b"a \r\n\r\n \r\n", 2)
@example("relaxed", b" \r\n", 1)
def test_a_body_is_that_of_the_oracle_in_pieces_of_any_size(algorithm, body, piece):
    whole, whole_size = Text(), canonical.PIECE
    canonical.PIECE = piece
    try:
        canonical.hash_body(body, 0, algorithm, whole, lambda: None)
    finally:
        canonical.PIECE = whole_size
    assert whole.text == ORACLES[algorithm].canonicalize_body(body)


@given(algorithms, names, values)
def test_a_field_is_that_of_the_oracle(algorithm, name, value):
    raw = name + b":" + value + b"\r\n"
    [(name, value)] = ORACLES[algorithm].canonicalize_headers([(name, value + b"\r\n")])
    assert canonical.field(raw, algorithm) == name + b":" + value


@settings(deadline=None)
@given(contents, algorithms, algorithms)
def test_what_the_oracle_signs_is_right_here(content, header, body):
    for key in (RSA, ED25519):
        made = signed(content, key, canonicalize=(header.encode(), body.encode()))
        message = Message(made)
        claim = signature.parse(message.fields[0][1])
        assert (claim.header, claim.body, claim.kind) == (header, body, key.algorithm.decode().partition("-")[0])
        assert not verifying.verify(message, claim, key.text)


@settings(deadline=None)
@given(contents)
def test_what_is_signed_here_is_right_for_the_oracle(content):
    for key in (RSA, ED25519):
        value = signing.sign(Message(content), key.private, "example.net", "sel", time.time())
        made = b"DKIM-Signature: " + value.encode() + b"\r\n" + content
        assert dkim.verify(made, dnsfunc=lambda name, timeout=5, key=key: key.text)
        message = Message(made)
        assert not verifying.verify(message, signature.parse(message.fields[0][1]), key.text)


def right_for_the_oracle(content):
    """It refuses blanks before the colon of a field, which an old form has (RFC 5322 §4.5.8) and "relaxed" deletes (RFC
    6376 §3.4.2), so they are deleted for it. The signatures that are asked about are relaxed.
    """
    header, empty, body = content.partition(b"\r\n\r\n")
    content = re.sub(rb"(?m)^([!-9;-~]+)[ \t]+:", rb"\1:", header) + empty + body
    try:
        return dkim.verify(content, dnsfunc=lambda name, timeout=5: RSA.text)
    except dkim.DKIMException:
        return False


def right_here(content):
    message = Message(content)
    return not verifying.verify(message, signature.parse(message.named(b"dkim-signature")[0]), RSA.text)


@settings(deadline=None)
@given(contents, st.data())
def test_a_changed_octet_is_judged_as_by_the_oracle(content, data):
    made = signed(content)
    end = made.index(b"\r\nFrom:") + 2 if b"\r\nFrom:" in made else 0
    at = data.draw(st.integers(end, len(made) - 1))
    changed = made[:at] + data.draw(st.sampled_from([b"x", b" ", b"", b"\xe4"])) + made[at + 1 :]
    try:
        ours = right_here(changed)
    except ValueError:
        return  # refused before any signature is looked at
    assert not ours or right_for_the_oracle(changed)


@pytest.mark.parametrize("header, right", [("relaxed", True), ("simple", False)])
def test_blanks_before_a_colon_are_no_change_for_relaxed(header, right):
    made = signed(canonicalize=(header.encode(), b"relaxed"))
    changed = made.replace(b"\r\nSubject:", b"\r\nSubject \t:").replace(b"\r\nTo:", b"\r\nTo :")
    assert changed != made and right_here(made)
    assert right_here(changed) == right


def test_a_field_whose_name_ends_with_a_blank_now_is_another_field():
    """A letter became a blank: a field that is not signed hides none that is."""
    content = b"From: Alice <alice@example.net>\r\nAutocrypt: addr=alice@example.net\r\n\r\nHello\r\n"
    for fields, right in (([b"From", b"Autocrypt"], False), ([b"From"], True)):
        made = signed(content, include_headers=fields)
        changed = made.replace(b"\r\nAutocrypt:", b"\r\nAutocryp :")
        assert right_here(changed) == right_for_the_oracle(changed) == right


@KEYS
def test_a_field_that_is_folded_for_the_way_is_still_right(key):
    content = b"From: <alice@example.net>\r\n\r\nHello\r\n"
    value = signing.sign(Message(content), key.private, "example.net", "sel", time.time())
    made = b"DKIM-Signature: " + value.replace(" ", "\r\n ").encode() + b"\r\n" + content
    assert dkim.verify(made, dnsfunc=lambda name, timeout=5: key.text)


@KEYS
def test_nobody_can_add_a_field_that_is_oversigned(key):
    content = b"From: <alice@example.net>\r\nTo: <bob@example.org>\r\nContent-Type: text/plain\r\n\r\nHello\r\n"
    value = signing.sign(Message(content), key.private, "example.net", "sel", time.time())
    made = b"DKIM-Signature: " + value.encode() + b"\r\n" + content
    names = value.partition("h=")[2].partition(";")[0].split(":")
    assert [names.count(name) for name in ("from", "to", "cc", "autocrypt", "content-type")] == [2, 2, 1, 1, 1]
    for field in (
        b"From: x@y.example",
        b"To: <x@y.example>",
        b"Cc: <x@y.example>",
        b"Autocrypt: addr=x",
        b"List-Id: <x>",
    ):
        message = Message(field + b"\r\n" + made)
        claim = signature.parse(message.named(b"dkim-signature")[0])
        assert verifying.verify(message, claim, key.text) == "the signature does not match"


def test_a_large_body_gives_others_a_turn():
    turns = []
    content = b"From: <alice@example.net>\r\n\r\n" + b"word  word\t \r\n" * 100_000
    message = Message(content, lambda: turns.append(1))
    body = message.body_hash("relaxed")
    assert len(turns) >= len(content) // canonical.PIECE
    assert body == hashlib.sha256(b"word word\r\n" * 100_000).digest()
    count = len(turns)
    assert message.body_hash("relaxed") == body and len(turns) == count  # once for all signatures


@pytest.mark.parametrize("end", [b"a\r", b"a\n", b"a\r\n\n", b"a\r\r\n", b"a\r \n", b"a" + b"\r\n" * 50_000])
def test_a_body_whose_end_is_not_clear_has_no_hash(end):
    with pytest.raises(ValueError, match="not clear where the body ends"):
        Message(b"From: <a@b.example>\r\n\r\n" + end).body_hash("relaxed")
