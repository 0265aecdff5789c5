"""Content that another server kept compressed. Libraries for zstd and lz4 are in the extra `import`."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Any

from chatgate_movein.records import Unreadable

_PIECE = 1 << 20


def plain(content: bytes, most: int) -> bytes:
    """What Dovecot's zlib plugin wrote, which is told by its first octets: no message begins with these."""
    for magic, unpack in _BY_MAGIC.items():
        if content.startswith(magic):
            return unpack(content, most)
    if content.startswith(b"Dovecot-LZ4\r"):
        raise Unreadable("compressed in Dovecot's own form of LZ4, which nothing else reads")
    return content


def named(algorithm: str, content: bytes, most: int) -> bytes:
    """algorithm: as go-imap-sql names it."""
    if not algorithm:
        return content
    if algorithm not in _BY_NAME:
        raise Unreadable("compressed in a way that is not known here")
    return _BY_NAME[algorithm](content, most)


def _members(make: Callable[[], Any], errors: tuple[type[Exception], ...]) -> Callable[[bytes, int], bytes]:
    """For decompressors of the standard library. What they return is asked for in pieces, as a few octets may unpack
    to gigabytes.
    """

    def unpack(content: bytes, most: int) -> bytes:
        found: list[bytes] = []
        size = 0
        member = make()
        try:
            while not member.eof:
                piece = member.decompress(content, _PIECE)
                content = getattr(member, "unconsumed_tail", b"")
                found.append(piece)
                size += len(piece)
                if size > most:
                    raise Unreadable(f"larger than {most} octets when unpacked")
                if not piece and not content and not member.eof:
                    raise Unreadable("cut off, or damaged")
        except errors:
            raise Unreadable("compressed, and damaged") from None
        if member.unused_data:  # Dovecot writes one member; going on with thousands would copy the rest as often
            raise Unreadable("compressed, with something behind it")
        return b"".join(found)

    return unpack


def _whole(found: bytes, most: int, ended: bool) -> bytes:
    if len(found) > most:
        raise Unreadable(f"larger than {most} octets when unpacked")
    if not ended:
        raise Unreadable("cut off, or damaged")
    return bytes(found)


def _zstd(content: bytes, most: int) -> bytes:
    try:
        import zstandard
    except ImportError:
        raise Unreadable("compressed with zstd: install chatgate[import]") from None
    try:
        with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(content) as reader:
            found = reader.read(most + 1)
        whole = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
        whole.decompress(content) if len(found) <= most else None
    except zstandard.ZstdError:
        raise Unreadable("compressed, and damaged") from None
    return _whole(found, most, whole.eof)


def _lz4(content: bytes, most: int) -> bytes:
    try:
        from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped]
    except ImportError:
        raise Unreadable("compressed with LZ4: install chatgate[import]") from None
    frame = LZ4FrameDecompressor()
    try:
        found = frame.decompress(content, max_length=most + 1)
    except RuntimeError:
        raise Unreadable("compressed, and damaged") from None
    return _whole(found, most, frame.eof)


_BY_MAGIC = {
    b"\x1f\x8b": _members(lambda: zlib.decompressobj(31), (zlib.error,)),
    b"BZh": _members(bz2.BZ2Decompressor, (OSError, ValueError)),
    b"\xfd7zXZ\x00": _members(lambda: lzma.LZMADecompressor(memlimit=1 << 28), (lzma.LZMAError,)),
    b"\x28\xb5\x2f\xfd": _zstd,
}
_BY_NAME = {"zstd": _zstd, "lz4": _lz4}
