"""The service that tests the TURN server again and again."""

from __future__ import annotations

import logging
from collections.abc import Callable

import gevent

from chatgate_turn.probe import ProbeError

log = logging.getLogger("chatgate.turn")


class SelfTest:
    """A background greenlet, so that a TURN server that hangs delays nobody. test: raises ProbeError. seconds: pause
    between two tests. `passed`: how the last one ended.
    """

    name = "turn"

    def __init__(self, test: Callable[[], object], seconds: float) -> None:
        self._test, self._seconds = test, seconds
        self._greenlet: gevent.Greenlet | None = None
        self._problem: str | None = None
        self.passed = False

    @property
    def listening(self) -> list[str]:
        return []

    def bind(self) -> None:
        pass

    def start(self) -> None:
        self._greenlet = gevent.spawn(self._run)

    def stop(self, seconds: float) -> None:
        if self._greenlet:
            self._greenlet.kill(timeout=seconds)
        self.passed = False

    def _run(self) -> None:
        while True:
            self._note(self._result())
            gevent.sleep(self._seconds)

    def _result(self) -> str:
        """What is wrong, or ""."""
        try:
            self._test()
        except ProbeError as error:
            return str(error)
        except Exception as error:  # of ours; it must not end the tests while credentials are given out
            return f"the test itself failed with {type(error).__name__}"
        return ""

    def _note(self, problem: str) -> None:
        if problem != self._problem:  # each state is logged once, not every minute
            if problem:
                log.warning("self-test failed, calls are not offered: %s", problem)
            else:
                log.info("self-test passed, calls are offered")
        self._problem, self.passed = problem, not problem
