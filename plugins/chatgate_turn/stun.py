"""STUN messages (RFC 8489) with the additions of TURN (RFC 8656): building, parsing, verifying. No network access."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# Methods, as the type of their request; the type of an answer has one of these bits set in addition.
BINDING, ALLOCATE, REFRESH, CREATE_PERMISSION = 0x0001, 0x0003, 0x0004, 0x0008
SUCCESS, ERROR = 0x0100, 0x0110

USERNAME, MESSAGE_INTEGRITY, ERROR_CODE, LIFETIME = 0x0006, 0x0008, 0x0009, 0x000D
XOR_PEER_ADDRESS, REALM, NONCE, XOR_RELAYED_ADDRESS = 0x0012, 0x0014, 0x0015, 0x0016
REQUESTED_TRANSPORT, XOR_MAPPED_ADDRESS = 0x0019, 0x0020

UDP = b"\x11\0\0\0"  # for REQUESTED_TRANSPORT: the protocol number, and three octets reserved

_COOKIE = b"\x21\x12\xa4\x42"
_HEADER = 20
_INTEGRITY = 4 + 20  # the attribute MESSAGE-INTEGRITY

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Message:
    """type: method and class. transaction: 12 octets that match an answer to its request."""

    type: int
    transaction: bytes
    attributes: tuple[tuple[int, bytes], ...]

    def get(self, kind: int) -> bytes:
        """The first attribute of this kind, the only one that counts (RFC 8489 §14). Raises ValueError: there is
        none."""
        for found, value in self.attributes:
            if found == kind:
                return value
        raise ValueError(f"attribute {kind:#06x} is missing")

    @property
    def error(self) -> int:
        """The code of an error answer (RFC 8489 §14.8), such as 401; 0 for another message."""
        if self.type & ERROR != ERROR:
            return 0
        value = self.get(ERROR_CODE)
        if len(value) < 4:
            raise ValueError("ERROR-CODE is too short")
        return (value[2] & 7) * 100 + value[3]

    def address(self, kind: int) -> tuple[Address, int]:
        """(IP address, port) of an XOR-…-ADDRESS attribute (RFC 8489 §14.2). Raises ValueError."""
        value = self.get(kind)
        if len(value) not in (8, 20) or value[1] != (1 if len(value) == 8 else 2):
            raise ValueError("not an address")
        port = int.from_bytes(value[2:4], "big") ^ int.from_bytes(_COOKIE[:2], "big")
        return ipaddress.ip_address(_xor(value[4:], _COOKIE + self.transaction)), port


def xor_address(address: Address, port: int, transaction: bytes) -> bytes:
    """The value of an XOR-…-ADDRESS attribute."""
    mask = _COOKIE + transaction
    family = b"\0\x01" if address.version == 4 else b"\0\x02"
    return family + _xor(port.to_bytes(2, "big"), mask) + _xor(address.packed, mask)


def long_term_key(username: str, realm: bytes, password: str) -> bytes:
    """The key of long-term credentials (RFC 8489 §9.2.2). Ours are ASCII, which OpaqueString leaves as it is."""
    text = b":".join((username.encode(), realm, password.encode()))
    return hashlib.md5(text, usedforsecurity=False).digest()


def build(kind: int, transaction: bytes, attributes: Iterable[tuple[int, bytes]], key: bytes = b"") -> bytes:
    """The message as a datagram; with a key, signed by MESSAGE-INTEGRITY (RFC 8489 §14.5)."""
    body = b"".join(_attribute(*attribute) for attribute in attributes)
    if not key:
        return _header(kind, len(body), transaction) + body
    # The signed header already counts the signature itself.
    signed = _header(kind, len(body) + _INTEGRITY, transaction) + body
    return signed + _attribute(MESSAGE_INTEGRITY, _hmac(key, signed))


def parse(datagram: bytes) -> Message:
    """Raises ValueError when it is not a STUN message."""
    if len(datagram) < _HEADER or datagram[0] & 0xC0 or datagram[4:8] != _COOKIE:
        raise ValueError("not STUN")
    kind, length = struct.unpack_from(">HH", datagram)
    if length % 4 or length != len(datagram) - _HEADER:
        raise ValueError("wrong length")
    return Message(kind, datagram[8:20], tuple((kind, value) for _, kind, value in _attributes(datagram)))


def signed(datagram: bytes, key: bytes) -> bool:
    """Does a message that `parse` accepted have a MESSAGE-INTEGRITY made with this key?"""
    for offset, kind, value in _attributes(datagram):
        if kind == MESSAGE_INTEGRITY:
            # What follows it, such as FINGERPRINT, is not signed, and the signed length does not count it.
            length = (offset + _INTEGRITY - _HEADER).to_bytes(2, "big")
            return hmac.compare_digest(value, _hmac(key, datagram[:2] + length + datagram[4:offset]))
    return False


def _attributes(datagram: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(offset, kind, value) of each."""
    offset = _HEADER
    while offset < len(datagram):
        if offset + 4 > len(datagram):
            raise ValueError("an attribute is cut off")
        kind, length = struct.unpack_from(">HH", datagram, offset)
        value = datagram[offset + 4 : offset + 4 + length]
        if len(value) < length:
            raise ValueError("an attribute is cut off")
        yield offset, kind, value
        offset += 4 + length + -length % 4


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack(">HH", kind, len(value)) + value + bytes(-len(value) % 4)


def _header(kind: int, length: int, transaction: bytes) -> bytes:
    return struct.pack(">HH", kind, length) + _COOKIE + transaction


def _hmac(key: bytes, octets: bytes) -> bytes:
    return hmac.digest(key, octets, "sha1")


def _xor(octets: bytes, mask: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(octets, mask, strict=False))
