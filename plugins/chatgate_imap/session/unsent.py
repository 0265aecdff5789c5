"""A memory budget for unsent output of all connections, so that clients that do not read cannot take up all memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import gevent
import greenlet

from ..syntax.answers import Closed


class Unsent:
    """limit: octets. If more would wait, the connection that has been stalled for the longest time is closed."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._total = 0
        self._waiting: dict[greenlet.greenlet, int] = {}  # in the order in which they stalled

    @contextmanager
    def waits(self, size: int) -> Iterator[None]:
        """Count so many octets as waiting while the context lasts. Raises Closed, in the connection that is closed."""
        waiter = gevent.getcurrent()
        self._waiting[waiter] = size
        self._total += size
        try:
            while self._total > self.limit and len(self._waiting) > 1:
                slowest = next(iter(self._waiting))
                self._total -= self._waiting.pop(slowest)
                gevent.kill(slowest, Closed)
            yield
        finally:
            self._total -= self._waiting.pop(waiter, 0)
