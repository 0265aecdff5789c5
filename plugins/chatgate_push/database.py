"""push.db: tokens, waiting notifications and counters, in SQLite through peewee.

All statements run in one native thread of its own, so that neither the disk nor another process that writes
(a command) ever holds up the gateway. Nobody's answer depends on this file but that of SETMETADATA.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import gevent.lock
import gevent.threadpool
import peewee

from chatgate.api import PluginError

# peewee logs every statement with its parameters at debug level, and those are tokens.
logging.getLogger("peewee").setLevel(logging.WARNING)

ERRORS = (sqlite3.Error, peewee.PeeweeException)

_VERSION = 1  # of the schema, in SQLite's user_version
_BUSY_SECONDS = 5  # patience with another process that writes; only our thread waits

T = TypeVar("T")


class Token(peewee.Model):
    """A device of an account. digest: SHA-256 of the value, by which everything else names the token.
    day: when a client last set it, in days since 1970-01-01: rounded on purpose, less to know about people.
    """

    id = peewee.AutoField()
    account_id = peewee.IntegerField()
    digest = peewee.BlobField(index=True)
    value = peewee.BlobField()
    day = peewee.IntegerField(index=True)

    class Meta:
        indexes = ((("account_id", "digest"), True),)


class Waiting(peewee.Model):
    """A notification not accepted yet; times in Unix seconds, see queue.Entry. The value is read from Token when it is
    sent, so a token that is gone takes its notification along.
    """

    digest = peewee.BlobField(primary_key=True)
    stored = peewee.FloatField()
    latest = peewee.FloatField()
    due = peewee.FloatField()
    tries = peewee.IntegerField()

    class Meta:
        without_rowid = True


class State(peewee.Model):
    """`metrics`: the counters as JSON, for commands, which run in a process of their own."""

    name = peewee.TextField(primary_key=True)
    value = peewee.TextField()


_MODELS = (Token, Waiting, State)


class Database:
    """Opened at the first use, and again when used after `close`. The first use may raise PluginError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: tuple[peewee.SqliteDatabase, gevent.threadpool.ThreadPool] | None = None
        self._lock = gevent.lock.BoundedSemaphore(1)

    def open(self) -> tuple[peewee.SqliteDatabase, gevent.threadpool.ThreadPool]:
        if self._opened is None:
            self._opened = _connect(self.path), gevent.threadpool.ThreadPool(1)
        return self._opened

    def run(self, work: Callable[[peewee.SqliteDatabase], T], *, writes: bool = True) -> T:
        """The result of the job, which runs in one transaction. One that only reads waits for no other process.
        Raises one of ERRORS; then nothing was changed.
        """
        with self._lock:
            database, thread = self.open()
            result, error = thread.apply(_transaction, (database, work, "IMMEDIATE" if writes else "DEFERRED"))
        if error is not None:
            raise error
        return result

    def close(self) -> None:
        """After the jobs that were asked for."""
        with self._lock:
            if self._opened is not None:
                (database, thread), self._opened = self._opened, None
                thread.apply(database.close)
                thread.kill()


def _transaction(
    database: peewee.SqliteDatabase, work: Callable[[peewee.SqliteDatabase], T], kind: str
) -> tuple[Any, Any]:
    """The result and the error, one of them None: gevent would print what a thread raises."""
    try:
        with database.atomic(kind):
            return work(database), None
    except ERRORS as error:
        # SQLite rolls back by itself when the disk is full. That peewee then cannot is not what was wrong.
        cause: BaseException = error
        while cause.__context__ is not None:
            cause = cause.__context__
        return None, cause


def _connect(path: Path) -> peewee.SqliteDatabase:
    # thread_safe=False: peewee would keep one connection per thread. check_same_thread=False: opened here, used there.
    # synchronous=normal: a power cut may cost the last seconds: hints, no mail, and tokens that clients set again.
    database = peewee.SqliteDatabase(
        str(path),
        pragmas={"journal_mode": "wal", "synchronous": "normal", "journal_size_limit": 16 << 20},
        thread_safe=False,
        autoconnect=False,
        timeout=_BUSY_SECONDS,
        check_same_thread=False,
    )
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives its -wal and -shm files the permissions of the database file.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        database.connect()
        with database.atomic("IMMEDIATE"):
            _prepare(database)
    except OSError as error:
        raise PluginError(f"push: {path} cannot be written: {error.strerror}") from error
    except ERRORS as error:
        raise PluginError(f"push: {path} cannot be opened: {error}") from error
    return database


def _prepare(database: peewee.SqliteDatabase) -> None:
    ((found,),) = database.execute_sql("PRAGMA user_version").fetchall()
    if found > _VERSION:
        raise PluginError(f"push: {database.database} was written by a newer program (schema {found})")
    if found == 0:
        with database.bind_ctx(_MODELS):
            database.create_tables(_MODELS)
        database.execute_sql(f"PRAGMA user_version={_VERSION}")
