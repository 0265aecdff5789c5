"""Only one gateway may serve from a folder. A second one would take over listeners of the first, and neither would
notice.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

# Beside conf.d/, as plugins may keep their data anywhere.
_NAME = ".serving"


class FolderInUse(Exception):
    """str() is one line for the operator."""


class Hold:
    """A lock on a gateway's folder, from construction until `release` or the end of the process, however that comes.
    Commands that do not serve do not need it. The file stays, with the number of the process that held it last.

    Raises FolderInUse, OSError.
    """

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            process = os.pread(self._file, 20, 0).decode("ascii", "replace").strip()
            os.close(self._file)
            who = f"process {process}" if process.isdigit() else "another process"
            raise FolderInUse(f"{who} serves from {folder} already; stop it first") from None
        try:
            os.pwrite(self._file, b"%-20d" % os.getpid(), 0)
        except OSError:
            pass  # a full disk: it is only for that message

    def release(self) -> None:
        os.close(self._file)
