"""The service that tests the TURN server regularly."""

from __future__ import annotations

import logging
from collections.abc import Callable

import gevent

from chatgate.api import Background
from chatgate_turn.probe import ProbeError

log = logging.getLogger("chatgate.turn")


class SelfTest(Background):
    """Runs in the background, so that a TURN server that hangs delays nobody. test: raises ProbeError. seconds: the
    pause between two tests. `passed`: the result of the last one.
    """

    def __init__(self, test: Callable[[], object], seconds: float) -> None:
        super().__init__("turn", self._work)
        self._test, self._seconds = test, seconds
        self._problem: str | None = None
        self.passed = False

    def stop(self, seconds: float) -> None:
        super().stop(seconds)
        self.passed = False

    def _work(self) -> None:
        while True:
            self._note(self._result())
            gevent.sleep(self._seconds)

    def _result(self) -> str:
        """What is wrong, or ""."""
        try:
            self._test()
        except ProbeError as error:
            return str(error)
        except Exception as error:  # a bug of ours; the tests must go on while credentials are given out
            return f"the test itself failed with {type(error).__name__}"
        return ""

    def _note(self, problem: str) -> None:
        if problem != self._problem:  # each state is logged once, not every minute
            if problem:
                log.warning("self-test failed, calls are not offered: %s", problem)
            else:
                log.info("self-test passed, calls are offered")
        self._problem, self.passed = problem, not problem
