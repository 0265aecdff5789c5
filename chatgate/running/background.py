"""A service that does work without listening."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import gevent

from chatgate import faults
from chatgate.trouble import Episode

log = logging.getLogger("chatgate.background")


class Background:
    """Runs `run`, which should never return, in one greenlet from start to stop. If it ends all the same, by an
    exception or by returning, that is logged, and it is started again after a wait, which grows from `shortest` to
    `longest` seconds until a run lasts for `longest` seconds. At stop it is killed wherever it waits
    (gevent.GreenletExit). If it must not be cut off, give an `end`, which tells `run` to return: then it is killed only
    if it has not returned in time. failing: that it ended by itself lately.
    """

    listening: list[str] = []
    shortest, longest = 1.0, 300.0

    def __init__(self, name: str, run: Callable[[], object], end: Callable[[], object] | None = None) -> None:
        self.name, self._run, self._end = name, run, end
        self._greenlet: gevent.Greenlet | None = None
        self.failing = Episode(3 * self.longest)

    def bind(self) -> None:
        """Does nothing, as there is no port or folder to acquire."""

    def start(self) -> None:
        """Begin to run, in a greenlet of its own, and return at once."""
        self._greenlet = gevent.spawn(self._keep_running)

    def stop(self, seconds: float) -> None:
        """End `run`. Returns when it has ended, or after this many seconds."""
        if self._greenlet is None:
            return
        if self._end is not None:
            self._end()
            self._greenlet.join(seconds)
        self._greenlet.kill(timeout=seconds)

    def _keep_running(self) -> None:
        wait = self.shortest
        while True:
            begun = time.monotonic()
            error, at = "none", "?"
            try:
                self._run()
                if self._end is not None:
                    return
            except BaseException as caught:
                if isinstance(caught, gevent.GreenletExit) and faults.thrown_in(caught):
                    raise
                error, at = type(caught).__name__, faults.where(caught)
            if time.monotonic() - begun >= self.longest:
                wait = self.shortest
            self.failing.happened()
            log.error("service ended service=%s error=%s at=%s again_in=%.0fs", self.name, error, at, wait)
            gevent.sleep(wait)
            wait = min(wait * 2, self.longest)
