"""A message in memory, opened as a store opens one."""

from __future__ import annotations


class Octets:
    """The store's `Content`."""

    def __init__(self, data: bytes) -> None:
        self.data, self.size = data, len(data)

    def read(self, start: int, length: int) -> bytes:
        return self.data[start : start + length]

    def close(self) -> None:
        pass
