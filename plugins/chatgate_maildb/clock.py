"""The time that is put on what comes."""

from __future__ import annotations

import time

DAY = 86400


class Clock:
    def __init__(self) -> None:
        self._not_before = 0.0

    def not_before(self, now: float) -> None:
        self._not_before = now

    def now(self) -> int:
        return int(max(time.time(), self._not_before))

    def today(self) -> int:
        return self.now() // DAY
