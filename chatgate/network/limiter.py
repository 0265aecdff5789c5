"""Rate limits: how often something may happen for each client, neighbourhood or account, and for all together."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable


class Limiter:
    """Counts events in windows of this many seconds, one after the other; when a window ends, its counts are forgotten.
    It keeps in memory only the keys that it is given: for clients use `Session.client` or `Session.network`, which are
    hashes.

    most: for each key in one window; None: any number. most_in_all: for all keys together. The key "", which is this
    machine, counts only towards all. keys: how many are kept; the one whose first count is the oldest makes room.
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

    def limit(self, most: int | None, most_in_all: int | None = None) -> None:
        """The same as for construction, from now on. What was counted counts; keys only since they had a limit."""
        self._most, self._most_in_all = most, most_in_all

    def take(self, key: str) -> int | None:
        """Count one event, if one more is allowed; None: it is not, and nothing is counted. The result is the argument
        for `give_back`.
        """
        window = self._now()
        if self._full(key, 1):
            return None
        self._count(key)
        return window

    def add(self, key: str) -> int:
        """Count one event in any case, see `over`. The result is the argument for `give_back`."""
        window = self._now()
        self._count(key)
        return window

    def over(self, key: str) -> bool:
        """Were more events counted for this key, or for all keys together, than are allowed? key "": for all only."""
        self._now()
        return self._full(key, 0)

    def give_back(self, key: str, window: int) -> None:
        """Take back one counted event. window: as `take` or `add` returned it; if it is over, there is nothing to take
        back.
        """
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
