"""A service that listens nowhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import gevent

from chatgate import faults

log = logging.getLogger("chatgate.background")


class Background:
    """One greenlet from start to stop: `run`, which goes on for ever. When it ends all the same, whether it raises or
    returns, that is logged, and it is begun anew, after waits that grow from `shortest` to `longest` seconds while it
    does not last that long itself. At stop it is killed wherever it waits (gevent.GreenletExit). One that must not be
    cut off has an `end`, which tells `run` to return: then it may, and is killed only if it has not done so in time.
    """

    listening: list[str] = []
    shortest, longest = 1.0, 300.0

    def __init__(self, name: str, run: Callable[[], object], end: Callable[[], object] | None = None) -> None:
        self.name, self._run, self._end = name, run, end
        self._greenlet: gevent.Greenlet | None = None

    def bind(self) -> None:
        """Nothing: it takes no port and no folder."""

    def start(self) -> None:
        """Begin to run, in a greenlet of its own, and return at once."""
        self._greenlet = gevent.spawn(self._keep_running)

    def stop(self, seconds: float) -> None:
        """Returns when `run` has ended, or after so many seconds."""
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
            log.error("service ended service=%s error=%s at=%s again_in=%.0fs", self.name, error, at, wait)
            gevent.sleep(wait)
            wait = min(wait * 2, self.longest)
