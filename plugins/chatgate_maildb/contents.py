"""The content of messages, in the row or in a file: read as a whole, or opened and read in pieces."""

from __future__ import annotations

from chatgate.api import Content, StoreUnavailable
from chatgate_maildb.blobs import Blobs
from chatgate_maildb.database import Reader

_BODY = """SELECT body.size, body.header_size, body.file, body.data FROM message JOIN body ON body.id=message.body_id
    WHERE mailbox_id=? AND uid=?"""


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


class Contents:
    def __init__(self, reader: Reader, blobs: Blobs) -> None:
        self._reader, self._blobs = reader, blobs

    def content(self, mailbox_id: int, uid: int) -> bytes | None:
        for size, _, file, data in self._reader.rows(_BODY, (mailbox_id, uid)):
            return data if file is None else self._file(mailbox_id, uid, file, size)
        return None

    def open(self, mailbox_id: int, uid: int) -> Content | None:
        return self.opened(_BODY, (mailbox_id, uid))

    def opened(self, sql: str, key: tuple) -> Content | None:
        """The body found by this statement, which selects size, header_size, file and data."""
        for size, _, file, data in self._reader.rows(sql, key):
            if file is None:
                return InRow(data)
            opened = self._blobs.open(file)
            if opened is not None and opened[2] == size:
                return InFile(self._blobs, size, *opened[:2])
            if opened is not None:
                self._blobs.release(opened[0])
            self._missing_file(sql, key)
        return None

    def header(self, mailbox_id: int, uid: int) -> bytes | None:
        for _, size, file, data in self._reader.rows(_BODY, (mailbox_id, uid)):
            return data[:size] if file is None else self._file(mailbox_id, uid, file, size)
        return None

    def _file(self, mailbox_id: int, uid: int, file: str, size: int) -> bytes | None:
        content = self._blobs.read(file, size)
        if content is None or len(content) != size:
            self._missing_file(_BODY, (mailbox_id, uid))
            return None
        return content

    def _missing_file(self, sql: str, key: tuple) -> None:
        """Raises StoreError if the message still exists; that it was removed meanwhile is no error."""
        if self._reader.rows(sql, key):
            raise StoreUnavailable()  # `check` tells the operator which file is damaged
