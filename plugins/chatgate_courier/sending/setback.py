"""A clock that is set back: what was put off by the time before would wait for as long as the clock was ahead."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import gevent

from chatgate.api import Gateway

log = logging.getLogger("chatgate.courier")

_NOTICED = 60.0  # seconds; by less a clock is set all the time
_AT_ONCE = 1000  # rows that are looked at before others have their turn


class SetBack:
    """longest: seconds for which a row is put off at most when all is well."""

    def __init__(self, gateway: Gateway, longest: float, clock: Callable[[], float] = time.time) -> None:
        self._gateway, self._longest, self._clock = gateway, longest, clock
        self._last: float | None = None

    def look(self) -> None:
        """At the first call, and when the clock is behind what it was: offer what is due too late to have been put off
        by today's clock. Raises StoreError.
        """
        now, last = self._clock(), self._last
        if last is None or now < last - _NOTICED:
            self._offer(now)
        self._last = now

    def _offer(self, now: float) -> None:
        store, after, count = self._gateway.store, 0, 0
        while rows := store.queue(after, _AT_ONCE):
            after = rows[-1].id
            late = [row.id for row in rows if not row.held and row.due > now + self._longest]
            count += len(store.offer(late, now)) if late else 0
            gevent.sleep(0)
        if count:
            log.warning("the clock was set back: tried again recipients=%d", count)
