"""When a message that was not taken is tried again."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence


class Schedule:
    """seconds: until the next try after the first, the second, … failed one. chance: from 0 to 1, at random."""

    def __init__(self, seconds: Sequence[float], chance: Callable[[], float] = random.random) -> None:
        self._seconds, self._chance = tuple(seconds), chance

    def wait(self, attempts: int) -> float:
        """Seconds until the next try, a fifth more or less: what failed together does not come back together."""
        step = self._seconds[min(max(attempts, 1), len(self._seconds)) - 1]
        return step * (0.8 + 0.4 * self._chance())
