"""What an archive is wrapped in: gzip, and for an encrypted backup OpenPGP around that; a seal at the end of each."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from chatgate_backup import seal
from chatgate_backup.archive import PIECE, Broken
from chatgate_backup.openpgp import Cipher

_LEVEL = 1  # encrypted mail in base64 gets no smaller at higher ones
_GZIP = b"\x1f\x8b"


@contextmanager
def wrapped(write: Callable[[bytes], object], cipher: Cipher | None) -> Iterator[Callable[[bytes], object]]:
    """A function that takes the octets of an archive. write: takes those of the backup. Nothing is complete before the
    end of the context.
    """
    if cipher is None:
        with _compressed(write) as inner:
            yield inner
        return
    sealing = seal.Sealing(write, seal.openpgp)
    with cipher.encrypting(sealing.write) as encrypt, _compressed(encrypt) as inner:
        yield inner
    sealing.close()


@contextmanager
def _compressed(write: Callable[[bytes], object]) -> Iterator[Callable[[bytes], object]]:
    sealing, press = seal.Sealing(write, seal.gzip), zlib.compressobj(_LEVEL, wbits=31)
    yield lambda octets: sealing.write(press.compress(octets))
    sealing.write(press.flush())
    sealing.close()


def is_encrypted(beginning: bytes) -> bool:
    """Does a backup with these first octets need a secret key?"""
    return not beginning.startswith(_GZIP)


def unwrapped(file: IO[bytes], cipher: Cipher) -> Iterator[bytes]:
    """The octets of the archive in this backup. Raises Broken without saying where, PluginError when GnuPG cannot be
    used.
    """
    pieces = _pieces(file)
    first = next(pieces, b"")
    pieces = _again(first, pieces)
    if is_encrypted(first):
        pieces = cipher.decrypted(_unsealed(pieces, seal.openpgp))
    return _expanded(_unsealed(pieces, seal.gzip))


def whole(file: IO[bytes]) -> bool:
    """Has this backup the seal that it was given? Nothing is decrypted."""
    pieces = _pieces(file)
    first = next(pieces, b"")
    try:
        for _ in seal.opened(_again(first, pieces), seal.openpgp if is_encrypted(first) else seal.gzip):
            pass
    except seal.Unsealed:
        return False
    return True


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece


def _again(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _unsealed(pieces: Iterator[bytes], made: Callable[[bytes], bytes]) -> Iterator[bytes]:
    try:
        yield from seal.opened(pieces, made)
    except seal.Unsealed:
        raise Broken("cut off, or not as it was written: its seal does not fit") from None


def _expanded(pieces: Iterator[bytes]) -> Iterator[bytes]:
    press = zlib.decompressobj(wbits=31)
    try:
        for piece in pieces:
            while piece:
                if octets := press.decompress(piece, PIECE):
                    yield octets
                # At the end what stands behind it is there, too, and would be for ever.
                piece = b"" if press.eof else press.unconsumed_tail
            if press.unused_data:
                raise Broken("something stands behind the end of what is compressed")
    except zlib.error:
        raise Broken("cannot be decompressed") from None
    while octets := press.decompress(press.unconsumed_tail, PIECE):
        yield octets
    if not press.eof:
        raise Broken("what is compressed is cut off")
