"""invite.db: the tokens, in SQLite through peewee. All statements run in one native thread of its own, so that neither
the disk nor a command in another process ever holds up the gateway.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import gevent.threadpool
import peewee

from chatgate.api import PluginError

# peewee logs every statement with its parameters at debug level, and those are tokens.
logging.getLogger("peewee").setLevel(logging.WARNING)

_ERRORS = (sqlite3.Error, peewee.PeeweeException)
_VERSION = 1  # of the schema, in SQLite's user_version
_BUSY_SECONDS = 10  # patience with another process that writes; only our thread waits

T = TypeVar("T")


class Token(peewee.Model):
    """An invitation. uses: how many accounts may come of it, 0 for any number; used: how many did.
    expires: Unix seconds, 0 for never. quota: octets each account may keep, None for the store's default.
    note: the operator's own words. created: days since 1970-01-01.
    """

    token = peewee.TextField(primary_key=True)
    uses = peewee.IntegerField()
    used = peewee.IntegerField(default=0)
    expires = peewee.IntegerField()
    quota = peewee.BigIntegerField(null=True)
    note = peewee.TextField()
    created = peewee.IntegerField()

    class Meta:
        without_rowid = True


class Database:
    """Opened at the first use, and again when used after `close`. A gateway's service, for the sake of `stop`."""

    name, listening = "invite", ()

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: tuple[peewee.SqliteDatabase, gevent.threadpool.ThreadPool] | None = None

    def run(self, work: Callable[[peewee.SqliteDatabase], T]) -> T:
        """The result of the job, which runs in one transaction; it is on disk. Raises PluginError when it is not."""
        if self._opened is None:
            self._opened = _connect(self._path), gevent.threadpool.ThreadPool(1)
        database, thread = self._opened
        try:
            return thread.apply(_transaction, (database, work))
        except _ERRORS as error:
            raise PluginError(f"invite: {self._path}: {error}") from error

    def bind(self) -> None:
        """Nothing to take."""

    def start(self) -> None:
        self.run(lambda database: None)  # a file that cannot be used is found at start

    def stop(self, seconds: float) -> None:
        """After the jobs that were asked for."""
        if self._opened is not None:
            (database, thread), self._opened = self._opened, None
            thread.apply(database.close)
            thread.kill()


def _transaction(database: peewee.SqliteDatabase, work: Callable[[peewee.SqliteDatabase], T]) -> T:
    with database.atomic("IMMEDIATE"):
        return work(database)


def _connect(path: Path) -> peewee.SqliteDatabase:
    # thread_safe=False: peewee would keep one connection per thread. check_same_thread=False: opened here, used there.
    database = peewee.SqliteDatabase(
        str(path),
        pragmas={"journal_mode": "wal", "synchronous": "full"},
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
        _transaction(database, _prepare)
    except OSError as error:
        raise PluginError(f"invite: {path} cannot be written: {error.strerror}") from error
    except _ERRORS as error:
        raise PluginError(f"invite: {path} cannot be opened: {error}") from error
    return database


def _prepare(database: peewee.SqliteDatabase) -> None:
    ((found,),) = database.execute_sql("PRAGMA user_version").fetchall()
    if found > _VERSION:
        raise PluginError(f"invite: {database.database} was written by a newer program (schema {found})")
    if found == 0:
        with database.bind_ctx([Token]):
            database.create_tables([Token])
        database.execute_sql(f"PRAGMA user_version={_VERSION}")
