"""One try: a message, its recipients at one domain, and what became of each."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import gevent.event

from chatgate.api import Counter, Distribution, Failure, Gateway, Queued, Reply, StoreError
from chatgate_courier.outcomes import Outcomes
from chatgate_courier.sending import content
from chatgate_courier.sending.delays import Delays
from chatgate_courier.sending.schedule import Schedule
from chatgate_courier.sending.underway import GaveWay, Underway
from chatgate_courier.transport import Mail, Outcome

log = logging.getLogger("chatgate.courier")

_TROUBLE = 1.0  # seconds until the store is asked again to note that a message was taken; each time twice as many
_LONGEST_TROUBLE = 30.0

# Another server may be away for days.
_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 86400.0)

_NOTHING_SAID = Reply(451, "4.4.2", "The other server has said nothing about this recipient")
_TOO_SLOW = Reply(451, "4.4.2", "The other server was slow, and other mail had to go")


class Ways(Protocol):
    """What hands messages on: `chatgate_courier.transport.Transports`."""

    def deliver(self, mail: Mail) -> Outcome: ...
    def down_until(self, domain: str) -> float: ...
    def close(self) -> None: ...


class Tried(NamedTuple):
    """taken: has anybody got it? until: Unix seconds before which nothing can be handed on to the domain; 0: not known.
    failed: rows that are to be settled with a notice. put_off: has anybody to wait for another try?
    """

    taken: bool
    until: float = 0.0
    failed: Sequence[tuple[Queued, Failure]] = ()
    put_off: bool = False


class Handing:
    """counted: recipients, by outcome and way. took: seconds from storing to the moment another server took it."""

    def __init__(
        self,
        gateway: Gateway,
        ways: Ways,
        outcomes: Outcomes,
        schedule: Schedule,
        most_octets: int,
        delays: Delays,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._gateway, self._ways, self._outcomes, self._schedule = gateway, ways, outcomes, schedule
        self.underway, self._delays, self._clock = Underway(most_octets), delays, clock
        self._ending = gevent.event.Event()
        self.counted, self.took = Counter(), Distribution(_SECONDS)

    def hand_on(self, domain: str, rows: Sequence[Queued], latest: Callable[[Sequence[Queued]], list[Queued]]) -> Tried:
        """Try once. latest: the rows as they were claimed last; a try may take longer than the lease. Raises
        StoreError: then the rows are tried again when their lease is over.
        """
        first = rows[0]
        trace, recipients = first.trace or "-", tuple(row.recipient for row in rows)
        try:
            with self.underway.place(first.size, first.attempts):
                outcome = self._try(domain, rows)
        except GaveWay:
            until = self._clock() + self._schedule.wait(first.attempts)
            outcome = Outcome(dict.fromkeys(recipients, _TOO_SLOW), "", "", until)
        if outcome is None:
            return Tried(False)
        by_reply: dict[Reply, list[Queued]] = {}
        for row in latest(rows):
            by_reply.setdefault(outcome.replies.get(row.recipient, _NOTHING_SAID), []).append(row)
        taken, put_off, failed = False, False, list[tuple[Queued, Failure]]()
        # Those who have it first: whatever fails for the others, these must not get it twice.
        for reply, these in sorted(by_reply.items(), key=lambda one: not one[0].accepts):
            if reply.accepts:
                taken = True
                self._settle(these)
                now = self._clock()
                for row in these:
                    self.took.add(max(0.0, now - row.came))
                facts_done = trace, domain, outcome.host, outcome.way, len(these)
                log.info("delivered id=%s domain=%s host=%s way=%s recipients=%d", *facts_done)
            elif reply.temporary:
                put_off = True
                self._put_off(domain, these, reply, outcome)
            else:
                failed += [(row, Failure.refused(row.recipient, reply, outcome.host)) for row in these]
            what = "delivered" if reply.accepts else "put off" if reply.temporary else "failed"
            self.counted.add(what.replace(" ", "_"), outcome.way, by=len(these))
            addresses = [first.sender, *(row.recipient for row in these)]
            self._outcomes.note(trace, domain, outcome.host, outcome.way, what, len(these), reply, addresses)
        return Tried(taken, outcome.until, failed, put_off)

    def _try(self, domain: str, rows: Sequence[Queued]) -> Outcome | None:
        """None: the row is gone."""
        first, trace = rows[0], rows[0].trace or "-"
        recipients = tuple(row.recipient for row in rows)
        message = content.read(self._gateway.store, first)
        if message is None:
            return None
        facts = trace, domain, len(rows), len(message), first.attempts
        log.info("attempt id=%s domain=%s recipients=%d octets=%d attempt=%d", *facts)
        signed = self._gateway.intake.signed(first.sender, message)
        del message
        if isinstance(signed, Reply):
            return Outcome(dict.fromkeys(recipients, signed), "", "", 0.0)
        return self._ways.deliver(Mail(domain, first.sender, recipients, signed, trace))

    def end(self) -> None:
        """Wait for the store no more."""
        self._ending.set()

    def _settle(self, rows: Sequence[Queued]) -> None:
        """These are handed on. Until that is on disk the rows are kept, as the next try would bring it twice; a kill
        meanwhile does (RFC 1047). Raises StoreError when it ends.
        """
        pause = _TROUBLE
        while True:
            try:
                self._gateway.store.settle(rows)
                return
            except StoreError as error:
                if self._ending.is_set():
                    raise
                log.warning("not noted as delivered yet id=%s error=%s", rows[0].trace or "-", type(error).__name__)
            self._ending.wait(pause)
            pause = min(2 * pause, _LONGEST_TROUBLE)

    def _put_off(self, domain: str, rows: Sequence[Queued], reply: Reply, outcome: Outcome) -> None:
        now = self._clock()
        until = max(now + self._schedule.wait(max(row.attempts for row in rows)), outcome.until)
        self._gateway.store.postpone(rows, until, reply)
        facts = rows[0].trace or "-", domain, outcome.host, len(rows), reply.code, reply.status, until - now
        log.info("put off id=%s domain=%s host=%s recipients=%d code=%d status=%s again_in=%.0fs", *facts)
        log.debug("put off id=%s said=%s", rows[0].trace or "-", reply.text)
        self._delays.look(domain, rows, reply, outcome.host)
