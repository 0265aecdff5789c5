"""What waits for clients to take it: a budget for all, so that those who do not read cannot have the memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import gevent
import greenlet

from ..syntax.answers import Closed


class Unsent:
    """limit: octets. When more would wait, the connection that has stood still for the longest time is closed."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._total = 0
        self._waiting: dict[greenlet.greenlet, int] = {}  # in the order in which they came to stand still

    @contextmanager
    def waits(self, size: int) -> Iterator[None]:
        """So many octets wait until this is left. Raises Closed, in whichever connection has to go."""
        waiter = gevent.getcurrent()
        self._waiting[waiter] = size
        self._total += size
        try:
            while self._total > self._limit and len(self._waiting) > 1:
                slowest = next(iter(self._waiting))
                self._total -= self._waiting.pop(slowest)
                gevent.kill(slowest, Closed)
            yield
        finally:
            self._total -= self._waiting.pop(waiter, 0)
