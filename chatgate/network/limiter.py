"""How often something may happen in a while: to each client, neighbourhood or account, and to all of them together."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable


class Limiter:
    """Counts in windows of so many seconds, one after the other; with a window all that was counted in it is forgotten.
    It is in memory, and what is kept of clients are the keys that it is given: take `Session.client` or
    `Session.network`, which are hidden already.

    most: for each key, of one window; None: any number. most_in_all: for all keys together. The key "", this machine,
    counts only among all. keys: how many are kept; the one that was first counted longest ago makes room.
    """

    def __init__(
        self,
        most: int | None,
        seconds: float,
        most_in_all: int | None = None,
        *,
        keys: int = 100_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._seconds, self._most_in_all = most, seconds, most_in_all
        self._keys, self._clock = keys, clock
        self._window, self._all = -1, 0
        self._counts: OrderedDict[str, int] = OrderedDict()

    def take(self, key: str) -> int | None:
        """Count one, if there may be one more; None: there may not, and nothing is counted. The answer is for
        `give_back`.
        """
        window = self._now()
        if self._full(key, 1):
            return None
        self._count(key)
        return window

    def add(self, key: str) -> int:
        """Count one in any case, see `over`. The answer is for `give_back`."""
        window = self._now()
        self._count(key)
        return window

    def over(self, key: str) -> bool:
        """Were more added for this key, or for all, than may be? "": for all."""
        self._now()
        return self._full(key, 0)

    def give_back(self, key: str, window: int) -> None:
        """It was none. What was counted in a window that is over means nothing any more."""
        if window != self._now():
            return
        self._all -= 1
        if (count := self._counts.get(key, 0)) > 1:
            self._counts[key] = count - 1
        else:
            self._counts.pop(key, None)

    def __len__(self) -> int:
        """How many keys are kept."""
        return len(self._counts)

    def _now(self) -> int:
        window = int(self._clock() // self._seconds)
        if window != self._window:
            self._window, self._all = window, 0
            self._counts.clear()
        return window

    def _full(self, key: str, more: int) -> bool:
        if self._most_in_all is not None and self._all + more > self._most_in_all:
            return True
        return bool(key) and self._most is not None and self._counts.get(key, 0) + more > self._most

    def _count(self, key: str) -> None:
        self._all += 1
        if key and self._most is not None:
            self._counts[key] = self._counts.get(key, 0) + 1
            if len(self._counts) > self._keys:
                self._counts.popitem(last=False)
