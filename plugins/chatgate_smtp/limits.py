"""Two limits with a memory: how often an account may send, and how much unfinished mail there may be."""

from __future__ import annotations

import math


class Rate:
    """The generic cell rate algorithm (GCRA): `per_minute` on average, `burst` at once from rest.

    It keeps one number per sender: the time at which that sender is at rest again. One that is past says nothing and is
    thrown away, so the memory is bounded by the senders of the last burst's length.
    """

    def __init__(self, per_minute: int, burst: int) -> None:
        self._interval = 60.0 / per_minute
        self._tolerance = self._interval * (burst - 1)
        self._at_rest: dict[int, float] = {}
        self._sweep_at = 1024

    def wait(self, key: int, now: float) -> int:
        """0: go ahead, counted. Else the whole seconds to wait; a refused try is not counted."""
        at_rest = max(self._at_rest.get(key, now), now)
        early = at_rest - now - self._tolerance
        if early > 1e-9:  # rounding of floats
            return math.ceil(early)
        self._at_rest[key] = at_rest + self._interval
        if len(self._at_rest) >= self._sweep_at:
            self._at_rest = {key: time for key, time in self._at_rest.items() if time > now}
            self._sweep_at = max(1024, 2 * len(self._at_rest))
        return 0

    def forget(self, key: int) -> None:
        self._at_rest.pop(key, None)


class Budget:
    """Octets that all connections together may hold. free: what is left."""

    def __init__(self, octets: int) -> None:
        self.free = octets


class Share:
    """What one message holds of a Budget; given back at the end of the `with`."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._octets = 0

    def become(self, octets: int) -> bool:
        """Hold so much from now on. False: so much is not there, and nothing changed."""
        more = octets - self._octets
        if more > self._budget.free:
            return False
        self._budget.free -= more
        self._octets = octets
        return True

    def __enter__(self) -> Share:
        return self

    def __exit__(self, *error: object) -> None:
        self.become(0)
