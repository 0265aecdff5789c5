"""A consistent copy of an SQLite database that others read and write meanwhile."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from chatgate.api import free_octets
from chatgate_filedb.looking import look, untouched

LEFT_FREE = 50_000_000  # octets of the disk that a copy leaves to others

_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_WRITE)
_PAGES = 1000  # copied between two looks at how far it is


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection in a transaction, which sees the database as it is now, until the end. What others write meanwhile
    stays in its log (-wal), which grows. Raises sqlite3.Error.
    """
    # Where nothing can be written, SQLite cannot tell others that it reads, and nobody can write either.
    uri = f"file:{quote(str(path))}?mode=rw" if os.access(path.parent, os.W_OK) else untouched(path)
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=60)
    try:
        try:
            _begin(connection)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode not in _NO_ROOM:
                raise
            # A full disk has no room for the index of the log (-shm). If nobody else is here, memory will do.
            connection.close()
            connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=1)
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            _begin(connection)
        yield connection
    finally:
        connection.close()


def _begin(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA query_only=1")
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchall()  # the transaction begins with reading


def copy_database(path: Path, target: Path, progress: Callable[[int, int], object] = lambda done, all: None) -> None:
    """Copy the database as it is at one moment into a new file, and return when that is on disk. target: nothing may be
    there. progress: called with octets done and in all. Raises sqlite3.Error, OSError.
    """
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with reading(path) as source, contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy:
        ((size,),), ((pages,),) = (source.execute(f"PRAGMA {name}").fetchall() for name in ("page_size", "page_count"))
        if free_octets(target.parent) < size * pages + LEFT_FREE:
            needed = f"{size * pages / 1e6:.0f} MB, and {LEFT_FREE / 1e6:.0f} MB must stay free"
            raise OSError(errno.ENOSPC, f"the disk has no room for a copy of it, of {needed}", str(path))
        copy.execute("PRAGMA synchronous=OFF")  # a crash leaves a file that nobody takes for a copy
        source.backup(copy, pages=_PAGES, progress=lambda _, left, all: progress((all - left) * size, all * size))
        # A copy says that it has a log, which it has not: it is only one file.
        copy.execute("PRAGMA journal_mode=DELETE")
    for file in (target, target.parent):
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def damaged(path: Path, quick: bool = False) -> list[str]:
    """What is wrong with a database that nobody writes to, by SQLite's own checks. quick: without the indexes."""
    try:
        with look(path) as connection:
            check = "quick_check" if quick else "integrity_check"
            return [line for (line,) in connection.execute(f"PRAGMA {check}(20)") if line != "ok"]
    except sqlite3.Error as error:
        return [str(error)]
