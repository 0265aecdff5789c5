"""All statements run in a native thread for each file, so that neither the disk nor another process that writes (a
command) ever blocks the gateway.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import gevent.lock
import gevent.threadpool
import peewee

from chatgate.api import PluginError
from chatgate_filedb.kept import Backward, KeptDatabase
from chatgate_filedb.looking import untouched
from chatgate_filedb.saving import changed, forget_saved, save

log = logging.getLogger("chatgate.filedb")

# At debug level peewee logs every statement with its parameters, which may be secrets.
logging.getLogger("peewee").setLevel(logging.WARNING)

ERRORS = (sqlite3.Error, peewee.PeeweeException)

_SAVED = 14 * 86400.0  # seconds for which a copy from before a change is kept

_SPOILT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

T = TypeVar("T")


class FileDatabase:
    """owner: the name of the plugin that owns the file. models: its tables, not bound to a database. migrations: the
    SQL statements that bring the tables of version 1 (in SQLite's user_version) to what the models say, one for each
    further version. backward: one for each of these, which undoes it. durable: what `run` wrote survives a power cut;
    without it the last seconds may be lost, but writing takes a tenth of the time. busy_seconds: how long to wait for
    another process that writes; only the file's thread waits. replaceable: the contents will come back by themselves,
    so a gateway that finds the file damaged sets it aside and begins a new one.

    It is opened at its first use, which may raise PluginError, and again if used after `close`. It is also a service of
    the gateway: if a plugin returns it in `chatgate_services`, it is opened at the start and closed at the end. A file
    that cannot be opened is no reason to stop mail: the log and `check` report it, and each use tries again.
    """

    listening: list[str] = []

    def __init__(
        self,
        owner: str,
        path: Path,
        models: Sequence[type[peewee.Model]],
        *,
        migrations: Sequence[str] = (),
        backward: Sequence[Backward] = (),
        durable: bool = True,
        busy_seconds: float = 10.0,
        replaceable: bool = False,
    ) -> None:
        self.name, self.path = owner, path
        self._replaceable, self._serves = replaceable, False
        self.read_only = False  # for `chatgate check`, which writes nothing: set it before the first use
        self._models, self._migrations, self._backward = models, migrations, backward
        self._durable, self._busy_seconds = durable, busy_seconds
        self._opened: tuple[peewee.SqliteDatabase, gevent.threadpool.ThreadPool] | None = None
        self._lock = gevent.lock.BoundedSemaphore(1)

    def open(self) -> tuple[peewee.SqliteDatabase, gevent.threadpool.ThreadPool]:
        if self._opened is None:
            self._opened = self._connect(), gevent.threadpool.ThreadPool(1)
        return self._opened

    def run(self, work: Callable[[peewee.SqliteDatabase], T], *, writes: bool = True) -> T:
        """Run the job in one transaction and return its result. A job that only reads does not wait for other
        processes. Raises one of ERRORS; nothing is changed then.
        """
        with self._lock:
            database, thread = self.open()
            kind = "IMMEDIATE" if writes and not self.read_only else "DEFERRED"
            result, error = thread.apply(_transaction, (database, work, kind))
            if self._is_spoilt(error):
                self._close()
                self._set_aside(error)
        if error is not None:
            raise error
        return result

    def close(self) -> None:
        """Close the file after all pending jobs."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._opened is not None:
            (database, thread), self._opened = self._opened, None
            thread.apply(database.close)
            thread.kill()

    @property
    def version(self) -> int:
        """Of its form, as this program has it."""
        return 1 + len(self._migrations)

    def kept(self, name: str) -> KeptDatabase:
        """What a backup takes, and what `chatgate upgrade` asks. name: as in `KeptFiles`."""
        return KeptDatabase(name, self.path, self.name, self.version, self._backward)

    def bind(self) -> None:
        self._serves = True
        forget_saved(self.path, time.time() - _SAVED)
        try:
            self.open()
        except PluginError as error:
            log.error("goes on without: %s", error)

    def start(self) -> None:
        pass

    def stop(self, seconds: float) -> None:
        self.close()

    def _connect(self) -> peewee.SqliteDatabase:
        try:
            return self._connected()
        except PluginError as error:
            if not self._is_spoilt(error.__cause__):
                raise
            self._set_aside(error)
        return self._connected()

    def _is_spoilt(self, error: BaseException | None) -> bool:
        """Only the gateway replaces a file; commands leave it as it is."""
        while error is not None and not hasattr(error, "sqlite_errorcode"):
            error = error.__context__  # peewee's, around SQLite's own
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return self._serves and self._replaceable and code in _SPOILT

    def _set_aside(self, error: BaseException | None) -> None:
        """Raises PluginError."""
        log.error("set aside as %s.spoilt, a new one is begun: %s", self.path.name, error)
        try:
            self.path.replace(f"{self.path}.spoilt")
            for ending in ("-wal", "-shm"):
                Path(f"{self.path}{ending}").unlink(missing_ok=True)
        except OSError as failed:
            raise PluginError(f"{self.name}: {self.path} cannot be set aside: {failed.strerror}") from failed

    def _connected(self) -> peewee.SqliteDatabase:
        # thread_safe=False: else peewee keeps one connection per thread. check_same_thread=False: the connection is
        # opened in one thread and used in another.
        database = peewee.SqliteDatabase(
            untouched(self.path) if self.read_only else str(self.path),
            uri=self.read_only,
            pragmas={"query_only": 1} if self.read_only else self._pragmas(),
            thread_safe=False,
            autoconnect=False,
            timeout=self._busy_seconds,
            check_same_thread=False,
        )
        try:
            if self.read_only:
                database.connect()
                return database  # of any schema version: the reader reports what it cannot read
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # SQLite gives its -wal and -shm files the permissions of the database file.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            database.connect()
            if 0 < (found := _version(database)) < self.version:
                save(self.path, found)
            with database.atomic("IMMEDIATE"):
                self._prepare(database)
            changed(self.path)
        except OSError as error:
            raise PluginError(f"{self.name}: {self.path} cannot be written: {error.strerror}") from error
        except ERRORS as error:
            raise PluginError(f"{self.name}: {self.path} cannot be opened: {error}") from error
        return database

    def _pragmas(self) -> dict[str, Any]:
        return {
            "journal_mode": "wal",
            "synchronous": "full" if self._durable else "normal",
            "journal_size_limit": 16 << 20,
            "secure_delete": 1,  # what is deleted is overwritten
        }

    def _prepare(self, database: peewee.SqliteDatabase) -> None:
        found, version = _version(database), self.version
        if found > version:
            raise PluginError(f"{self.name}: {self.path} was written by a newer program (schema {found})")
        if found == 0:
            with database.bind_ctx(self._models):
                database.create_tables(self._models)
        elif found < version:
            for statement in self._migrations[found - 1 :]:
                database.execute_sql(statement)
        if found != version:
            database.execute_sql(f"PRAGMA user_version={version}")


def _version(database: peewee.SqliteDatabase) -> int:
    """0: it has no tables yet."""
    return int(database.execute_sql("PRAGMA user_version").fetchone()[0])


def _transaction(
    database: peewee.SqliteDatabase, work: Callable[[peewee.SqliteDatabase], Any], kind: str
) -> tuple[Any, BaseException | None]:
    """(result, error). The error is returned, as gevent would print what a thread raises."""
    try:
        with database.atomic(kind):
            return work(database), None
    except ERRORS as error:
        # On a full disk SQLite rolls back by itself. Then peewee's own rollback fails, but that is not the cause.
        cause: BaseException = error
        while cause.__context__ is not None:
            cause = cause.__context__
        return None, cause
