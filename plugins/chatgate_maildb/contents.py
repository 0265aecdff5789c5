"""Opened messages: the octets of a body, in the row or in a file, read in pieces."""

from __future__ import annotations

from chatgate_maildb.blobs import Blobs


class InRow:
    __slots__ = ("size", "_data")

    def __init__(self, data: bytes) -> None:
        self.size, self._data = len(data), data

    def read(self, start: int, length: int) -> bytes:
        return self._data[start : start + length]

    def close(self) -> None:
        pass


class InFile:
    """Holds a descriptor, so that the file can be read even after its last row is removed. head: its first octets."""

    __slots__ = ("size", "_blobs", "_descriptor", "_head")

    def __init__(self, blobs: Blobs, size: int, descriptor: int, head: bytes) -> None:
        self.size, self._blobs, self._descriptor, self._head = size, blobs, descriptor, head

    def read(self, start: int, length: int) -> bytes:
        """`length` octets from `start` on. Raises StoreError."""
        end = min(start + length, self.size)
        if end <= len(self._head):
            return self._head[start:end]
        return self._blobs.piece(self._descriptor, start, end - start) if start < end else b""

    def close(self) -> None:
        if self._descriptor >= 0:
            self._blobs.release(self._descriptor)
            self._descriptor = -1

    __del__ = close
