"""Only one gateway may serve from a folder. A second one would take over listeners of the first, and neither would
notice.
"""

from __future__ import annotations

import enum
import fcntl
import os
import time
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
            _lock(self._file)
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


def _lock(file: int) -> None:
    """Raises BlockingIOError when another process serves. A command that looks has the lock for a moment."""
    for last in (False, False, True):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if last:
                raise
            time.sleep(0.05)


class Holder(enum.Enum):
    """HIDDEN: a process holds the folder that cannot be seen here, such as one in a container."""

    HIDDEN = "hidden"


def holder(folder: Path) -> int | Holder | None:
    """The number of the process that serves from the folder; None if there is none. It is looked at whether the process
    of this number really has the lock: a signal to another could end it. Raises OSError.
    """
    try:
        file = os.open(folder / _NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        number = os.pread(file, 20, 0).decode("ascii", "replace").strip()
        if number.isdigit() and int(number) != os.getpid() and _has_lock(number, os.fstat(file).st_ino):
            return int(number)
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None
        except BlockingIOError:
            return Holder.HIDDEN
    finally:
        os.close(file)


def _has_lock(process: str, inode: int) -> bool:
    """proc_locks(5), which everybody may read: what a process has open, one that changed its user or has a privilege
    shows to root alone. Devices are left out: some file systems have other numbers there than a file says.
    """
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return False
    locks = [line.split()[1:6] for line in lines]
    return any(
        lock[:1] == ["FLOCK"] and lock[2:4] == ["WRITE", process] and lock[4].rpartition(":")[2] == str(inode)
        for lock in locks
    )
