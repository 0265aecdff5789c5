"""The hunt for a place where words survive: planted anywhere outside of what is encrypted, they are refused or gone,
but for the places that docs/gate.md names.
"""

import re
from pathlib import Path

import pytest
from chatgate_gate import Kind, inspect
from hypothesis import given, settings
from hypothesis import strategies as st

from chatgate.mail.headers import fields, split
from tests.plugins.gate import mails
from tests.plugins.gate.asked import BOB, Asked

GATE = Asked(Path("/nowhere"))

NAMES = [
    "gate-deltachat.eml",
    "gate-deltachat-symmetric.eml",
    "gate-thunderbird.eml",
    "gate-roundcube-enigma.eml",
    "gate-horde-preamble.eml",
    "gate-evolution-localized.eml",
    "gate-core-1.160-encrypted.eml",
    "gate-core-1.160-vc-request.eml",
    "gate-core-2.43-vc-request.eml",
    "gate-core-2.65-vg-request.eml",
    "gate-securejoin-request.eml",
]
SAMPLES = [mails.stored(name) for name in NAMES]
BOUNCE, SETUP = mails.stored("gate-bounce.eml"), mails.stored("gate-core-1.160-setup-message.eml")

WORDS = b"meet me at eight"  # with blanks: there is no place for a sentence on what we send
GLUED = b"meet-me-at-eight"  # without: identifiers and addresses are free

_ARMOR = re.compile(rb"-----BEGIN PGP MESSAGE-----\r\n.*-----END PGP MESSAGE-----", re.S)
_IDS = (b"message-id", b"x-microsoft-original-message-id", b"in-reply-to", b"references", b"list-id")
_ADDRESSES = (b"from", b"to", b"cc", b"reply-to", b"sender", b"x-failed-recipients")


def guarded(content: bytes, submitted: bool) -> bytes:
    """The message without the places that docs/gate.md names."""
    header, body = split(content)
    rest = []
    for name, raw in fields(header):
        value = raw.partition(b":")[2].replace(b"\r\n", b"")
        if name in _IDS:
            value = re.sub(rb"<[!-~]{1,200}>", b"", value)
        elif name in _ADDRESSES:
            value = re.sub(rb"[!-~]+@[!-~]+", b"", value)
            if name == b"from" and not submitted:
                value = value[120:]  # the sender's name
        elif name == b"subject" and not submitted:
            value = value[500:]
        elif name == b"secure-join-invitenumber":
            value = re.sub(rb"[A-Za-z0-9_-]{1,64}", b"", value)
        elif name == b"content-type":
            boundary = re.search(rb'boundary="?([!-~]{1,70}?)"?$', value)
            if boundary:
                value, body = value.replace(boundary[1], b""), body.replace(boundary[1], b"")
        rest.append(name + b":" + value)
    return b"\r\n".join(rest) + _ARMOR.sub(b"", body)


def tried(content: bytes, submitted: bool, recipients=(BOB,)) -> bytes | None:
    """What would be stored, if it is admitted."""
    sender = inspect(content, incoming=not submitted).sender or ""
    return GATE.stored if GATE(content, submitted=submitted, sender=sender, recipients=recipients) is None else None


@pytest.mark.parametrize("submitted", [True, False])
@pytest.mark.parametrize("sample", SAMPLES, ids=NAMES)
def test_the_samples_pass(sample, submitted):
    assert tried(sample, submitted) is not None


# How words are put where they might be overlooked; %b is the words.
PIECES = [
    b"%b",
    b" %b ",
    b"(%b)",
    b' ("%b") ',
    b'"%b"',
    b"<%b>",
    b"; %b",
    b'; x="%b"',
    b'; boundary="%b"',
    b"; size=%b",
    b"; name=%b.asc",
    b", %b",
    b", %b <bob@example.org>",
    b"%b: bob@example.org;",
    b"=?utf-8?q?%b?=",
    b"\r\n %b",
    b"\r\n\t(%b)",
    b"\r\n%b",
    b"\r\n%b\r\n",
    b"\r\n%b: 1\r\n",
    b"\r\nX-Text: %b\r\n",
    b"\r\nComments: %b\r\n",
    b"\r\nComment: %b\r\n",
    b"\r\nVersion: %b\r\n",
    b"\r\nSubject: %b\r\n",
    b"\r\nAutocrypt: addr=%b\r\n",
    b"\r\nContent-Description: %b\r\n",
    b"\r\nContent-ID: <%b>\r\n",
    b"\r\nMIME-Version: 1.0 (%b)\r\n",
    b"\r\nContent-Type: text/plain; name=%b\r\n",
    b"\r\n\r\n%b\r\n\r\n",
    b"\r\n--x\r\n\r\n%b\r\n--x--\r\n",
]


def places(sample: bytes, within: range | None = None) -> list[int]:
    """Where something may be put: anywhere but within the armor."""
    armor = _ARMOR.search(sample)
    inside = range(armor.start() + 29, armor.end() - 27) if armor else range(0)
    return [at for at in within or range(len(sample) + 1) if at not in inside]


def hunt(content: bytes, words: bytes, submitted: bool, recipients=(BOB,)) -> None:
    stored = tried(content, submitted, recipients)
    if stored is not None:
        rest = guarded(stored, submitted).lower()
        for word in words.split():
            assert word not in re.sub(rb"[^a-z-]", b" ", rest).split(), rest
        assert words not in re.sub(rb"[\s=_]+", b" ", rest), rest


@given(st.data())
@settings(max_examples=400)
def test_no_words_survive(data):
    sample = data.draw(st.sampled_from(SAMPLES))
    at = data.draw(st.sampled_from(places(sample)))
    words = data.draw(st.sampled_from([WORDS, GLUED]))
    piece = data.draw(st.sampled_from(PIECES)) % words
    cut = data.draw(st.sampled_from([0, 0, 0, 1, 4, 16, 30]))  # in the place of what was there
    if any(place not in places(sample, range(at, at + 1)) for place in (at, at + cut)):
        cut = 0
    hunt(sample[:at] + piece + sample[at + cut :], words, data.draw(st.booleans()))


@pytest.mark.parametrize("submitted", [True, False])
@pytest.mark.parametrize("sample", SAMPLES, ids=NAMES)
def test_no_words_survive_at_the_end_of_any_line(sample, submitted):
    """Every line of the frame, each way of putting words: not by chance, all of them."""
    armor = _ARMOR.search(sample)
    ends = [end.start() for end in re.finditer(rb"\r\n|\Z", sample)]
    ends = [end for end in ends if armor is None or not armor.start() + 27 < end < armor.end() - 25]
    for at in ends:
        for piece in PIECES:
            hunt(sample[:at] + piece % WORDS + sample[at:], WORDS, submitted)


@pytest.mark.parametrize("piece", PIECES)
def test_no_words_survive_in_the_header_of_a_bounce_or_a_setup_message(piece):
    for sample, submitted, recipients in ((BOUNCE, False, [BOB]), (SETUP, True, ["alice1600@example.org"])):
        header = sample.index(b"\r\n\r\n")
        for end in re.finditer(rb"\r\n", sample[: header + 2]):
            at = end.start()
            stored = tried(sample[:at] + piece % WORDS + sample[at:], submitted, recipients)
            if stored is not None:
                assert WORDS not in guarded(split(stored)[0], submitted)


@given(st.integers(0, 80), st.integers(0, 80), st.sampled_from([b" ", b"\t", b" \t", b"\r\n ", b"\r\n\t "]), st.data())
@settings(max_examples=300)
def test_blanks_tell_nothing_in_long(count, other, blank, data):
    """Blanks may be put in many places; no more than a few of them, one after the other, arrive."""
    sample = data.draw(st.sampled_from(SAMPLES))
    behind = (b":", b";", b" ")
    at = data.draw(st.sampled_from([at for at in places(sample) if sample[at - 1 : at] in behind]))
    stored = tried(sample[:at] + blank * count + b" " * other + sample[at:], data.draw(st.booleans()))
    if stored is not None:
        header, body = split(stored)
        rest = b"".join(raw for name, raw in fields(header) if name not in (b"subject", b"from")) + body
        assert not re.search(rb"[ \t]{9}", rest)


field_octets = st.one_of(
    st.sampled_from(
        [b"\xff", b"\xc3\xb6", b"\t", b"  ", b'"', b"\\", b"(", b")", b"<", b">", b"@", b",", b":", b";", b"[", b"]"]
    ),
    st.sampled_from([b"a@b", b"<a@b>", b"\r\n ", b"\r\nTo: ", b"\r\nSubject: ", b"\r\nCc: ", b"\r\nAutocrypt: addr="]),
    st.binary(min_size=1, max_size=3).map(lambda raw: raw.translate(None, b"\r\n\0")),
)


@given(st.sampled_from([*SAMPLES, BOUNCE]), st.lists(field_octets, max_size=12), st.data())
@settings(max_examples=200)
def test_what_is_kept_is_what_was_admitted_and_needs_no_second_cleaning(sample, pieces, data):
    """Whatever is in the header: no crash (a crashed gate answers 451), and the edits leave a message that the next
    server takes for the same and has nothing to take from."""
    submitted = data.draw(st.booleans())
    for piece in pieces:
        at = data.draw(st.integers(0, sample.index(b"\r\n\r\n") + 2))
        sample = sample[:at] + piece + sample[at:]
    verdict = inspect(sample, incoming=not submitted)
    answer = GATE(sample, submitted=submitted, sender=verdict.sender or "", recipients=[BOB])
    if answer is not None:
        assert not answer.startswith("451")
        return
    stored = GATE.stored
    assert split(stored)[1] == split(sample)[1]
    assert inspect(stored, incoming=not submitted).kind is verdict.kind
    assert GATE(stored, submitted=submitted, sender=verdict.sender, recipients=[BOB]) is None
    assert GATE.stored == stored


def test_every_octet_outside_of_the_encrypted_data_is_known():
    """Of an encrypted message as cores send it, with identifiers taken away, nothing is left but the frame."""
    stored = tried(SAMPLES[0], True)
    assert stored is not None and inspect(stored, incoming=True).kind is Kind.ENCRYPTED
    left = guarded(stored, True).replace(b"\r\n", b"\n").decode()
    assert re.sub(r"\w{3}, [0-9]+ \w{3} [0-9]{4} [0-9:]+ [+][0-9]{4}", "DATE", left) == (
        "from: \ndate: DATE\nmessage-id: \nmime-version: 1.0\n"
        'to: "hidden-recipients": ;\nsubject: [...]\n'
        'content-type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=""\n\n'
        '--\nContent-Type: application/pgp-encrypted; charset="utf-8"\nContent-Transfer-Encoding: 7bit\n\n'
        "Version: 1\n\n"
        '--\nContent-Type: application/octet-stream; charset="utf-8"\nContent-Transfer-Encoding: 7bit\n\n\n\n----\n\n'
    )
