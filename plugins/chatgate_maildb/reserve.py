"""Space reserved for deleting: on a full disk SQLite cannot even record that messages are removed, so that nobody could
make room.

A file takes up the space. When the disk is full, the file is removed, new mail is refused from then on, and operations
that delete something have the space for their log. When there is room again, the file is made anew.
"""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
from pathlib import Path

from chatgate.api import free_octets

log = logging.getLogger("chatgate.maildb")

_FULL = {errno.ENOSPC, errno.EDQUOT}


def is_full(error: BaseException) -> bool:
    """Was the disk full? SQLite says so, or reports a failed write if it is the log that cannot grow."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    code = getattr(getattr(error, "orig", None) or error, "sqlite_errorcode", 0)  # orig: peewee's errors have it inside
    return code == sqlite3.SQLITE_FULL or code in (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE)


class Reserve:
    """octets: size of the file `reserve` in the store's folder; 0 for none.

    spent: the file is gone, and nothing that takes up space may be written.
    """

    def __init__(self, folder: Path, octets: int) -> None:
        self._folder, self._path, self._octets = folder, folder / "reserve", octets
        self.spent = False
        if not octets:
            self._path.unlink(missing_ok=True)
        elif self._free() + self._size() < 2 * octets:
            self.spend()  # else even opening the database might fail
        else:
            self._make()

    def spend(self) -> bool:
        """Remove the file, so that deleting works. False: there is none."""
        if not self._octets or (self.spent and not self._path.exists()):
            return False
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            log.error("reserve not released: %s", error.strerror)
            return False
        self.spent = True
        log.error("the disk is full: new mail is refused until there is room, mail can be deleted")
        return True

    def regain(self) -> None:
        """If there is room again, make the file anew; new mail is accepted then. Waits for the disk."""
        if self._free() >= 2 * self._octets and self._make():
            self.spent = False
            log.warning("the disk has room again: new mail is taken")

    def _make(self) -> bool:
        if self._size() == self._octets:
            return True
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.ftruncate(descriptor, self._octets)
                os.posix_fallocate(descriptor, 0, self._octets)  # a file with a hole would keep nothing
            finally:
                os.close(descriptor)
        except OSError as error:
            log.warning("reserve not made: %s", error.strerror)
            self._path.unlink(missing_ok=True)
            self.spent = self.spent or is_full(error)
            return False
        return True

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0

    def _free(self) -> int:
        try:
            return free_octets(self._folder)
        except OSError:
            return 0
