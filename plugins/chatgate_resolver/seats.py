"""How many questions may be under way at the same time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import gevent.lock

_PART = 10  # of all seats one zone may have this part


class Seats:
    """most: in all. Names of one zone, by their last two labels, get a part of it: strangers name zones, in mail that
    they send and in addresses that they write to, and nameservers of their own may be silent for all names.
    """

    def __init__(self, most: int) -> None:
        self._all = gevent.lock.BoundedSemaphore(most)
        self._part = max(1, most // _PART)
        self._zones: dict[str, tuple[gevent.lock.BoundedSemaphore, list[None]]] = {}

    @contextlib.contextmanager
    def seat(self, name: str, seconds: float) -> Iterator[bool]:
        """Is there one within this time?"""
        until = time.monotonic() + seconds
        zone = ".".join(name.rsplit(".", 2)[-2:])
        seats, users = self._zones.setdefault(zone, (gevent.lock.BoundedSemaphore(self._part), []))
        users.append(None)
        try:
            if not seats.acquire(timeout=seconds):
                yield False
                return
            try:
                if not self._all.acquire(timeout=max(0.0, until - time.monotonic())):
                    yield False
                    return
                try:
                    yield True
                finally:
                    self._all.release()
            finally:
                seats.release()
        finally:
            users.pop()
            if not users:
                del self._zones[zone]
