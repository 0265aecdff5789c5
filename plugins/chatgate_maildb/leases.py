"""Leases as file locks, which the system releases the moment a process dies.

Rows with an expiry time would work, too, but an idle gateway would have to keep writing to the disk, and they need room
on a full disk and a reliable clock. A lock needs none of these, and works wherever SQLite works: on one machine.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

import gevent

from chatgate.api import Lease, StoreFull, StoreUnavailable

_LONGEST = 200


@dataclass(eq=False)
class _Held:
    holder: str
    file: int
    ends: gevent.Greenlet


class Leases:
    """The leases of one open store. folder: has a file for each name, which stays and names the latest holder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, _Held] = {}

    def lease(self, name: str, holder: str, seconds: float) -> bool:
        """Raises StoreError."""
        held = self._held.get(name)
        if held is None:
            file = self._locked(name, holder)
            if file is None:
                return False
            held = self._held[name] = _Held(holder, file, gevent.Greenlet())
        elif held.holder != holder:
            return False
        held.ends.kill(block=False)
        held.ends = gevent.spawn_later(seconds, self._let_go, name, held)
        return True

    def release(self, name: str, holder: str) -> None:
        held = self._held.get(name)
        if held is not None and held.holder == holder:
            held.ends.kill(block=False)
            self._let_go(name, held)

    def close(self) -> None:
        """Release all of them."""
        for name, held in list(self._held.items()):
            self.release(name, held.holder)

    def _let_go(self, name: str, held: _Held) -> None:
        if self._held.get(name) is held:
            del self._held[name]
            os.close(held.file)

    def _locked(self, name: str, holder: str) -> int | None:
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            file = os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreFull() if error.errno == errno.ENOSPC else StoreUnavailable() from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return None
        with contextlib.suppress(OSError):  # the name is only for people to read
            os.pwrite(file, holder.encode("ascii", "replace")[:_LONGEST].ljust(_LONGEST), 0)
        return file


def held(folder: Path) -> list[Lease]:
    """All leases that any process holds. `folder` may be missing. Nothing is written."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for path in sorted(folder.iterdir()):
            if holder := _holder(path):
                found.append(Lease(path.name, holder))
    return found


def _holder(path: Path) -> str:
    """Who holds the lease; "" for nobody. Asking shares the lock for a moment: a process that wants the lease just then
    tries again.
    """
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return ""
    except BlockingIOError:
        return os.pread(file, _LONGEST, 0).decode("ascii", "replace").strip()
    finally:
        os.close(file)
