"""Moving what was committed from the write-ahead log into the database, beside the commits.

Left to itself SQLite does it inside every commit that makes the log longer than 1000 pages, and whoever waits for that
commit waits some 10 to 20 ms more.
"""

from __future__ import annotations

import logging
import sqlite3

import gevent.event
import gevent.threadpool
from peewee import SqliteDatabase

log = logging.getLogger("chatgate.maildb")

# Commits from one checkpoint to the next: it is over in a millisecond or two, and holds up no commit for longer.
_COMMITS = 10

# Pages of log from which on it shall begin anew. That it does with the commit after a checkpoint that left nothing,
# and amid many commits only one by the writer leaves nothing; by then there is little left to do.
_LONG = 4000

# SQLite syncs the database only in a checkpoint during whose copying no commit came. One of so many is.
_PASSES = 8


class Checkpoints:
    """database: a connection for this alone, which is used in a thread. log_is_long: the writer should finish what was
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
        """Until the one that is under way is done, if any is."""
        self._running.wait()

    def run(self) -> None:
        """One now; returns when it is done."""
        while not self._running.ready():
            self._running.wait()
        self._begin()
        self._running.wait()

    def _begin(self) -> None:
        """Only when none is under way: the writer must not wait for the thread."""
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
    """As far as it goes without keeping anybody from reading or writing. Returns the pages in the log."""
    try:
        ((_, pages, _),) = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    except sqlite3.Error as error:
        log.warning("checkpoint failed: %s", error)
        return 0
    return pages
