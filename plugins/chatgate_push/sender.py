"""The service that sends: what arrives is saved together; what is due goes out, each request in its own greenlet."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any

import gevent
import gevent.event
import gevent.lock
import gevent.pool
from peewee import SqliteDatabase

from chatgate.api import PluginError
from chatgate_push import tokens
from chatgate_push.breaker import Breaker
from chatgate_push.client import Client, Outcome
from chatgate_push.database import ERRORS, Database, State, Waiting
from chatgate_push.metrics import Metrics
from chatgate_push.options import PushOptions
from chatgate_push.queue import Entry, Queue

log = logging.getLogger("chatgate.push")

_GATHER = 0.02  # seconds of arrivals and results that share a transaction
_PAUSE = 1.0  # seconds until the database is tried again after it failed
_TOGETHER = 0.01  # seconds of notifications whose tokens are read together, and how many at most
_TAKE = 200
_LOOK = 60.0  # seconds to sleep at most, as the clock may be set meanwhile
_LAST_WORDS = 2.0  # seconds for requests under way when the gateway stops; the others are sent after the restart
METRICS = "metrics"  # the row of State


class Sender:
    """clock: Unix seconds. Call `wake` when it jumps."""

    name = "push"
    listening: list[str] = []

    def __init__(
        self, options: PushOptions, database: Database, client: Client, clock: Callable[[], float] = time.time
    ) -> None:
        self._options, self._database, self._client, self._clock = options, database, client, clock
        self.queue = Queue(options)
        self.breaker = Breaker(options)
        self.metrics = Metrics()
        self._requests = gevent.pool.Group()
        self._under_way = 0
        self._arrived: dict[int, tuple[float, float]] = {}  # account id: times of the first and the last message
        self._gone: set[bytes] = set()  # tokens to forget
        self._work = gevent.event.Event()  # something to save or to look up
        self._wake = gevent.event.Event()  # something may be due, or a request ended
        self._saving = gevent.lock.RLock()
        self._greenlets: list[gevent.Greenlet] = []
        self._stopping = False
        self._full = False
        self._saved = ""  # the counters as they are on disk

    # ------------------------------------------------------------------------------------------ a service

    def bind(self) -> None:
        """Raises PluginError."""
        self._database.open()
        try:
            self._client.prepare()
        except OSError as error:  # no reason to refuse mail
            log.error("no notification can be sent: ca_file cannot be used: %s", error.strerror)

    def start(self) -> None:
        """Raises PluginError."""
        self._load()
        self._greenlets = [gevent.spawn(self._keep), gevent.spawn(self._dispatch)]

    def stop(self, seconds: float) -> None:
        """What was not sent waits on disk for the next start."""
        self._stopping = True
        self.wake()
        self._work.set()
        gevent.joinall(self._greenlets)
        self._requests.join(min(seconds, _LAST_WORDS))
        self._requests.kill()
        self._save_all()
        self._client.close()

    # ------------------------------------------------------------------------------------------ what arrives

    def tell(self, account_ids: list[int]) -> None:
        """New mail for these accounts. Returns at once, whatever the service or the disk do."""
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
            self._save_all()  # the last messages of a gateway that stops; nobody else will save them

    def wake(self) -> None:
        self._wake.set()

    def _dropped(self) -> None:
        self.metrics.add("dropped")
        if not self._full:
            self._full = True
            log.error("too many notifications wait, further ones are dropped; waiting=%d", len(self.queue))

    # ------------------------------------------------------------------------------------------ the database

    def _load(self) -> None:
        now = self._clock()
        oldest = now - self._options.give_up_hours * 3600

        def work(database: SqliteDatabase) -> tuple[int, list[Any], str | None]:
            given_up = Waiting.delete().where(Waiting.latest < oldest).execute(database)
            fields = (Waiting.digest, Waiting.stored, Waiting.latest, Waiting.due, Waiting.tries)
            rows = Waiting.select(*fields).order_by(Waiting.due).limit(self._options.max_waiting).tuples()
            metrics = State.select(State.value).where(State.name == METRICS).scalar(database)
            return given_up, list(rows.execute(database)), metrics

        try:
            given_up, rows, metrics = self._database.run(work)
        except ERRORS as error:
            raise PluginError(f"push: {self._database.path} cannot be read: {error}") from error
        if metrics is not None:
            self.metrics.load(metrics)
        self.metrics.add("given_up", given_up)
        for digest, stored, latest, due, tries in rows:
            self.queue.load(Entry(bytes(digest), stored, latest, due, tries), now)

    def _keep(self) -> None:
        """Save and look up, again and again."""
        while not self._stopping:
            self._work.wait()
            gevent.sleep(_GATHER)
            self._work.clear()
            if not self._save():
                self._work.set()
                gevent.sleep(_PAUSE)

    def _save_all(self) -> None:
        """Also what a look-up adds. Then the file is closed."""
        while (self._arrived or self._gone or self.queue.changed) and self._save():
            pass
        with self._saving:
            self._database.close()

    def _save(self) -> bool:
        """One transaction: write what changed, forget tokens, look up those of the accounts that got mail.
        False: the database failed, and everything is kept for another time.
        """
        with self._saving:
            arrived, self._arrived = self._arrived, {}
            gone, self._gone = self._gone, set()
            changed, self.queue.changed = self.queue.changed, set()
            entries = {digest: self.queue.get(digest) for digest in changed}
            over = [(digest,) for digest, entry in entries.items() if entry is None]
            rows = [(e.digest, e.stored, e.latest, e.due, e.tries) for e in entries.values() if e is not None]
            metrics, days = json.dumps(self.metrics.data()), self._days()

            def work(database: SqliteDatabase) -> list[tuple[int, bytes]]:
                connection = database.connection()
                connection.executemany("DELETE FROM token WHERE digest=?", [(digest,) for digest in gone])
                connection.executemany("DELETE FROM waiting WHERE digest=?", over)
                connection.executemany("REPLACE INTO waiting VALUES (?, ?, ?, ?, ?)", rows)
                if metrics != self._saved:
                    State.replace(name=METRICS, value=metrics).execute(database)
                return tokens.of_accounts(database, arrived, days)

            try:
                found = self._database.run(work)
            except ERRORS as error:
                log.error("push database failed: %s", error)
                self._gone |= gone
                self.queue.changed |= changed
                for account_id, (first, last) in arrived.items():
                    self._arrived[account_id] = (first, max(last, self._arrived.get(account_id, (0, 0))[1]))
                return False
        self._saved = metrics
        for account_id, digest in found:
            outcome = self.queue.add(digest, *arrived[account_id])
            if outcome == "dropped":
                self._dropped()
            else:
                self.metrics.add(outcome)
        if self._full and len(self.queue) < self._options.max_waiting / 2:
            self._full = False
        if self.queue.changed:
            self._work.set()
            self.wake()
        return True

    def _days(self) -> tokens.Days:
        return tokens.Days.at(self._clock(), self._options.token_days)

    # ------------------------------------------------------------------------------------------ what is due

    def _dispatch(self) -> None:
        while not self._stopping:
            self._wake.clear()
            seconds = self._seconds(self._clock())
            if seconds > 0:
                self._wake.wait(seconds)
            else:
                gevent.sleep(_TOGETHER)
                entries, given_up = self.queue.take(self._clock(), min(self._free(), _TAKE))
                if given_up:
                    self.metrics.add("given_up", given_up)
                    self._work.set()
                if entries:
                    self._send(entries)

    def _free(self) -> int:
        return self._options.connections - self._under_way

    def _seconds(self, now: float) -> float:
        """Until something may be sent; `wake` is called when that changes."""
        due, pause = self.queue.next_due(), self.breaker.seconds(now)
        if due is None or pause is None or not self._free():
            return _LOOK
        return min(max(due - now, pause), _LOOK)

    def _send(self, entries: list[Entry]) -> None:
        days = self._days()
        try:
            values = self._database.run(lambda db: tokens.values(db, [entry.digest for entry in entries], days))
        except ERRORS as error:
            log.error("push database failed: %s", error)
            for entry in entries:
                self.queue.put_back(entry, self._clock() + _PAUSE)
            return
        for entry in entries:
            if entry.digest not in values:
                self.queue.remove(entry)  # nobody has this token any more
                self._work.set()
            elif self._stopping or self.breaker.seconds(self._clock()) != 0:
                self.queue.put_back(entry, entry.due)
            else:
                self._under_way += 1
                self._requests.spawn(self._notify, entry, values[entry.digest], self.breaker.begin())

    def _notify(self, entry: Entry, value: bytes, probe: bool) -> None:
        """One request and what follows from it."""
        entry.started = self._clock()
        outcome = None
        try:
            outcome = self._client.post(value)
        finally:
            self._under_way -= 1
            if outcome is not None:
                self._settle(entry, outcome, probe)
            elif self._stopping:
                self.queue.put_back(entry, entry.due)
            else:  # a mistake of ours, which gevent reports; it must not come back at once
                self._settle(entry, Outcome.BROKEN, probe)
            self._work.set()
            self.wake()

    def _settle(self, entry: Entry, outcome: Outcome, probe: bool) -> None:
        now, metrics = self._clock(), self.metrics
        metrics.add("requests")
        self._judge(outcome, now, probe)
        if outcome is Outcome.ACCEPTED:
            metrics.add("accepted")
            metrics.took(now - entry.stored)
            if self.queue.done(entry):
                metrics.add("queued")
        elif outcome is Outcome.GONE:
            metrics.add("gone")
            self._gone.add(entry.digest)
            self.queue.remove(entry)
        else:
            metrics.add("failed")
            if not self.queue.failed(entry, now):
                metrics.add("given_up")
                log.info("notification given up after %d tries, last failure=%s", entry.tries, outcome.value)

    def _judge(self, outcome: Outcome, now: float, probe: bool) -> None:
        if outcome.service_works:
            if self.breaker.succeeded():
                log.warning("notification service works again; waiting=%d", len(self.queue))
                self.queue.hurry(now)
        elif (pause := self.breaker.failed(now, probe)) is not None:
            self.metrics.add("pauses")
            level = logging.INFO if probe else logging.WARNING  # a word at the beginning, not every two minutes
            log.log(level, "notification service fails: %s; next try in %.0f s", outcome.value, pause)
