"""The service that sends notifications when they are due, each request in a greenlet of its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import gevent
import gevent.event
import gevent.pool
from chatgate_filedb import FileDatabase

from chatgate.api import Background, Episode
from chatgate_push.breaker import Breaker
from chatgate_push.client import QUIETLY, Client, Outcome
from chatgate_push.hooks import Days, DeviceTokens
from chatgate_push.keeper import Keeper
from chatgate_push.metrics import Metrics
from chatgate_push.options import PushOptions
from chatgate_push.queue import Entry, Queue

log = logging.getLogger("chatgate.push")

_PAUSE = 1.0  # seconds until tokens that could not be read are tried again
_TOGETHER = 0.01  # seconds of notifications whose tokens are read together, and how many at most
_TAKE = 200
_LAST_WORDS = 2.0  # seconds for requests under way when the gateway stops; the others are sent after the restart
_LAST_SAVING = 5.0  # seconds for the database then, which another process may keep locked

_FORGOTTEN = 3600.0  # seconds without a request after which nothing is known of the service any more

_STARTED = time.time() - time.monotonic()


def steady() -> float:
    """Unix seconds that continue steadily from the start of the process: setting the system's clock neither delays
    notifications nor makes them expire.
    """
    return _STARTED + time.monotonic()


class Sender:
    """kept: where the tokens are. days: of the tokens that count now. clock: Unix seconds; call `wake` when
    it jumps. number: see `Keeper`.
    """

    name = "push"
    listening: list[str] = []

    def __init__(
        self,
        options: PushOptions,
        database: FileDatabase,
        kept: DeviceTokens,
        client: Client,
        days: Callable[[], Days],
        clock: Callable[[], float],
        number: Callable[[], int] = lambda: 0,
    ) -> None:
        self._options, self._database, self._client, self._clock = options, database, client, clock
        self.queue = Queue(options)
        self.breaker = Breaker(options)
        self.metrics = Metrics()
        self.failing, self.last = Episode(_FORGOTTEN), Outcome.BROKEN  # of the service, and how
        self.keeper = Keeper(options, database, kept, self.queue, self.metrics, days, clock, self.wake, number)
        self._requests = gevent.pool.Group()
        self._under_way = 0
        self._wake = gevent.event.Event()  # something may be due, or a request ended
        self._stopping = False
        self._running = [
            Background("push-saving", self.keeper.run, self.keeper.stop),
            Background("push-sending", self._dispatch, self._end),
        ]

    def bind(self) -> None:
        self._database.bind()
        try:
            self._client.prepare()
        except OSError as error:  # no reason to refuse mail
            log.error("no notification can be sent: ca_file cannot be used: %s", error.strerror)

    def start(self) -> None:
        self.keeper.load()
        for one in self._running:
            one.start()

    def stop(self, seconds: float) -> None:
        """Stop. Unsent notifications wait on disk for the next start."""
        self._end()
        self.keeper.stop()
        self._requests.join(min(seconds, _LAST_WORDS))
        self._requests.kill()
        with gevent.Timeout(_LAST_SAVING, QUIETLY):
            for one in self._running:
                one.stop(_LAST_SAVING)
            self.keeper.close()
        for one in self._running:
            one.stop(0)
        self._client.close()

    def _end(self) -> None:
        self._stopping = True
        self.wake()

    def wake(self) -> None:
        self._wake.set()

    def _dispatch(self) -> None:
        while not self._stopping:
            self._wake.clear()
            seconds = self._seconds(self._clock())
            if seconds != 0:
                self._wake.wait(seconds)
            else:
                gevent.sleep(_TOGETHER)
                entries, given_up = self.queue.take(self._clock(), min(self._free(), _TAKE))
                if given_up:
                    self.metrics.add("given_up", given_up)
                    self.keeper.save()
                if entries:
                    self._send(entries)

    def _free(self) -> int:
        """How many requests may begin now, if any may; after a pause of the service only one."""
        free = self._options.connections - self._under_way
        return min(free, 1) if self.breaker.open else free

    def _seconds(self, now: float) -> float | None:
        """Seconds until something may be sent, if known; `wake` is called when that changes."""
        due, pause = self.queue.next_due(), self.breaker.seconds(now)
        if due is None or pause is None or not self._free():
            return None
        return max(due - now, pause, 0)

    def _send(self, entries: list[Entry]) -> None:
        values = self.keeper.values(entries)
        if values is None:
            for entry in entries:
                self.queue.put_back(entry, self._clock() + _PAUSE)
            return
        for entry in entries:
            if entry.digest not in values:
                self.queue.remove(entry)  # nobody has this token any more
                self.keeper.save()
            elif self._stopping or self.breaker.seconds(self._clock()) != 0:
                self.queue.put_back(entry, entry.due)
            else:
                self._under_way += 1
                self._requests.spawn(self._notify, entry, values[entry.digest], self.breaker.begin())

    def _notify(self, entry: Entry, value: bytes, probe: bool) -> None:
        """Make one request and handle its outcome."""
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
            else:  # a bug of ours, which gevent reports; the entry must not be retried at once
                self._settle(entry, Outcome.BROKEN, probe)
            self.keeper.save()
            self.wake()

    def _settle(self, entry: Entry, outcome: Outcome, probe: bool) -> None:
        now, metrics = self._clock(), self.metrics
        metrics.add("requests")
        self._judge(outcome, now, probe)
        if outcome is Outcome.ACCEPTED:
            metrics.add("accepted")
            metrics.took(max(0.0, now - entry.stored))
            if self.queue.done(entry):
                metrics.add("queued")
        elif outcome is Outcome.GONE:
            metrics.add("gone")
            self.keeper.forget(entry.digest)
            self.queue.remove(entry)
        else:
            metrics.add("failed")
            if not self.queue.failed(entry, now):
                metrics.add("given_up")
                log.info("notification given up after %d tries, last failure=%s", entry.tries, outcome.value)

    def _judge(self, outcome: Outcome, now: float, probe: bool) -> None:
        if outcome.service_works:
            self.failing.ended()
            if self.breaker.succeeded():
                log.warning("notification service works again; waiting=%d", len(self.queue))
                self.queue.hurry(now)
        elif (pause := self.breaker.failed(now, probe)) is not None:
            self.metrics.add("pauses")
            self.failing.happened()
            self.last = outcome
            level = logging.INFO if probe else logging.WARNING  # warn at the beginning, not every two minutes
            log.log(level, "notification service fails: %s; next try in %.0f s", outcome.value, pause)
