"""Sweeping while the gateway serves: on a timer, and when an account comes close to its quota."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import gevent
import gevent.event

from chatgate.api import Background, Counter, Episode, Gateway, Leased, StoreError
from chatgate_sweeper import lately
from chatgate_sweeper.clock import BEHIND
from chatgate_sweeper.options import SweeperOptions
from chatgate_sweeper.rules import DAY
from chatgate_sweeper.sweep import Report, Sweep, free_here

log = logging.getLogger("chatgate.sweeper")

# Seconds until the first sweep: a starting gateway has other things to do.
_FIRST = 60.0

# Seconds from one sweep to the next while the disk is too full for large mail.
_SOON = 60.0

# Seconds for which an account that stayed close to its quota is left alone, as each check reads all its rows.
_PATIENCE = 300.0

# Seconds after which a sweep that failed is not spoken of any more, if there was no other one.
_REMEMBERED = 2 * 86400.0

# Accounts remembered for that; if there are more, those whose time is over are forgotten.
_MOST_TRIED = 1000


class Evictor(Background):
    """Makes room in accounts that come close to their quota, in the process that stored their mail. clock: Unix
    seconds. It may run at the same time as a sweep, and as the evictors of other processes.
    """

    def __init__(self, gateway: Gateway, options: SweeperOptions, clock: Callable[[], float]) -> None:
        super().__init__("evicting", self._evict)
        self._gateway, self._options, self._clock = gateway, options, clock
        self._crowded: dict[int, str] = {}
        self._tried: dict[int, float] = {}
        self._wake = gevent.event.Event()

    def crowded(self, account_id: int, address: str) -> None:
        """An account has come close to its quota. address: of its domain. Returns at once."""
        if time.monotonic() >= self._tried.get(account_id, -_PATIENCE) + _PATIENCE:
            self._crowded[account_id] = address
            self._wake.set()

    def _evict(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            try:
                self._make_room()
            except Exception as error:  # the next one may go better
                _complain("evicting", error)

    def _make_room(self) -> None:
        now = time.monotonic()
        if len(self._tried) > _MOST_TRIED:
            self._tried = {one: tried for one, tried in self._tried.items() if now < tried + _PATIENCE}
        while self._crowded:
            account_id, address = self._crowded.popitem()
            self._tried[account_id] = time.monotonic()
            Sweep(self._gateway, self._options, self._clock()).evict(account_id, address)


class Service(Leased):
    """Sweeps, in one process at a time. clock: Unix seconds by the machine's clock. rules_time: the Unix seconds that
    the rules use. When stopped, it leaves the rest to the next sweep; the store finishes what it has begun.

    last: the report of the last sweep of this process. failed: that sweeps fail; reason: how the last one did. ended:
    Unix seconds at which the last one that did not fail was over; 0 before that. sweeps, removed: how many there were,
    by outcome, and messages that they removed, by rule.
    """

    def __init__(
        self,
        gateway: Gateway,
        options: SweeperOptions,
        clock: Callable[[], float] = time.time,
        rules_time: Callable[[], float] | None = None,
    ) -> None:
        super().__init__("sweeper", self._sweep_again_and_again, store=lambda: gateway.store)
        self._gateway, self._options, self._clock = gateway, options, clock
        self._rules_time = rules_time or clock
        self.last: Report | None = None
        self.failed, self.reason = Episode(_REMEMBERED), ""
        self.sweeps, self.removed, self.ended = Counter(), Counter(), 0.0

    def _sweep_again_and_again(self) -> None:
        wait = min(_FIRST, self._every)
        while True:
            gevent.sleep(wait)
            self.attempt()
            low = free_here(self._gateway, self._options) < self._options.no_large_mail_below_bytes
            wait = min(_SOON, self._every) if low else self._every

    def attempt(self) -> None:
        """Sweep, and remember how it went."""
        try:
            self.last = self.sweep()
            self.failed.ended()
            self.sweeps.add("done")
            self.ended = self._clock()
            for rule, count in self.last.rules.items():
                self.removed.add(rule, by=count.messages)
        except Exception as error:  # the next one may go better
            self.failed.happened()
            self.sweeps.add("failed")
            self.reason = type(error).__name__
            _complain("sweep", error)

    @property
    def _every(self) -> float:
        """Seconds from one sweep to the next; for "never", longer than any process lives."""
        return self._options.every_minutes * 60 or 1e9

    def sweep(self) -> Report:
        """Apply all rules now. Raises StoreError."""
        report = Sweep(self._gateway, self._options, self._rules_time(), real=self._clock()).everything()
        if report.behind > BEHIND:
            days = report.behind // DAY
            log.warning("the clock has leapt, or the machine was off: the rules are %d days behind", days)
        if report.held_back:
            held = report.held_back
            log.error("%d accounts are idle at one time: none is removed; 'chatgate sweep --force' removes them", held)
        for rule, count in report.rules.items():
            if count.messages or count.accounts:
                facts = rule, count.accounts, count.messages, count.octets
                log.info("swept rule=%s accounts=%d messages=%d octets=%d", *facts)
        lately.remember(self._gateway, report)
        return report


def _complain(what: str, error: Exception) -> None:
    log.error("%s failed: %s", what, error if isinstance(error, StoreError) else type(error).__name__)
