"""How much unfinished mail there may be."""

from __future__ import annotations


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
