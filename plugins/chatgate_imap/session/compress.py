"""COMPRESS=DEFLATE (RFC 4978): raw deflate both ways, and next to no memory while nothing moves."""

from __future__ import annotations

import zlib

from ..syntax.answers import Closed

_WINDOW = 32768
_SYNC = b"\x00\x00\xff\xff"  # how Z_SYNC_FLUSH ends: the stream stands at a byte boundary, no block open


class Deflate:
    """Both directions of one connection. zlib keeps about 300 KB for them, so `rest()` gives the states up: ours is
    just begun anew; of the client's stream we keep the text it may still refer to, at most 32 KB and mostly far less.
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
            # 8 KB window: mail here is encrypted, there is little to find further back.
            self._packer = zlib.compressobj(self._level, zlib.DEFLATED, -13, 6)
        return self._packer.compress(data) + self._packer.flush(zlib.Z_SYNC_FLUSH)

    @property
    def pending(self) -> bool:
        """Is there received data not yet unpacked?"""
        return self._more

    def unpack(self, data: bytes, limit: int) -> bytes:
        """Inflate at most `limit` octets; the rest waits as `pending`, so a bomb only goes off in small pieces.
        Raises Closed for what is not deflate, or is over.
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
        self._more = len(text) >= limit  # zlib itself may hold more, also when it has eaten all input
        self._history = (self._history + text)[-_WINDOW:]
        return text

    def rest(self) -> None:
        """Nothing will move for a while: let go of the states. The client's only where its stream can be taken up."""
        self._packer = None
        if self._synced and not self._more:
            self._unpacker = None
