"""The end of a backup, which says that it is whole: a hash of every octet before it.

It is made so that other programs pass over it: in a gzip file an empty member with the hash in its header (RFC 1952
§2.3.1.1), in an OpenPGP message a packet of a type for private use (RFC 9580 §5: tag 60), whose content is the hash.
A seal finds what is cut off or bent; it is no signature, as anybody can make one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

_DIGEST = hashlib.sha256().digest_size

# A header with FEXTRA, the subfield "CG" with the hash, an empty block of deflate, CRC and length of nothing.
_GZIP = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff" + (4 + _DIGEST).to_bytes(2, "little") + b"CG" + _DIGEST.to_bytes(2, "little")
_GZIP_END = b"\x03\0" + bytes(8)
_OPENPGP = bytes([0xC0 | 60, _DIGEST])

Write = Callable[[bytes], object]


class Unsealed(Exception):
    """The end of the file is no seal of what comes before it."""


def gzip(digest: bytes) -> bytes:
    """The seal of a gzip file."""
    return _GZIP + digest + _GZIP_END


def openpgp(digest: bytes) -> bytes:
    """The seal of an OpenPGP message."""
    return _OPENPGP + digest


class Sealing:
    """Passes on what is written, and in the end its seal. made: `gzip` or `openpgp`."""

    def __init__(self, write: Write, made: Callable[[bytes], bytes]) -> None:
        self._write, self._made, self._hash = write, made, hashlib.sha256()

    def write(self, octets: bytes) -> None:
        self._hash.update(octets)
        self._write(octets)

    def close(self) -> None:
        """Write the seal."""
        self._write(self._made(self._hash.digest()))


def opened(pieces: Iterator[bytes], made: Callable[[bytes], bytes]) -> Iterator[bytes]:
    """What is sealed, piece by piece. The last one comes only when the seal is right. Raises Unsealed."""
    length, found, held = len(made(bytes(_DIGEST))), hashlib.sha256(), b""
    for piece in pieces:
        held += piece
        if len(held) > length:
            passed, held = held[:-length], held[-length:]
            found.update(passed)
            yield passed
    if held != made(found.digest()):
        raise Unsealed
