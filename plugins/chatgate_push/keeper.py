"""Turns new mail into notifications in the queue, and writes changes of the queue to disk a moment later."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any, TypeVar

import gevent
import gevent.event
import gevent.lock
from chatgate_filedb import ERRORS, FileDatabase
from peewee import SqliteDatabase

from chatgate.api import PluginError
from chatgate_push.database import State, Waiting
from chatgate_push.hooks import Days, DeviceTokens
from chatgate_push.metrics import Metrics
from chatgate_push.options import PushOptions
from chatgate_push.queue import Entry, Queue

log = logging.getLogger("chatgate.push")

METRICS = "metrics"  # the row of State; further processes have "metrics 1" and so on

_GATHER = 0.02  # seconds of arrivals and results that share a transaction
_PAUSE = 1.0  # seconds until the database is tried again after it failed

T = TypeVar("T")


class Keeper:
    """kept: where the tokens are. days: of the tokens that count now. clock: Unix seconds. queued: is called when there
    is more to send. number: of this process, among those that serve from the folder. Each sends what it took in, and
    counts it in a row of its own; what a process that ended has left behind is sent by the first one when it starts.
    """

    def __init__(
        self,
        options: PushOptions,
        database: FileDatabase,
        kept: DeviceTokens,
        queue: Queue,
        metrics: Metrics,
        days: Callable[[], Days],
        clock: Callable[[], float],
        queued: Callable[[], None],
        number: Callable[[], int],
    ) -> None:
        self._options, self._database, self._kept, self._queue = options, database, kept, queue
        self._metrics = metrics
        self._days, self._clock, self._queued, self._number = days, clock, queued, number
        self._arrived: dict[int, tuple[float, float]] = {}  # account id: times of the first and the last message
        self._gone: set[bytes] = set()  # tokens to forget
        self._work = gevent.event.Event()  # something to look up or to save
        self._working = gevent.lock.RLock()
        self._stopping = False
        self._full = False
        self._saved = ""  # the counters as saved on disk
        self._failing: set[str] = set()  # the database operations that failed the last time

    def tell(self, account_ids: list[int]) -> None:
        """New mail for these accounts. Returns at once, whatever state the service or the disk is in."""
        if not account_ids:
            return
        now = self._clock()
        for account_id in account_ids:
            first, _ = self._arrived.get(account_id, (now, now))
            if len(self._arrived) < self._options.max_waiting or account_id in self._arrived:
                self._arrived[account_id] = (first, now)
            else:
                self._dropped()
        self._work.set()
        if self._stopping:
            self.close()  # the last messages of a gateway that stops: nothing else would save them

    def forget(self, digest: bytes) -> None:
        """Forget the token with this digest, in all accounts that have it."""
        self._gone.add(digest)

    def save(self) -> None:
        """Call it when the queue or the counters have changed. Returns at once."""
        self._work.set()

    def values(self, entries: list[Entry]) -> dict[bytes, bytes] | None:
        """The tokens of these notifications by digest, without removed ones; None if they cannot be read."""
        days = self._days()
        digests = [entry.digest for entry in entries]
        return self._run("reading", lambda: self._kept.values(digests, days))

    def load(self) -> None:
        """Queue the notifications that were waiting before a restart, if they can be read."""
        now = self._clock()
        oldest = now - self._options.give_up_hours * 3600
        first, name = self._number() == 0, self._row()

        def work(database: SqliteDatabase) -> tuple[int, list[Any], str | None]:
            given_up = Waiting.delete().where(Waiting.latest < oldest).execute(database)
            fields = (Waiting.digest, Waiting.stored, Waiting.latest, Waiting.due, Waiting.tries)
            most = self._options.max_waiting if first else 0
            rows = Waiting.select(*fields).order_by(Waiting.due).limit(most).tuples()
            metrics = State.select(State.value).where(State.name == name).scalar(database)
            return given_up, list(rows.execute(database)), metrics

        found = self._run("loading", lambda: self._database.run(work))
        if found is None:
            return
        given_up, rows, metrics = found
        if metrics is not None:
            self._metrics.load(metrics)
        self._metrics.add("given_up", given_up)
        for digest, stored, latest, due, tries in rows:
            self._queue.load(Entry(bytes(digest), stored, latest, due, tries), now)

    def _row(self) -> str:
        return f"{METRICS} {number}" if (number := self._number()) else METRICS

    def run(self) -> None:
        """Look up and save repeatedly, until `stop`."""
        self._work.set()  # there may be work left from an earlier run
        while not self._stopping:
            self._work.wait()
            gevent.sleep(_GATHER)
            self._work.clear()
            if not self._look_up_and_save():
                self._work.set()
                gevent.sleep(_PAUSE)

    def stop(self) -> None:
        self._stopping = True
        self._work.set()

    def close(self) -> None:
        """Save everything that is left, then close the file."""
        while (self._arrived or self._gone or self._queue.changed) and self._look_up_and_save():
            pass
        with self._working:
            self._database.close()

    def _look_up_and_save(self) -> bool:
        """Each in a transaction of its own, so that phones are woken also while nothing can be written: the disk is
        full, or another process keeps the file locked.
        False: one failed, and everything is kept for another time.
        """
        with self._working:
            return all([self._look_up(), self._forget(), self._save()])

    def _look_up(self) -> bool:
        """Queue notifications for the devices of the accounts that got mail."""
        arrived, self._arrived = self._arrived, {}
        if not arrived:
            return True
        days = self._days()
        found = self._run("look-up", lambda: self._kept.of_accounts(arrived, days))
        if found is None:
            for account_id, (first, last) in arrived.items():
                self._arrived[account_id] = (first, max(last, self._arrived.get(account_id, (0, 0))[1]))
            return False
        for account_id, digest in found:
            if digest in self._gone:
                continue
            outcome = self._queue.add(digest, *arrived[account_id])
            if outcome == "dropped":
                self._dropped()
            else:
                self._metrics.add(outcome)
        if self._full and len(self._queue) < self._options.max_waiting / 2:
            self._full = False
        self._queued()
        return True

    def _dropped(self) -> None:
        self._metrics.add("dropped")
        if not self._full:
            self._full = True
            log.error("too many notifications wait, further ones are dropped; waiting=%d", len(self._queue))

    def _forget(self) -> bool:
        """The tokens of devices that are gone. A notification that a crash leaves behind finds none and goes, too."""
        gone, self._gone = self._gone, set()

        def work() -> bool:
            self._kept.forget(gone)
            return True

        if gone and self._run("forgetting", work) is None:
            self._gone |= gone
            return False
        return True

    def _save(self) -> bool:
        """Write what changed in the queue and the counters."""
        changed, self._queue.changed = self._queue.changed, set()
        entries = {digest: self._queue.get(digest) for digest in changed}
        over = [(digest,) for digest, entry in entries.items() if entry is None]
        rows = [(e.digest, e.stored, e.latest, e.due, e.tries) for e in entries.values() if e is not None]
        metrics, name = json.dumps(self._metrics.data()), self._row()

        def work(database: SqliteDatabase) -> bool:
            connection = database.connection()
            connection.executemany("DELETE FROM waiting WHERE digest=?", over)
            connection.executemany("REPLACE INTO waiting VALUES (?, ?, ?, ?, ?)", rows)
            if metrics != self._saved:
                State.replace(name=name, value=metrics).execute(database)
            return True

        if self._run("saving", lambda: self._database.run(work)) is None:
            self._queue.changed |= changed
            return False
        self._saved = metrics
        return True

    def _run(self, what: str, work: Callable[[], T]) -> T | None:
        """None: the file, or the place of the tokens, failed. Only the first failure and the recovery are logged."""
        try:
            result = work()
        except (*ERRORS, PluginError) as error:
            if what not in self._failing:
                log.error("push database: %s fails: %s", what, error)
                self._failing.add(what)
            return None
        if what in self._failing:
            log.warning("push database: %s works again", what)
            self._failing.remove(what)
        return result
