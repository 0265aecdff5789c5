"""A circuit breaker: a service that fails repeatedly gets no requests for a while, and then a single one as a probe."""

from __future__ import annotations

import random

from chatgate_push.options import PushOptions


class Breaker:
    """Closed: all requests may go. Open: none may until the pause is over; then a single one may, the probe."""

    def __init__(self, options: PushOptions) -> None:
        self._options = options
        self._failures = 0  # in a row, while closed
        self._pause = 0.0
        self._until = 0.0
        self._probing = False
        self.open = False

    def seconds(self, now: float) -> float | None:
        """Seconds until a request may go; 0: now. None: not before the running probe is answered."""
        if not self.open:
            return 0.0
        return None if self._probing else max(0.0, self._until - now)

    def begin(self) -> bool:
        """Call it when a request begins. Returns whether it is the probe."""
        self._probing = self.open
        return self._probing

    def succeeded(self) -> bool:
        """The service works. Returns whether the breaker was open until now."""
        was_open, self.open, self._probing = self.open, False, False
        self._failures, self._pause = 0, 0.0
        return was_open

    def failed(self, now: float, probe: bool) -> float | None:
        """A request failed. Returns the seconds of the pause that this begins, if it does."""
        if self.open and not probe:
            return None  # the request began before the pause, so its failure tells nothing new
        self._failures += 1
        if not self.open and self._failures < self._options.failures_in_a_row:
            return None
        self._pause = min(self._pause * 2 or self._options.pause_seconds, self._options.max_pause_seconds)
        pause = self._pause * random.uniform(0.8, 1.2)
        self.open, self._probing, self._until = True, False, now + pause
        return pause
