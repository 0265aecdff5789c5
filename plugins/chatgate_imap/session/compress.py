"""COMPRESS=DEFLATE (RFC 4978): raw deflate in both directions, and almost no memory while the connection is idle."""

from __future__ import annotations

import zlib

from ..syntax.answers import Closed

_WINDOW = 32768
_SYNC = b"\x00\x00\xff\xff"  # the end of Z_SYNC_FLUSH: the stream is at a byte boundary, no block is open


class Deflate:
    """Both directions of one connection. zlib needs about 300 KB for them, so `rest()` frees its states: our stream
    simply starts over; of the client's we keep the text it may still refer to, at most 32 KB and mostly far less.
    """

    __slots__ = ("_level", "_packer", "_unpacker", "_history", "_tail", "_more", "_synced")

    def __init__(self, level: int) -> None:
        self._level = level
        self._packer: zlib._Compress | None = None
        self._unpacker: zlib._Decompress | None = zlib.decompressobj(-15)
        self._history = b""
        self._tail = b""
        self._more = False
        self._synced = False

    def pack(self, data: bytes | memoryview) -> bytes:
        """Deflate and flush, so that the client can read all of it now."""
        if self._packer is None:
            # An 8 KB window: mail here is encrypted, so a larger one would find few more matches.
            self._packer = zlib.compressobj(self._level, zlib.DEFLATED, -13, 6)
        return self._packer.compress(data) + self._packer.flush(zlib.Z_SYNC_FLUSH)

    @property
    def pending(self) -> bool:
        """Is there received data not yet unpacked?"""
        return self._more

    def unpack(self, data: bytes, limit: int) -> bytes:
        """Inflate at most `limit` octets; the rest stays `pending`, so that even a zip bomb comes in small pieces.
        Raises Closed if the data is not deflate, or if the stream has ended.
        """
        if data:
            self._synced = data.endswith(_SYNC)
        if self._unpacker is None:
            self._unpacker = zlib.decompressobj(-15, zdict=self._history) if self._history else zlib.decompressobj(-15)
        try:
            text = self._unpacker.decompress(self._tail + data, limit)
        except zlib.error as error:
            raise Closed from error
        if self._unpacker.eof:
            raise Closed
        self._tail = self._unpacker.unconsumed_tail
        self._more = len(text) >= limit  # zlib may have more output even if it has consumed all input
        self._history = (self._history + text)[-_WINDOW:]
        return text

    def rest(self) -> None:
        """Free the states, as the connection is idle; the client's only if its stream can be continued from here."""
        self._packer = None
        if self._synced and not self._more:
            self._unpacker = None
