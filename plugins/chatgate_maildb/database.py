"""Opening SQLite through peewee: the folder, the pragmas, and a reader."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peewee import PeeweeException, Query, SqliteDatabase

from chatgate.api import PluginError, StoreUnavailable

# At debug level peewee logs every statement with its parameters, which contain people's mail.
logging.getLogger("peewee").setLevel(logging.WARNING)

log = logging.getLogger("chatgate.maildb")

ERRORS = (sqlite3.Error, PeeweeException)


def make_folder(folder: Path) -> None:
    """Make the data folder, readable by its owner only. Raises PluginError if it cannot be used."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives its -wal and -shm files the permissions of the database file.
        os.close(os.open(folder / "mail.db", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        (folder / "blobs").mkdir(mode=0o700, exist_ok=True)
        if not os.access(folder / "blobs", os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise PluginError(f"maildb: {folder} cannot be written: {error.strerror}") from error


class Presence:
    """A lock shared by every process that has the store open. The first process learns from it that it is alone, and
    so that no other process is about to name a body file that no row names yet.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise PluginError(f"maildb: {folder / 'lock'} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.alone = True
        except OSError:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)
            self.alone = False

    def share(self) -> None:
        """Let other processes open the store, too."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)
        self.alone = False

    def close(self) -> None:
        os.close(self._descriptor)


def connect(folder: Path, *, writing: bool) -> SqliteDatabase:
    """A peewee database with one open connection. Raises PluginError with one line for the operator."""
    if sqlite3.sqlite_version_info < (3, 35):  # RETURNING
        raise PluginError(f"maildb: SQLite 3.35 or newer is needed, this Python has {sqlite3.sqlite_version}")
    file = folder / "mail.db"
    pragmas: dict[str, Any] = {
        "journal_mode": "wal",
        "synchronous": "full",  # WAL's default in many builds, "normal", loses the last commits in a power cut
        "foreign_keys": 1,
        "secure_delete": 1,  # overwrite deleted data; the default depends on how SQLite was built
        "journal_size_limit": 64 << 20,
        "temp_store": "memory",
        "wal_autocheckpoint": 10_000,  # pages, for when checkpoints.py cannot keep up
    }
    if not file.exists() or not file.stat().st_size:
        # With this, free space can go back to the disk. It must come before WAL, which writes the first page, and be
        # set only once: SQLite would write each time, and so wait for other processes and fail on a full disk.
        pragmas = {"auto_vacuum": "incremental"} | pragmas
    if not writing:
        pragmas["query_only"] = 1
    # thread_safe=False: else peewee keeps a connection for each thread, which is each greenlet after monkey-patching.
    # check_same_thread=False: COMMIT runs in a thread of its own, see writer.py.
    database = SqliteDatabase(
        str(file),
        pragmas=pragmas,
        thread_safe=False,
        autoconnect=False,
        timeout=5,
        check_same_thread=False,
        cached_statements=200,
    )
    try:
        database.connect()
        if database.journal_mode != "wal":
            raise PluginError(f"maildb: {folder} is on a file system that SQLite's WAL mode does not work on")
    except ERRORS as error:
        raise PluginError(f"maildb: {file} cannot be opened: {error}") from error
    return database


class Reader:
    """Reads committed data at any time, even while a commit is running. Reads take microseconds and run in the hub's
    thread; nothing here yields to other greenlets, so one connection serves all of them.
    """

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self._connection = database.connection()
        self._execute = self._connection.execute

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """For frequent statements: executed directly on the connection. Raises StoreError."""
        try:
            return self._execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def query(self, query: Query) -> list[tuple[Any, ...]]:
        """For all other statements: a peewee query. Raises StoreError."""
        try:
            return list(query.tuples().execute(self._database))
        except ERRORS as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> StoreUnavailable:
        log.error("read failed: %s", error)
        return StoreUnavailable()

    def close(self) -> None:
        self._database.close()
