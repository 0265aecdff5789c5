"""The memory of a command that is being read, when it has literals or is long."""

from __future__ import annotations

import io
import time
from collections.abc import Callable

from chatgate.api import Session, Upload, Uploads

# Text and response code.
FULL = ("Too many messages are being saved at the moment, please try again later", "UNAVAILABLE")


class Large:
    """One command. uploads: the budget of all commands. session: whose command it is. also_drop: frees what else is
    held.

    parts: the first line, then alternately a literal and the line after it. literal: what has arrived of the next one.
    (It is one growing block: freeing it returns its memory to the system, unlike freeing thousands of pieces. And it
    becomes the `bytes` it holds without being copied, which would take as much memory again, and 20 ms.)
    """

    __slots__ = ("parts", "literal", "_uploads", "_session", "_also_drop", "_upload")

    def __init__(self, uploads: Uploads, session: Session, also_drop: Callable[[], None]) -> None:
        self._uploads, self._session, self._also_drop = uploads, session, also_drop
        self._upload: Upload | None = None
        self.parts: list[bytes] = []
        self.literal: io.BytesIO | None = None

    def came(self, octets: int, kept: bool = True) -> float:
        """Count octets that have arrived. Returns the seconds in which the client must send the next ones."""
        if self._upload is None:
            account = self._session.account
            owner = self._session.network if account is None else account.id
            self._upload = self._uploads.begin(owner, self._drop)
        self._upload.came(octets, self._upload.held + octets * kept)
        return max(0.0, self._upload.deadline - time.monotonic())

    @property
    def dropped(self) -> bool:
        """Was the memory needed for others? What had arrived is gone then."""
        return self._upload is not None and self._upload.dropped

    def finish(self) -> None:
        """Call it when the whole command has arrived."""
        if self._upload is not None:
            self._upload.finish()

    def release(self) -> None:
        """Call it when the command is done."""
        if self._upload is not None:
            self._upload.close()

    def _drop(self) -> None:
        del self.parts[1:]
        self.literal = None
        self._also_drop()
