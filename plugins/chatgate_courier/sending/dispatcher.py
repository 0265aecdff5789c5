"""Takes from the queue what is due, and hands it to the line of its domain."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence

import gevent
import gevent.event

from chatgate.api import QUEUE, Failure, Gateway, Queued, Skip, StoreError, raised_at
from chatgate_courier.policy import Policies
from chatgate_courier.sending.bounces import Bounces, expired
from chatgate_courier.sending.handing import Handing, Ways
from chatgate_courier.sending.options import SendingOptions
from chatgate_courier.sending.setback import SetBack
from chatgate_courier.sending.taken import Job, Line, Taken, jobs

log = logging.getLogger("chatgate.courier")

_AT_ONCE = 200  # rows of one claim
_PACE = 0.005  # seconds between claims: what comes meanwhile shares the next
_LONGEST = 60.0  # seconds without a look at the queue: a wake-up may get lost
_HELD = 300.0  # seconds until a domain whose mail is held is looked at again
_BUSY = 2.0  # the same for a domain for which there is no place
_TROUBLE = 1.0  # seconds until the store is asked again after it failed
_DAY = 86400.0
_PUT_OFF = 7200.0  # nothing is put off for more seconds, unless `retry_seconds` has longer ones


class Dispatcher:
    """Runs in one process at a time. Every row that it claims it has in `taken`, until it is settled, postponed or left
    to its lease.
    """

    def __init__(
        self,
        gateway: Gateway,
        options: SendingOptions,
        policies: Policies,
        ways: Ways,
        handing: Handing,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._gateway, self._options, self._policies = gateway, options, policies
        self._ways, self._handing, self._clock = ways, handing, clock
        self._wake = gevent.event.Event()
        self._ending = False
        self.taken = Taken(options.waiting_per_account, self._wake.set)
        self.lines: dict[str, Line] = {}
        self.bounces = Bounces(gateway, self._done, clock)
        longest = 2 * max(float(seconds) for seconds in options.retry_seconds)
        self._set_back = SetBack(gateway, max(_PUT_OFF, longest), clock)
        self._pausing: set[str] = set()  # domains whose rows are being put off
        self._crowded = False  # was there no room for all that is due?
        self._turned_away = 0  # by the last claim: messages for domains that had no place
        self._began = clock()
        self._tried_late: set[int] = set()  # rows that became too old while nobody served, and were tried once since

    def run(self) -> None:
        """Until `end`; then what is under way goes on, and what waits is let go of."""
        watch = self._gateway.board.watch(QUEUE, self._wake.set)
        self.taken.clear()  # after a run that was cut off: all that is left to its lease
        self.lines.clear()
        self._began = self._clock()
        try:
            while not self._ending:
                self._wake.clear()
                began = time.monotonic()
                now = self._clock()
                try:
                    self._set_back.look()
                    more = self._claim(now)
                    # Before the wait, as what comes after it is claimed at once. Much that is passed by makes a claim
                    # slow.
                    gevent.sleep(max(_PACE, 2 * (time.monotonic() - began)))
                    if not more:
                        self._wait(now)
                except StoreError as error:
                    log.warning("the queue cannot be read error=%s", type(error).__name__)
                    self._wake.wait(_TROUBLE)
            self._let_go()
        finally:
            watch.cancel()
            for line in list(self.lines.values()):  # killed, or the lease is lost: another process has these rows
                gevent.killall(list(line.greenlets), block=False)

    def end(self) -> None:
        self._ending = True
        self._handing.end()
        self._wake.set()

    def _done(self, rows: Iterable[Queued]) -> None:
        self.taken.done(rows)
        if self._crowded and len(self.taken) <= self._options.waiting // 2:
            self._crowded = False
            self._wake.set()

    def _wait(self, looked: float) -> None:
        """Until something is due that was not when we looked, or there is room for what was."""
        due = self._gateway.store.next_due(looked)
        self._wake.wait(_LONGEST if due is None else min(_LONGEST, max(0.0, due - self._clock())))

    def _claim(self, now: float) -> bool:
        """Is there perhaps more to be had at once?"""
        limit = min(_AT_ONCE, self._options.waiting - len(self.taken))
        self._crowded = limit < 1
        if self._crowded:
            self._handing.underway.give_way(1)
            return False
        full = [domain for domain, line in self.lines.items() if line.full]
        skip = Skip([*full, *self._pausing], self.taken.enough)
        rows = self._gateway.store.claim(limit, self._options.lease_seconds, now, skip)
        self._turned_away = 0
        for job in jobs([row for row in rows if self.taken.add(row)]):
            self._sort(job, now)
        if self._turned_away:
            self._handing.underway.give_way(self._turned_away)
        return len(rows) == limit

    def _sort(self, job: Job, now: float) -> None:
        old = [row for row in job.rows if row.expired and not self._last_try(row)]
        if old:
            self.bounces.add([(row, expired(row, (now - row.came) / _DAY)) for row in old])
            job = job._replace(rows=tuple(row for row in job.rows if row not in old))
        if not job.rows:
            return
        policy = self._policies.of(job.domain)
        if policy.hold or policy.deny:  # a command may have changed that, and woken us, this moment
            self._policies.look()
            policy = self._policies.of(job.domain)
        if policy.deny:
            self.bounces.add([(row, Failure(row.recipient, "5.7.1", policy.deny)) for row in job.rows])
        elif policy.hold:
            self._pause(job, now + _HELD)
        elif (until := self._ways.down_until(job.domain)) > now:
            self._pause(job, until)
        elif job.domain not in self.lines and len(self.lines) >= self._options.domains_at_once:
            self._turned_away += 1
            self._pause(job, now + _BUSY)
        else:
            line = self.lines.get(job.domain)
            if line is None:
                line = self.lines[job.domain] = Line(job.domain, self._options.waiting_per_domain)
            line.put(job)
            self._staff(line)

    def _last_try(self, row: Queued) -> bool:
        """Does this row get one more try, as it became too old while no gateway ran that could hand it on?"""
        if row.held or row.expires >= self._began or row.id in self._tried_late:
            return False
        self._tried_late.add(row.id)
        return True

    def _staff(self, line: Line) -> None:
        """One tries whether the domain takes anything; then there are more."""
        most = self._options.messages_per_domain if line.answers else 1
        if len(line.greenlets) < min(most, len(line.greenlets) + line.waiting):
            greenlet = gevent.Greenlet(self._work, line)
            line.greenlets.add(greenlet)
            greenlet.start()

    def _work(self, line: Line) -> None:
        try:
            while not self._ending and (job := line.take()) is not None:
                if line.waiting:
                    self._staff(line)
                self._hand_on(line, job)
                if line.eased():
                    self._wake.set()
        finally:
            line.greenlets.discard(gevent.getcurrent())
            if not line.greenlets and not line.waiting and self.lines.get(line.domain) is line:
                del self.lines[line.domain]

    def _hand_on(self, line: Line, job: Job) -> None:
        failed: set[int] = set()
        try:
            tried = self._handing.hand_on(job.domain, job.rows, self.taken.latest)
            if tried.failed:
                failed = {row.id for row, _ in tried.failed}
                self.bounces.add(tried.failed)
            line.answers = line.answers or tried.taken
            if tried.until > self._clock():
                line.answers = False
                self._put_off(job.domain, line.clear(), tried.until)
            if tried.put_off:
                self._wake.set()  # the next try may be sooner than what it sleeps for, and the store says nothing of it
        except Exception as error:
            # What is left alone here comes back when its lease is over.
            kind, at = type(error).__name__, raised_at(error.__traceback__)
            log.error("attempt broken off id=%s domain=%s error=%s at=%s", job.rows[0].trace, job.domain, kind, at)
        finally:
            self._done(row for row in job.rows if row.id not in failed)

    def _pause(self, job: Job, until: float) -> None:
        """Put this off, with all that waits for the domain, in a greenlet: many domains share the transactions."""
        gevent.spawn(self._paused, job, until)

    def _paused(self, job: Job, until: float) -> None:
        try:
            self._put_off(job.domain, list(job.rows), until)
        except StoreError as error:
            log.warning("not put off domain=%s error=%s", job.domain, type(error).__name__)

    def _put_off(self, domain: str, rows: Sequence[Queued], until: float) -> None:
        """These rows, and all that are due for this domain. Raises StoreError."""
        store, first = self._gateway.store, domain not in self._pausing
        self._pausing.add(domain)
        try:
            store.postpone(self.taken.latest(rows), until)
            count = store.delay(domain, until, self._clock()) if first else 0
            self._wake.set()
            log.info("waits domain=%s recipients=%d again_in=%.0fs", domain, len(rows) + count, until - self._clock())
        finally:
            self._done(rows)
            if first:
                self._pausing.discard(domain)
                self._wake.set()  # what has come meanwhile was passed by

    def _let_go(self) -> None:
        """The end: what was not begun is free for another process at once; what is under way is waited for."""
        rows = [row for line in self.lines.values() for row in line.clear()]
        try:
            self._gateway.store.postpone(rows, self._clock())
        except StoreError as error:
            log.warning("the queue comes back when its lease is over error=%s", type(error).__name__)
        gevent.joinall([greenlet for line in list(self.lines.values()) for greenlet in line.greenlets])
        self.bounces.flush()
