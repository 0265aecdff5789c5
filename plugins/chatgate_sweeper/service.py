"""What sweeps while the gateway serves: on a timer, and when an account comes close to its quota."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import gevent.event

from chatgate.api import Background, Gateway, StoreError
from chatgate_sweeper.clock import BEHIND
from chatgate_sweeper.options import SweeperOptions
from chatgate_sweeper.rules import DAY
from chatgate_sweeper.sweep import Report, Sweep, free_here

log = logging.getLogger("chatgate.sweeper")

# Seconds to the first sweep: a gateway that starts has other things to do.
_FIRST = 60.0

# Seconds from one sweep to the next while the disk is too full for large mail.
_SOON = 60.0

# Seconds for which an account is left alone that stayed close to its quota: to look again costs reading all its rows.
_PATIENCE = 300.0


class Service(Background):
    """clock: Unix seconds by the machine's clock. rules_time: those by which the rules go. One greenlet does all the
    work, so no two sweeps meet in this process; those of several processes do no harm. Stopped, it leaves the rest to
    the next sweep; the store finishes what it has begun.
    """

    def __init__(
        self,
        gateway: Gateway,
        options: SweeperOptions,
        clock: Callable[[], float] = time.time,
        rules_time: Callable[[], float] | None = None,
    ) -> None:
        super().__init__("sweeper", self._work)
        self._gateway, self._options, self._clock = gateway, options, clock
        self._rules_time = rules_time or clock
        self._crowded: set[int] = set()
        self._tried: dict[int, float] = {}
        self._wake = gevent.event.Event()

    def crowded(self, account_id: int) -> None:
        """An account has come close to its quota. Returns at once."""
        if time.monotonic() >= self._tried.get(account_id, -_PATIENCE) + _PATIENCE:
            self._crowded.add(account_id)
            self._wake.set()

    def _work(self) -> None:
        following = time.monotonic() + min(_FIRST, self._every)
        while True:
            self._wake.wait(max(0.0, following - time.monotonic()))
            self._wake.clear()
            try:
                self.make_room()
                if time.monotonic() >= following:
                    self.sweep()
            except Exception as error:  # the next one may go better
                log.error("sweep failed: %s", error if isinstance(error, StoreError) else type(error).__name__)
            if time.monotonic() >= following:
                low = free_here(self._gateway, self._options) < self._options.no_large_mail_below_bytes
                following = time.monotonic() + (min(_SOON, self._every) if low else self._every)

    @property
    def _every(self) -> float:
        """Seconds from one sweep to the next; for "never", more than any process lives."""
        return self._options.every_minutes * 60 or 1e9

    def sweep(self) -> Report:
        """All the rules, now. Raises StoreError."""
        self._tried.clear()
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
        return report

    def make_room(self) -> None:
        """Evict mail of the accounts that were named as crowded. Raises StoreError."""
        while self._crowded:
            account_id = self._crowded.pop()
            self._tried[account_id] = time.monotonic()
            Sweep(self._gateway, self._options, self._clock()).evict(account_id)
