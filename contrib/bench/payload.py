"""Messages as Delta Chat sends them: PGP/MIME (RFC 3156) around one PKESK and one SEIPD packet (RFC 9580).

The packets are random octets with right framing, which is all a server that holds no key can look at.
"""

from __future__ import annotations

import base64
import os
import random
import re
import time
from collections.abc import Sequence

_HEADER_ROOM = 420  # octets of a usual header section, so that `size` is about the size of the whole message
_LINE = 64  # base64 characters to a line, as OpenPGP programs write it


def crc24(data: bytes) -> int:
    """The checksum of ASCII armor (RFC 9580 §6.1.1)."""
    crc = 0xB704CE
    for octet in data:
        crc = ((crc << 8) & 0xFFFFFF) ^ _CRC_TABLE[(crc >> 16) ^ octet]
    return crc


def _crc_entry(octet: int) -> int:
    crc = octet << 16
    for _ in range(8):
        crc <<= 1
        if crc & 0x1000000:
            crc ^= 0x1864CFB
    return crc & 0xFFFFFF


_CRC_TABLE = [_crc_entry(octet) for octet in range(256)]


def packet(tag: int, body: bytes) -> bytes:
    """An OpenPGP packet with the new header format (RFC 9580 §4.2.1)."""
    size = len(body)
    if size < 192:
        length = bytes([size])
    elif size < 8384:
        length = bytes([((size - 192) >> 8) + 192, (size - 192) & 255])
    else:
        length = b"\xff" + size.to_bytes(4, "big")
    return bytes([0xC0 | tag]) + length + body


def armored(packets: bytes) -> bytes:
    """ASCII armor with its checksum, lines ended by CRLF."""
    text = base64.b64encode(packets)
    lines = b"\r\n".join(text[i : i + _LINE] for i in range(0, len(text), _LINE))
    checksum = base64.b64encode(crc24(packets).to_bytes(3, "big"))
    return b"-----BEGIN PGP MESSAGE-----\r\n\r\n%b\r\n=%b\r\n-----END PGP MESSAGE-----\r\n" % (lines, checksum)


def encrypted_body(size: int, boundary: str) -> bytes:
    """The body of a multipart/encrypted message, about `size` octets. No line begins with a dot, so that DATA needs
    no dot-stuffing.
    """
    before = (
        f"--{boundary}\r\nContent-Type: application/pgp-encrypted\r\n"
        "Content-Description: PGP/MIME version identification\r\n\r\nVersion: 1\r\n\r\n"
        f'--{boundary}\r\nContent-Type: application/octet-stream; name="encrypted.asc"\r\n'
        "Content-Description: OpenPGP encrypted message\r\n"
        'Content-Disposition: inline; filename="encrypted.asc"\r\n\r\n'
    ).encode()
    after = f"\r\n--{boundary}--\r\n".encode()
    # version 3, key id, ECDH: a 263-bit point with its prefix 0x40, then the wrapped session key
    session_key = b"\x03" + os.urandom(8) + b"\x12\x01\x07\x40" + os.urandom(32) + b"\x30" + os.urandom(48)
    pkesk = packet(1, session_key)
    frame = len(before) + len(after) + len(armored(b"")) + len(pkesk)
    octets = max(64, (size - frame) * _LINE // (_LINE + 2) * 3 // 4)
    return before + armored(pkesk + packet(18, b"\x01" + os.urandom(octets))) + after


class Messages:
    """Numbered messages of one run. Bodies are made once and used in turn, so that making mail costs nothing while
    something is measured; the number in the Message-ID tells them apart.
    """

    def __init__(self, sizes: Sequence[int], variants: int = 8) -> None:
        """sizes: octets of the whole messages, about; used in turn. variants: different bodies of each size."""
        self.run = f"{random.getrandbits(40):010x}"
        self._boundaries = [f"b{random.getrandbits(64):016x}" for _ in range(variants * len(sizes))]
        self._bodies = [
            encrypted_body(sizes[i % len(sizes)] - _HEADER_ROOM, boundary)
            for i, boundary in enumerate(self._boundaries)
        ]
        self._date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())
        self._id = re.compile(rb"^Message-ID:\s*<bench-%b-(\d+)@" % self.run.encode(), re.IGNORECASE | re.MULTILINE)

    def body(self, number: int) -> bytes:
        return self._bodies[number % len(self._bodies)]

    def message(self, number: int, sender: str, recipients: Sequence[str]) -> bytes:
        """The whole message, ended by CRLF. The To header is folded as RFC 5322 §2.1.1 wants it."""
        to = ",\r\n ".join(f"<{address}>" for address in recipients)
        header = (
            f"From: <{sender}>\r\nTo: {to}\r\nSubject: [...]\r\nDate: {self._date}\r\n"
            f"Message-ID: <bench-{self.run}-{number}@{sender.rpartition('@')[2]}>\r\n"
            "Chat-Version: 1.0\r\nMIME-Version: 1.0\r\n"
            'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted";\r\n'
            f' boundary="{self._boundaries[number % len(self._boundaries)]}"\r\n\r\n'
        )
        return header.encode() + self.body(number)

    def number(self, header: bytes) -> int | None:
        """Which message a received header section belongs to; None: none of this run."""
        found = self._id.search(header)
        return int(found[1]) if found else None
