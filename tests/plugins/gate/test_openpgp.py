"""Armor and packet framing."""

import os

import pytest
from chatgate_gate.openpgp import MAX_SESSION_KEYS, NotEncrypted, Octets, Packet, dearmored, packets

from tests.plugins.gate import mails
from tests.plugins.gate.mails import (
    PKESK3,
    PKESK6,
    PKESK6_NAMED,
    SEIPD1,
    SEIPD1_BODY,
    SEIPD2,
    SEIPD2_BODY,
    SKESK4,
    SKESK6,
    armored,
    chunked,
    legacy,
    lines,
    packet,
)

BIG = b"\x01" + os.urandom(70_000)

VALID = {
    "PKESK v3, SEIPD v1": PKESK3 + SEIPD1,
    "PKESK v6 anonymous, SEIPD v2": PKESK6 + SEIPD2,
    "PKESK v6 with a fingerprint": PKESK6_NAMED + PKESK6 + SEIPD2,
    "SKESK v4": SKESK4 + SEIPD1,
    "SKESK v6": SKESK6 + SEIPD2,
    "both kinds of session key": PKESK6 + SKESK6 + SEIPD2,
    "fifty recipients": PKESK6 * 50 + SEIPD2,
    "legacy header, one octet": legacy(1, PKESK3[2:], 0) + SEIPD1,
    "legacy header, two octets": legacy(1, PKESK3[2:], 1) + SEIPD1,
    "legacy header, four octets": legacy(1, PKESK3[2:], 2) + SEIPD1,
    "two-octet length": PKESK6 + packet(18, SEIPD2_BODY + bytes(2000)),
    "five-octet length": PKESK6 + packet(18, SEIPD2_BODY + bytes(9000)),
    "chunks of 512": PKESK3 + chunked(18, BIG, 9),
    "chunks of 8192": PKESK3 + chunked(18, BIG, 13),
    "chunks that end evenly": PKESK3 + chunked(18, BIG[: 512 * 4], 9),
    "later chunks may be small": PKESK3 + chunked(18, BIG[: 512 + 40], 4, first=9),
}

FORGED = {
    "nothing": b"",
    "one octet": b"\xc1",
    "text": b"Meet me at eight at the station.",
    "literal data alone": packet(11, b"b\x00\x00\x00\x00\x00Hello world!"),
    "literal data after the session key": PKESK3 + packet(11, b"b\x00\x00\x00\x00\x00Hello world!"),
    "literal data before": packet(11, b"b\x00\x00\x00\x00\x00Hello world!") + PKESK3 + SEIPD1,
    "compressed data": PKESK3 + packet(8, b"\x00" + os.urandom(300)),
    "marker between": PKESK3 + packet(10, b"PGP") + SEIPD1,
    "padding between": PKESK6 + packet(21, b"Hello world!") + SEIPD2,
    "private packet between": PKESK6 + packet(60, b"Hello world!") + SEIPD2,
    "no session key": SEIPD2,
    "no encrypted data": PKESK3,
    "no integrity protection": PKESK3 + packet(9, os.urandom(300)),
    "legacy packet without integrity protection": PKESK3 + legacy(9, os.urandom(300)),
    "GnuPG's AEAD packet": PKESK3 + packet(20, b"\x01\x09\x02\x10" + os.urandom(300)),
    "session key at the end": PKESK3 + SEIPD1 + PKESK3,
    "two messages": PKESK3 + SEIPD1 + PKESK3 + SEIPD1,
    "two encrypted packets": PKESK3 + SEIPD1 + SEIPD1,
    "text after the encrypted packet": PKESK3 + SEIPD1 + b"Hello world!",
    "encrypted packet too short": PKESK3 + SEIPD1[:-1],
    "encrypted packet one too long": PKESK3 + SEIPD1 + b"\x00",
    "SEIPD v1 without room for anything": PKESK3 + packet(18, b"\x01" + os.urandom(33)),
    "SEIPD v2 without room for anything": PKESK6 + packet(18, SEIPD2_BODY[:68]),
    "SEIPD v0": PKESK3 + packet(18, b"\x00" + os.urandom(300)),
    "SEIPD v3": PKESK3 + packet(18, b"\x03" + os.urandom(300)),
    "SEIPD v2 with an unknown AEAD": PKESK6 + packet(18, b"\x02\x07\x09" + SEIPD2_BODY[3:]),
    "SEIPD v2 with an endless chunk": PKESK6 + packet(18, b"\x02\x07\x02\x11" + SEIPD2_BODY[4:]),
    "empty SEIPD": PKESK3 + packet(18, b""),
    "PKESK v2": packet(1, b"\x02" + PKESK3[3:]) + SEIPD1,
    "PKESK for signing only": packet(1, b"\x03" + bytes(8) + b"\x16" + os.urandom(84)) + SEIPD1,
    "PKESK v6 for signing only": packet(1, b"\x06\x00\x1b" + os.urandom(84)) + SEIPD2,
    "PKESK v6 with text for a fingerprint": packet(1, b"\x06\x20Hello world! Hello world! Hello world!") + SEIPD2,
    "PKESK without a key": packet(1, b"\x03" + bytes(8) + b"\x12") + SEIPD1,
    "empty PKESK": packet(1, b"") + SEIPD1,
    "PKESK larger than any": packet(1, PKESK3[2:] + os.urandom(4096)) + SEIPD1,
    "PKESK in chunks": chunked(1, PKESK3[2:] + os.urandom(600), 9) + SEIPD1,
    "SKESK v5": packet(3, b"\x05" + SKESK4[3:]) + SEIPD1,
    "SKESK v4 with an unknown string-to-key": packet(3, b"\x04\x09\x65" + os.urandom(10)) + SEIPD1,
    "SKESK v6 with an unknown AEAD": packet(3, b"\x06\x1c\x07\x09" + SKESK6[6:]) + SEIPD2,
    "legacy indeterminate length": legacy(1, PKESK3[2:] + SEIPD1, 3),
    "legacy indeterminate length like one of eight octets": b"\x87" + bytes(7) + PKESK6[1:] + SEIPD2,
    "first chunk too small": PKESK3 + chunked(18, SEIPD1_BODY, 8),
    "chunks without an end": PKESK3 + b"\xd2\xea" + b"\x01" + os.urandom(1023),
    "chunk beyond the end": PKESK3 + b"\xd2\xfe" + b"\x01" + os.urandom(1023),
    "length beyond the end": PKESK3 + b"\xd2\xff\xff\xff\xff\xff" + b"\x01" + os.urandom(1023),
    "length cut off": PKESK3 + b"\xd2\xff\x00\x00",
    "too many session keys": PKESK6 * (MAX_SESSION_KEYS + 1) + SEIPD2,
}


@pytest.mark.parametrize("width", [4, 60, 64, 76, 61])
@pytest.mark.parametrize("name", VALID)
def test_valid_packets_pass_at_any_line_length(name, width):
    found = packets(Octets(lines(VALID[name], width)))
    assert found[-1].tag == 18
    assert {packet.tag for packet in found[:-1]} <= {1, 3}


@pytest.mark.parametrize("name", FORGED)
def test_forged_packets_are_refused(name):
    with pytest.raises(NotEncrypted):
        packets(Octets(lines(FORGED[name])))


def test_the_walk_tells_what_it_saw():
    assert packets(Octets(lines(SKESK6 + PKESK6 + SEIPD2))) == [
        Packet(0, 3, 6),
        Packet(len(SKESK6), 1, 6),
        Packet(len(SKESK6 + PKESK6), 18, 2),
    ]


def test_every_cut_of_a_message_is_refused():
    message = VALID["PKESK v6 with a fingerprint"]
    for end in range(len(message)):
        with pytest.raises(NotEncrypted):
            packets(Octets(lines(message[:end])))


@pytest.mark.parametrize("width", [4, 8, 61, 64, 76, 996])
@pytest.mark.parametrize("size", [1, 2, 3, 47, 48, 49, 191, 192, 1000])
def test_octets_are_read_anywhere(size, width):
    raw = os.urandom(size)
    octets = Octets(lines(raw, width))
    assert octets.size == size
    for offset in range(0, size + 1, 1 if size < 200 else 13):
        for count in (1, 5, 16):
            assert octets.read(offset, count) == raw[offset : offset + count]


def test_lines_of_any_length_are_joined():
    for text in (b"A" * 64 + b"\r\n" + b"A" * 20 + b"\r\n" + b"A" * 12 + b"\r\n", b"A\r\nAAA\r\nAA\r\nA=\r\n"):
        octets = Octets(text)
        assert octets.read(0, 999) == bytes(octets.size)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\r\n",
        b"\r\n\r\n",
        b"AAAA",
        b"AAAA\n",
        b"AAAA\r",
        b"AAAA\r\n\r\n",
        b"AAAA\r\nAAAA\n\r",
        b"AAAA\r\nA\rAAA\nAAAA\r\n",
        b"AAAA\r\nA\nAA\rAAAAA\r\n",
        b"AAAA\r\n\r\nAAAA\r\n",
        b"AAAA\r\nAA\r\n\r\nAA\r\n",
        b"AAAA\n\rAAAA\r\n",
        b"AA\rA\nA\r\n",
        b"AAAA\r\nAA\nA\rA\r\n",
        b"AAAA\r\nAAAA AAAA\r\n",
        b"AAAA\r\n AAA\r\n",
        b"AAAA\r\nAAA\r\n",
        b"AAAA\r\nA===\r\n",
        b"AAAA\r\n====\r\n",
        b"AA==\r\nAAAA\r\n",
        b"AAAAAA==AAAA\r\n",
        b"AA=A\r\n",
        b"AAAA\r\nAA-_\r\n",
        b"AAAA\r\nAA\x00A\r\n",
        b"AAAA\r\nAAA\xc3\r\n",
    ],
)
def test_what_is_not_base64_is_refused(text):
    with pytest.raises(NotEncrypted):
        Octets(text)


GOOD = armored(mails.DELTACHAT)


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD + b"\r\n\r\n",
        GOOD.removesuffix(b"\r\n"),
        armored(mails.DELTACHAT, crc=b""),
        armored(mails.DELTACHAT, crc=b"=AAAA\r\n"),  # RFC 9580 §6.1: a wrong one must not matter
    ],
)
def test_armor(text):
    assert dearmored(text, headers_allowed=False).read(0, 9999) == mails.DELTACHAT


def test_version_line_only_where_allowed():
    text = armored(mails.DELTACHAT, headers=b"Version: ProtonMail\r\n")
    assert dearmored(text, headers_allowed=True).size == len(mails.DELTACHAT)
    with pytest.raises(NotEncrypted):
        dearmored(text, headers_allowed=False)


@pytest.mark.parametrize(
    "text",
    [
        armored(mails.DELTACHAT, headers=b"Comment: meet me at eight\r\n"),
        armored(mails.DELTACHAT, headers=b"Version: 1\r\nVersion: 1\r\n"),
        armored(mails.DELTACHAT, headers=b"Version: 1\r\nComment: 1\r\n"),
        armored(mails.DELTACHAT, headers=b"Version: " + b"x" * 61 + b"\r\n"),
        armored(mails.DELTACHAT, headers=b"Version: \xc3\xa4\r\n"),
        armored(mails.DELTACHAT, headers=b"Version: 1\nmeet me\r\n"),
        armored(mails.DELTACHAT, headers=b"version: 1\r\n"),
        armored(mails.DELTACHAT, headers=b"Hash: SHA256\r\n"),
        armored(mails.DELTACHAT, headers=b" \r\n"),
        armored(mails.DELTACHAT, headers=b"\r\nmeet me at eight\r\n"),
        armored(mails.DELTACHAT, headers=b"\r\n"),
        armored(mails.DELTACHAT, crc=b"=AAAAmeet\r\n"),
        armored(mails.DELTACHAT, crc=b"=AAA\r\n"),
        armored(mails.DELTACHAT, crc=b"=AA-A\r\n"),
        armored(mails.DELTACHAT, crc=b"=AAAA\r\n=AAAA\r\n"),
        armored(mails.DELTACHAT, crc=b"=AAAA\r\nmeet\r\n"),
        armored(mails.DELTACHAT, crc=b"\r\n=AAAA\r\n"),
        armored(mails.DELTACHAT, crc=b"=AAAA\r\n\r\n"),
        armored(mails.DELTACHAT).replace(b"\r\n\r\n", b"\r\n", 1),
        armored(mails.DELTACHAT).replace(b"\r\n\r\n", b"\r\nxy", 1),
        armored(mails.DELTACHAT).replace(b"-----END PGP MESSAGE-----", b"Meet me at eight, please!"),
        armored(mails.DELTACHAT).replace(b"-----END", b"----END"),
        armored(mails.DELTACHAT).replace(b"BEGIN PGP MESSAGE", b"BEGIN PGP SIGNED MESSAGE"),
        armored(mails.DELTACHAT).replace(b"END PGP MESSAGE-----", b"END PGP MESSAGE----- meet"),
        b"\r\n" + GOOD,
        b"meet me\r\n" + GOOD,
        GOOD + b"meet me\r\n",
        GOOD + b"\r\n" * 9,
        GOOD + b"\n",
        GOOD + b" \r\n",
        GOOD + GOOD,
        b"-----BEGIN PGP MESSAGE-----\r\n\r\n-----END PGP MESSAGE-----\r\n",
        b"-----BEGIN PGP MESSAGE-----\r\n-----END PGP MESSAGE-----\r\n",
        b"-----BEGIN PGP MESSAGE-----\r\n",
        GOOD.replace(b"\r\n", b"\n"),
        GOOD[:150] + b" " + GOOD[150:],
        GOOD[:150] + b"\r\nmeet me\r\n" + GOOD[150:],
    ],
)
def test_more_or_less_than_armor_is_refused(text):
    with pytest.raises(NotEncrypted):
        packets(dearmored(text, headers_allowed=True))
