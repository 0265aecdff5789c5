"""A service that listens nowhere."""

from __future__ import annotations

from collections.abc import Callable

import gevent


class Background:
    """One greenlet from start to stop: `run`, which goes on for ever and keeps to itself what goes wrong. At stop it
    is killed wherever it waits (gevent.GreenletExit).
    """

    listening: list[str] = []

    def __init__(self, name: str, run: Callable[[], object]) -> None:
        self.name, self._run = name, run
        self._greenlet: gevent.Greenlet | None = None

    def bind(self) -> None:
        pass

    def start(self) -> None:
        self._greenlet = gevent.spawn(self._run)

    def stop(self, seconds: float) -> None:
        if self._greenlet is not None:
            self._greenlet.kill(timeout=seconds)
