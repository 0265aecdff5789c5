"""Builders of messages for the gate's tests: valid ones piece by piece, so that each piece can be forged."""

from __future__ import annotations

import base64
import os
from pathlib import Path

MAIL = Path(__file__).parents[2] / "mail"

BOUNDARY = b"18566fe03178296e_f40510c3b59ace3_ecf843ae3ccd2b17"

HEADER = (
    b"From: <alice@example.org>\r\n"
    b"Date: Sun, 15 Oct 2023 16:43:21 +0000\r\n"
    b"Message-ID: <48b9e9cc-2bae-4d41-89b4-a409e2c60c28@localhost>\r\n"
    b"MIME-Version: 1.0\r\n"
    b'To: "hidden-recipients": ;\r\n'
    b"Subject: [...]\r\n"
)
TYPE = b'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; \r\n\tboundary="%b"\r\n' % BOUNDARY
FIRST_HEADER = (
    b'Content-Type: application/pgp-encrypted; charset="utf-8"\r\n'
    b"Content-Description: PGP/MIME version identification\r\n"
    b"Content-Transfer-Encoding: 7bit\r\n"
)
SECOND_HEADER = (
    b'Content-Type: application/octet-stream; name="encrypted.asc"; \r\n\tcharset="utf-8"\r\n'
    b"Content-Description: OpenPGP encrypted message\r\n"
    b'Content-Disposition: inline; filename="encrypted.asc";\r\n'
    b"Content-Transfer-Encoding: 7bit\r\n"
)


def stored(name: str) -> bytes:
    """A message of tests/mail in wire form."""
    return (MAIL / name).read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def packet(tag: int, body: bytes) -> bytes:
    """New format, shortest length (RFC 9580 §4.2.1)."""
    size = len(body)
    if size < 192:
        length = bytes([size])
    elif size < 8384:
        length = bytes([(size - 192 >> 8) + 192, size - 192 & 255])
    else:
        length = b"\xff" + size.to_bytes(4, "big")
    return bytes([0xC0 | tag]) + length + body


def legacy(tag: int, body: bytes, length_type: int = 1) -> bytes:
    """Legacy format (RFC 9580 §4.2.2); length type 3 is the indeterminate one."""
    length = b"" if length_type == 3 else len(body).to_bytes(1 << length_type, "big")
    return bytes([0x80 | tag << 2 | length_type]) + length + body


def chunked(tag: int, body: bytes, power: int, first: int | None = None) -> bytes:
    """Partial lengths of 2**power octets (RFC 9580 §4.2.1.4); the first chunk may be of another power."""
    out, at, size = [bytes([0xC0 | tag])], 0, 1 << (power if first is None else first)
    while len(body) - at >= size:
        out += [bytes([0xE0 | size.bit_length() - 1]), body[at : at + size]]
        at, size = at + size, 1 << power
    return b"".join(out) + packet(tag, body[at:])[1:]


PKESK3 = packet(1, b"\x03" + bytes(range(8)) + b"\x12" + os.urandom(84))  # ECDH
PKESK6 = packet(1, b"\x06\x00\x19" + os.urandom(32) + b"\x28" + os.urandom(40))  # anonymous, X25519, as Delta Chat's
PKESK6_NAMED = packet(1, b"\x06\x21\x06" + os.urandom(32) + b"\x19" + os.urandom(32) + b"\x28" + os.urandom(40))
SKESK4 = packet(3, b"\x04\x09\x03\x08" + os.urandom(8) + b"\x60")
SKESK6 = packet(3, b"\x06\x1c\x07\x02\x0a\x01\x08" + os.urandom(8) + os.urandom(15) + os.urandom(32))
SEIPD1_BODY = b"\x01" + os.urandom(300)
SEIPD2_BODY = b"\x02\x07\x02\x06" + os.urandom(32 + 300 + 16)
SEIPD1 = packet(18, SEIPD1_BODY)
SEIPD2 = packet(18, SEIPD2_BODY)
DELTACHAT = PKESK6 + PKESK6 + SEIPD2


def lines(packets: bytes, width: int = 64) -> bytes:
    text = base64.b64encode(packets)
    return b"".join(text[at : at + width] + b"\r\n" for at in range(0, len(text), width))


def crc24(octets: bytes) -> int:
    """RFC 9580 §6.1."""
    crc = 0xB704CE
    for octet in octets:
        crc ^= octet << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    return crc


def armored(packets: bytes, *, headers: bytes = b"", crc: bytes | None = None, width: int = 64) -> bytes:
    """crc: its line, None for the right one."""
    if crc is None:
        crc = b"=" + base64.b64encode(crc24(packets).to_bytes(3, "big")) + b"\r\n"
    body = lines(packets, width)
    return b"-----BEGIN PGP MESSAGE-----\r\n%b\r\n%b%b-----END PGP MESSAGE-----\r\n" % (headers, body, crc)


def mail(
    armor: bytes | None = None,
    *,
    header: bytes = HEADER,
    type: bytes = TYPE,
    boundary: bytes = BOUNDARY,
    preamble: bytes = b"\r\n",
    first_header: bytes = FIRST_HEADER,
    first: bytes = b"Version: 1\r\n",
    between: bytes = b"",
    second_header: bytes = SECOND_HEADER,
    third: bytes = b"",
    epilogue: bytes = b"",
) -> bytes:
    """A message as Delta Chat sends it, but for the pieces given."""
    armor = armored(DELTACHAT) if armor is None else armor
    return b"".join(
        (
            header + type + b"\r\n",
            preamble + b"--%b\r\n" % boundary,
            first_header + b"\r\n" + first + b"\r\n",
            between + b"--%b\r\n" % boundary,
            second_header + b"\r\n" + armor + b"\r\n\r\n",
            third + b"--%b--\r\n" % boundary,
            epilogue,
        )
    )


def securejoin(
    step: bytes = b"vc-request",
    *,
    text: bytes | None = None,
    header: bytes = HEADER,
    part_header: bytes = b'Content-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: 7bit\r\n',
    preamble: bytes = b"\r\n",
    more: bytes = b"",
    epilogue: bytes = b"",
) -> bytes:
    text = b"Secure-Join: " + step if text is None else text
    return (
        header
        + b"Chat-Version: 1.0\r\nSecure-Join: %b\r\nSecure-Join-Invitenumber: dKVDuLOdbaQCYGcjaU9e\r\n" % step
        + b'Content-Type: multipart/mixed; boundary="Gl92xgZjOShJ5PGHntqYkoo2OK2Dvi"\r\n\r\n'
        + preamble
        + b"--Gl92xgZjOShJ5PGHntqYkoo2OK2Dvi\r\n"
        + part_header
        + b"\r\n"
        + text
        + b"\r\n\r\n"
        + more
        + b"--Gl92xgZjOShJ5PGHntqYkoo2OK2Dvi--\r\n"
        + epilogue
    )
