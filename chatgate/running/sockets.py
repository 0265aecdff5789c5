"""Unix sockets in a folder, whatever the length of its path: the address of one has room for some hundred octets."""

from __future__ import annotations

import os
from pathlib import Path

_LONGEST = 107  # octets (unix(7))


class SocketFolder:
    """folder: it must be there when `path` is called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._directory = -1

    def __enter__(self) -> SocketFolder:
        return self

    def __exit__(self, *error: object) -> None:
        """Addresses are of no more use."""
        if self._directory >= 0:
            os.close(self._directory)
            self._directory = -1

    def path(self, name: str) -> str:
        """The address of the socket of this name, for this process. Raises OSError."""
        path = str(self.folder / name)
        if len(os.fsencode(path)) <= _LONGEST:
            return path
        if self._directory < 0:
            self._directory = os.open(self.folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._directory}/{name}"
