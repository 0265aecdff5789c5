"""Time limits of a fixed length, for code of plugins and for steps that clients have to complete."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import gevent

T = TypeVar("T")


class Timeout(gevent.Timeout):
    """Raised when the time of a `Clock` is over."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock


class Clock:
    """One limit on one greenlet. The Timeout is thrown again each time the limit has passed, so that code which catches
    everything and goes on does not escape it.
    """

    __slots__ = ("timer", "seconds")

    def __init__(self, timer: Any, seconds: float | None = None) -> None:
        self.timer, self.seconds = timer, seconds

    def threw(self, error: BaseException) -> bool:
        return isinstance(error, Timeout) and error.clock is self

    def _over(self, greenlet: Any) -> None:
        greenlet.throw(Timeout(self))


class Limit:
    """seconds: None for no limit. Clocks are reused, as making a timer costs more than the rest of a call."""

    def __init__(self, seconds: float | None) -> None:
        self._loop = gevent.get_hub().loop
        self.set(seconds)

    def set(self, seconds: float | None) -> None:
        """From now on this long; clocks that run go on as they began."""
        self._seconds = None if seconds is None else max(seconds, 0.001)
        self._spare: list[Clock] = []

    def start(self) -> Clock:
        """Start a clock for this greenlet; the caller must end it by `stop`, whatever happens."""
        if self._seconds is None:
            return _ENDLESS
        loop = gevent.get_hub().loop
        # A timer belongs to the loop of one thread.
        clock = (
            self._spare.pop()
            if self._spare and loop is self._loop
            else Clock(loop.timer(0.0, self._seconds), self._seconds)
        )
        # Not start(), which would continue with the time that was left when the timer was stopped.
        clock.timer.again(clock._over, gevent.getcurrent(), update=True)
        return clock

    def stop(self, clock: Clock) -> None:
        if clock is _ENDLESS:
            return
        clock.timer.stop()
        if clock.seconds == self._seconds and clock.timer.loop is self._loop:
            self._spare.append(clock)
        else:
            clock.timer.close()

    def run(self, work: Callable[..., T], *args: Any) -> T:
        """`work(*args)`. Raises TimeoutError when it has not returned in time."""
        clock = self.start()
        try:
            return work(*args)
        except Timeout as error:
            if not clock.threw(error):
                raise
            raise TimeoutError from None
        finally:
            self.stop(clock)


_ENDLESS = Clock(None)
