"""The memory of a command that is being read, when it has literals or is long."""

from __future__ import annotations

import io
import time
from collections.abc import Callable

from chatgate.api import Upload

# Text and response code.
FULL = ("Too many messages are being saved at the moment, please try again later", "UNAVAILABLE")

# Makes an Upload of whoever is at the other end, with this for its `drop`.
Begin = Callable[[Callable[[], None]], Upload]


class Large:
    """One command after the other of one connection; most are small, and then nothing is counted.

    parts: its first line, then by turns a literal and the line behind it. literal: what has come of the next one. (One
    block that grows: when it goes, its memory goes back to the system, unlike that of thousands of pieces. And one that
    becomes the `bytes` it holds without being copied, which would take as much again, and 20 ms.)
    """

    __slots__ = ("parts", "literal", "_begin", "_also_drop", "_upload")

    def __init__(self, begin: Begin, also_drop: Callable[[], None]) -> None:
        self._begin, self._also_drop = begin, also_drop
        self._upload: Upload | None = None
        self.parts: list[bytes] = []
        self.literal: io.BytesIO | None = None

    def came(self, octets: int, kept: bool = True) -> float:
        """So much more has come; the seconds the client has for the next octets."""
        if self._upload is None:
            self._upload = self._begin(self._drop)
        self._upload.came(octets, self._upload.held + octets * kept)
        return max(0.0, self._upload.deadline - time.monotonic())

    @property
    def dropped(self) -> bool:
        """Is the memory needed for others? What had come is gone then."""
        return self._upload is not None and self._upload.dropped

    def finish(self) -> None:
        """All has come."""
        if self._upload is not None:
            self._upload.finish()

    def release(self) -> None:
        """The command is done with."""
        if self._upload is not None:
            self._upload.close()
            self._upload = None
            self.parts, self.literal = [], None

    def _drop(self) -> None:
        del self.parts[1:]
        self.literal = None
        self._also_drop()
