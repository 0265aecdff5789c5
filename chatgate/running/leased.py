"""A service that runs in one process at a time, however many have the store open."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Callable
from typing import Any

import gevent
import gevent.event

from chatgate.running.background import Background
from chatgate.store.leases import Leases
from chatgate.store.records import StoreError
from chatgate.trouble import ticks

log = logging.getLogger("chatgate.leased")


_QUIETLY: Any = False  # what gevent takes for a time-out that raises nothing


class _Lost(gevent.GreenletExit):
    """Thrown into the work where it waits, like a kill: `except Exception` does not catch it."""


class Leased(Background):
    """A `Background` whose `run` goes on only while this process holds the lease with that name, so in no other
    process.

    It waits for the lease, renews it while `run` goes on, and ends `run` (gevent.GreenletExit) before the lease is over
    if it cannot be renewed, or at once if somebody else has it; then it waits again. At stop, and whenever `run` ends
    by itself, the lease is given back; when the process dies, another one takes it within `seconds`.

    store: returns the store; called when the service starts, as the store is not open before. Whatever `run` does
    without waiting must be short compared to `seconds`.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[], object],
        end: Callable[[], object] | None = None,
        *,
        store: Callable[[], Leases],
        seconds: float = 30.0,
    ) -> None:
        super().__init__(name, self._alone, end)
        self._work, self._store, self._seconds = run, store, seconds
        self._stopping = gevent.event.Event()
        self.holder = f"{socket.gethostname()} process {os.getpid()} {secrets.token_hex(4)}"

    def stop(self, seconds: float) -> None:
        """As in `Background`; returns at once if the service is only waiting for the lease."""
        if self._end is not None:
            self._stopping.set()
        super().stop(seconds)

    def _alone(self) -> None:
        while True:
            try:
                until = self._wait()
                if until is not None:
                    self._run_until(until)
                return
            except _Lost:
                log.warning("lease lost, the work ends here for now lease=%s", self.name)

    def _wait(self) -> float | None:
        """Wait for the lease. Returns until when it is ours; None if the service stops first."""
        while not self._stopping.is_set():
            asked = ticks()
            if self._take():
                log.debug("lease taken lease=%s", self.name)
                return asked + self._seconds
            self._stopping.wait(self._seconds / 3)
        return None

    def _run_until(self, until: float) -> None:
        renewing = gevent.spawn(self._renew, gevent.getcurrent(), until)
        try:
            self._work()
        finally:
            renewing.kill(block=False)
            try:
                self._store().release(self.name, self.holder)
                log.debug("lease given back lease=%s", self.name)
            except StoreError as error:  # it ends by itself
                log.warning("lease not given back lease=%s error=%s", self.name, type(error).__name__)

    def _renew(self, work: Any, until: float) -> None:
        """Renew the lease early enough for two more tries. A sixth of the time is left for the work to reach its next
        wait.
        """
        last = self._seconds / 6
        while True:
            gevent.sleep(min(self._seconds / 3, max(0.0, until - last - ticks())))
            asked, renewed = ticks(), None
            with gevent.Timeout(max(0.0, until - last - asked), _QUIETLY):
                renewed = self._take()
            if renewed:
                until = asked + self._seconds
            elif renewed is not None or ticks() >= until - last:
                work.kill(_Lost, block=False)
                return

    def _take(self) -> bool | None:
        """Take or renew the lease. None: the store could not tell."""
        try:
            return self._store().lease(self.name, self.holder, self._seconds)
        except StoreError as error:
            log.warning("lease not to be had lease=%s error=%s", self.name, type(error).__name__)
            return None
