"""Whatever comes: an answer and no exception, quickly, and never cleartext."""

import os

import pytest
from chatgate_gate import Kind, Verdict, inspect
from chatgate_gate.openpgp import MAX_SESSION_KEYS, NotEncrypted, Octets, packets
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.growth.growing import steep
from tests.plugins.gate import mails
from tests.plugins.gate.mails import BOUNDARY, DELTACHAT, HEADER, TYPE, armored, chunked, lines, mail, packet

SAMPLES = [
    mail(),
    mail(armored(mails.PKESK3 + mails.SEIPD1, headers=b"Version: 1\r\n")),
    mails.securejoin(),
    mails.stored("gate-deltachat.eml"),
    mails.stored("gate-thunderbird.eml"),
    mails.stored("gate-bounce.eml"),
    mails.stored("gate-setup-message.eml"),
]
# Pieces that mean something somewhere in a message.
DICTIONARY = [
    b"\r\n",
    b"\r",
    b"\n",
    b"\x00",
    b" ",
    b"\t",
    b":",
    b";",
    b"=",
    b"==",
    b'"',
    b"\\",
    b"--",
    b"-----",
    b"<",
    b">",
    b"@",
    b",",
    b"\r\n\r\n",
    b"--" + BOUNDARY,
    b"--" + BOUNDARY + b"--",
    b"Content-Type: text/plain\r\n",
    b"From: x@y.z\r\n",
    b"-----BEGIN PGP MESSAGE-----\r\n",
    b"-----END PGP MESSAGE-----\r\n",
    b"=?utf-8?q?x?=",
    b"Version: 1\r\n",
    b"\xff",
    b"AAAA",
]

mutation = st.tuples(
    st.sampled_from(["insert", "delete", "replace", "double", "swap"]),
    st.floats(0, 1, exclude_max=True),
    st.integers(1, 40),
    st.one_of(st.sampled_from(DICTIONARY), st.binary(min_size=1, max_size=8)),
)


def mutated(content: bytes, mutations) -> bytes:
    for how, where, count, piece in mutations:
        at = int(where * (len(content) + 1))
        if how == "insert":
            content = content[:at] + piece + content[at:]
        elif how == "delete":
            content = content[:at] + content[at + count :]
        elif how == "replace":
            content = content[:at] + piece + content[at + len(piece) :]
        elif how == "double":
            content = content[: at + count] + content[at:]
        else:
            content = content[at:] + content[:at]
    return content


@given(st.sampled_from(SAMPLES), st.lists(mutation, max_size=5), st.booleans())
@settings(max_examples=200)
def test_never_an_exception_for_a_mutated_message(sample, mutations, incoming):
    verdict = inspect(mutated(sample, mutations), incoming=incoming, recipients=["alice@example.org"])
    assert isinstance(verdict, Verdict)
    assert verdict.admitted == (not verdict.reason)


@given(st.binary(max_size=300), st.sampled_from([b"", HEADER + TYPE + b"\r\n", HEADER]), st.booleans())
@settings(max_examples=250)
def test_never_an_exception_for_anything(tail, head, incoming):
    assert not inspect(head + tail, incoming=incoming).admitted


words = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=12)
sentences = st.lists(words, min_size=2, max_size=5).map(" ".join).map(str.encode)


@given(st.sampled_from(SAMPLES[:5]), sentences, st.data())
@settings(max_examples=200)
def test_no_sentence_anywhere_in_the_body_passes(sample, sentence, data):
    body = sample.index(b"\r\n\r\n") + 2
    at = data.draw(st.integers(body, len(sample)))
    as_line = data.draw(st.booleans())
    if as_line:
        at = sample.rfind(b"\r\n", body, at) + 2 if b"\r\n" in sample[body:at] else body + 2
        sentence = sentence + b"\r\n"
    assert inspect(sample, incoming=True).admitted
    assert not inspect(sample[:at] + sentence + sample[at:], incoming=True).admitted


@given(st.data())
@settings(max_examples=300)
def test_every_octet_of_the_frame_matters(data):
    """Changing one octet outside of the outer header, the armor and blanks at ends of lines never leaves it encrypted
    with other words in it: what is admitted differs in case or in what has no meaning at most."""
    sample = mail()
    start, end = sample.index(b"--" + BOUNDARY), sample.index(b"-----BEGIN")
    at = data.draw(st.integers(start, end - 1))
    octet = data.draw(st.integers(0, 255))
    changed = sample[:at] + bytes([octet]) + sample[at + 1 :]
    if inspect(changed, incoming=False).kind is Kind.ENCRYPTED:
        # Names of fields, types and parameters are alike in any case; file names and charsets are free within bounds.
        before, after = chr(sample[at]), chr(octet)
        free = after.isascii() and (after.isalnum() or after in "._-\t ")
        assert before.lower() == after.lower() or free, (before, after)


session_keys = st.sampled_from([mails.PKESK3, mails.PKESK6, mails.PKESK6_NAMED, mails.SKESK4, mails.SKESK6])
encrypted = st.one_of(
    st.sampled_from([mails.SEIPD1, mails.SEIPD2]),
    st.integers(512, 3000).map(lambda size: chunked(18, b"\x01" + os.urandom(size), 9)),
)
others = st.integers(0, 63).filter(lambda tag: tag not in (1, 3, 18)).map(lambda tag: packet(tag, os.urandom(80)))


@given(st.lists(session_keys, min_size=1, max_size=6), encrypted, st.integers(1, 19).map(lambda quads: quads * 4))
def test_all_messages_of_known_packets_pass(keys, data, width):
    assert len(packets(Octets(lines(b"".join(keys) + data, width)))) == len(keys) + 1


@given(st.lists(session_keys, max_size=4), encrypted, others, st.data())
def test_no_message_with_another_packet_passes(keys, data, other, draw):
    sequence = [*keys, data]
    sequence.insert(draw.draw(st.integers(0, len(sequence))), other)
    with pytest.raises(NotEncrypted):
        packets(Octets(lines(b"".join(sequence))))


@given(st.binary(max_size=600), session_keys)
@settings(max_examples=250)
def test_random_octets_are_refused_or_end_in_an_encrypted_packet(tail, key):
    raw = key + tail
    try:
        found = packets(Octets(lines(raw)))
    except NotEncrypted:
        return
    assert found[-1].tag == 18 and found[-1].version in (1, 2)
    assert {packet.tag for packet in found[:-1]} <= {1, 3}


# ------------------------------------------------------------------------------------------ in proportion to its length

# Octets of the larger one of two. Both fit into a processor's cache: where only one does, that alone makes it quicker.
SIZE = 1_000_000
BIG = b"\x01" + os.urandom(SIZE * 3 // 4)


def armor_of(packets: bytes, width: int = 64) -> bytes:
    return armored(packets, crc=b"", width=width)


def tiny_chunks(octets: int) -> bytes:
    return mails.PKESK3 + b"\xd2\xe9\x01" + bytes(511) + b"\xe0\x00" * (octets // 4) + b"\x00"


def some(octets: int) -> bytes:
    """Ciphertext for a message of that length."""
    return BIG[: octets * 3 // 4]


def irregular(octets: int) -> bytes:
    return armor_of(mails.PKESK3 + packet(18, some(octets))).replace(b"\r\n\r\n", b"\r\n\r\nAAAA\r\n", 1)


def filled(head: bytes, piece: bytes, octets: int) -> bytes:
    return head + piece * (octets // len(piece))


# name: (a message of about so many octets, what it is)
LARGE = {
    "one packet": (lambda n: mail(armor_of(mails.PKESK3 + packet(18, some(n)))), Kind.ENCRYPTED),
    "chunks of 8 KiB, as GnuPG's": (lambda n: mail(armor_of(mails.PKESK3 + chunked(18, some(n), 13))), Kind.ENCRYPTED),
    "chunks of 512": (lambda n: mail(armor_of(mails.PKESK3 + chunked(18, some(n), 9))), Kind.ENCRYPTED),
    "irregular lines": (lambda n: mail(irregular(n)), Kind.CLEARTEXT),
    "lines of 61": (lambda n: mail(armor_of(mails.PKESK3 + packet(18, some(n)), width=61)), Kind.ENCRYPTED),
    "chunks of 1": (lambda n: mail(armor_of(tiny_chunks(n))), Kind.CLEARTEXT),
    "only line ends": (lambda n: mail(filled(b"", b"\r\n", n)), Kind.CLEARTEXT),
    "only line ends in the armor": (lambda n: mail(armored(b"", headers=filled(b"", b"\r\n", n))), Kind.CLEARTEXT),
    "lines of one octet": (
        lambda n: mail(armored(DELTACHAT, headers=filled(b"\r\n", b"A\r\n", n))),
        Kind.CLEARTEXT,
    ),
    "only delimiters": (lambda n: mail(third=filled(b"", b"--%b\r\n" % BOUNDARY, n)), Kind.CLEARTEXT),
    "almost delimiters": (
        lambda n: mail(filled(armored(DELTACHAT), (b"--%b" % BOUNDARY)[:-1], n)),
        Kind.CLEARTEXT,
    ),
    "only ends of armor": (lambda n: mail(filled(b"", b"-----END PGP MESSAGE----", n)), Kind.CLEARTEXT),
    "a header without an end": (lambda n: filled(HEADER + b"A: ", b"x", n), Kind.MALFORMED),
    "folded lines without an end": (lambda n: filled(HEADER + b"A: x\r\n", b" x\r\n", n), Kind.MALFORMED),
    "text": (lambda n: filled(HEADER + b"\r\n", b"Meet me at eight.\r\n", n), Kind.CLEARTEXT),
    "zeros": (bytes, Kind.MALFORMED),
}


def look(content: bytes) -> Verdict:
    return inspect(content, incoming=True)


@pytest.mark.parametrize("name", LARGE)
def test_a_large_message_takes_time_in_proportion(name):
    make, kind = LARGE[name]
    contents = {times: make(times * SIZE // 4) for times in (1, 4)}
    for content in contents.values():
        found = look(content)
        assert found.kind is kind, found.reason
    assert not steep(look, contents.__getitem__)


def test_more_session_keys_than_anybody_has_are_refused():
    found = look(mail(armor_of(mails.PKESK6 * MAX_SESSION_KEYS * 2)))
    assert found.kind is Kind.CLEARTEXT, found.reason


# The gate refuses a header of more than 64 KiB unseen; these are below that.
HOSTILE = [
    lambda n: b"From: " + b'"' * 60 * n,
    lambda n: b"From: " + b"(a)" * 20 * n,
    lambda n: b"From: " + b"a." * 30 * n + b"@",
    lambda n: b"From: x@y.z\r\n" + b"Content-Type: multipart/encrypted" + b"; a=b" * 12 * n,
    lambda n: b"From: x@y.z\r\n" + b'Content-Type: multipart/encrypted; boundary="' + b" " * 60 * n,
    lambda n: b"From: x@y.z\r\n" + b"Content-Type: multipart/encrypted;" + b"\r\n " * 20 * n + b"x",
    lambda n: b"A: x\r\n" + b" x\r\n" * 15 * n + b"B: y",
    lambda n: b"".join(b"A%d: x\r\n" % m for m in range(6 * n)) + b"B: y",
]


@pytest.mark.parametrize("header", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_header_takes_time_in_proportion(header):
    contents = {times: header(250 * times) + b"\r\n\r\nx\r\n" for times in (1, 4)}
    assert not any(look(content).admitted for content in contents.values())
    assert not steep(look, contents.__getitem__)
