"""Checkpoints: moving committed pages from the write-ahead log into the database, concurrently with commits.

By default SQLite does this inside every commit that makes the log longer than 1000 pages, and whoever waits for that
commit waits some 10 to 20 ms longer.
"""

from __future__ import annotations

import logging
import sqlite3

import gevent.event
import gevent.threadpool
from peewee import SqliteDatabase

log = logging.getLogger("chatgate.maildb")

# Commits from one checkpoint to the next: few enough that a checkpoint holds up no commit for more than a millisecond
# or two.
_COMMITS = 10

# Pages of log at which the log should start over from its beginning. SQLite does so with the first commit after a
# complete checkpoint. Among many commits only a checkpoint by the writer itself is complete; by then it has little to
# do.
_LONG = 4000

# SQLite syncs the database only in a checkpoint that no commit interrupted while it was copying. One in so many
# checkpoints is made that way.
_PASSES = 8


class Checkpoints:
    """database: a connection for this purpose alone, used in a thread. log_is_long: the writer should finish what was
    begun here.
    """

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self._threads = gevent.threadpool.ThreadPool(1)
        self._commits = 0
        self._running: gevent.event.AsyncResult[None] = gevent.event.AsyncResult()
        self._running.set()
        self.log_is_long = False

    def committed(self) -> None:
        """Call it after each commit; it returns at once."""
        self._commits += 1
        if self._commits >= _COMMITS and self._running.ready():
            self._begin()

    def wait(self) -> None:
        """Wait for the checkpoint that is running, if any."""
        self._running.wait()

    def run(self) -> None:
        """Run a checkpoint now; returns when it is done."""
        while not self._running.ready():
            self._running.wait()
        self._begin()
        self._running.wait()

    def _begin(self) -> None:
        """Start a checkpoint unless one is running: the writer must not wait for the thread."""
        self._commits = 0
        self._running = self._threads.spawn(self._run)

    def _run(self) -> None:
        for _ in range(_PASSES):
            pages = checkpoint(self._database.connection())
            if pages < _LONG:
                return
        self.log_is_long = True

    def finish(self, connection: sqlite3.Connection) -> None:
        self.log_is_long = False
        checkpoint(connection)

    def close(self) -> None:
        self._threads.join()
        self._threads.kill()
        self._database.close()


def checkpoint(connection: sqlite3.Connection) -> int:
    """Run a checkpoint as far as possible without blocking readers or writers. Returns the pages in the log."""
    try:
        ((_, pages, _),) = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    except sqlite3.Error as error:
        log.warning("checkpoint failed: %s", error)
        return 0
    return pages
