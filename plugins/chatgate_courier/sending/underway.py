"""The tries that are under way: what they hold in memory, and that a slow one gives way when there is no place left."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import gevent.event

_PATIENCE = 60.0  # seconds that the first try of a message has in any case, the second twice as many, and so on
_LOOKS = 1.0  # seconds between two looks for slow ones


class GaveWay(BaseException):
    """Thrown into a try where it waits for the other server; nothing that handles errors of that server catches it."""


class _Try:
    __slots__ = ("greenlet", "until", "leaves")

    def __init__(self, greenlet: Any, until: float) -> None:
        self.greenlet, self.until, self.leaves = greenlet, until, False


class Underway:
    """most: octets of the messages in memory; a larger message comes alone. clock: seconds without jumps.

    Other servers may be as slow as they like, and anybody can have some of their own and an account here. So while
    there is place for all, each try may take its time; when others wait, those end that have had enough of it, and are
    put off. A server that is slow and honest gets there, as each try has longer than the one before.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._used, self._next_look = 0, float("-inf")
        self._freed = gevent.event.Event()
        self._tries: dict[_Try, None] = {}  # those that began first come first

    @contextlib.contextmanager
    def place(self, octets: int, attempts: int) -> Iterator[None]:
        """For one try, which waits until there is one. Raises GaveWay, also within the context."""
        while self._used and self._used + octets > self._most:
            self._freed.clear()
            self.give_way(1)
            self._freed.wait(_LOOKS)
        one = _Try(gevent.getcurrent(), self._clock() + _PATIENCE * max(1, attempts))
        self._tries[one] = None
        self._used += octets
        try:
            yield
        finally:
            del self._tries[one]
            self._used -= octets
            self._freed.set()

    def give_way(self, count: int) -> None:
        """Others wait for a place: break off so many tries that had their time, if there are any."""
        now = self._clock()
        if now < self._next_look:
            return
        for one in self._tries:
            if not count:
                return
            if one.until <= now and not one.leaves:
                one.leaves = True
                count -= 1
                gevent.get_hub().loop.run_callback(self._break_off, one)
        self._next_look = now + _LOOKS

    def _break_off(self, one: _Try) -> None:
        if one in self._tries:  # it has not ended by itself
            one.greenlet.throw(GaveWay)
