"""One question to the plugins: who is asked in which order, what counts as an answer, whose turn it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple

from chatgate.hosting.answers import Test
from chatgate.trouble import Episode


class Tally:
    """How much one hook of one plugin cost in this process. calls: how often it was asked or told. seconds: the total
    time that took, waiting included. failures: how often it failed; failing: lately.
    """

    __slots__ = ("calls", "seconds", "failures", "failing")

    def __init__(self) -> None:
        self.calls, self.seconds, self.failures = 0, 0.0, 0
        self.failing = Episode()


class Answerer(NamedTuple):
    """A hook of one plugin. names: the facts it wants."""

    plugin: str
    function: Callable[..., Any]
    names: tuple[str, ...]
    tally: Tally

    def put(self, facts: dict[str, Any]) -> Any:
        self.tally.calls += 1
        began = perf_counter()
        try:
            return self.function(*map(facts.__getitem__, self.names))
        finally:
            self.tally.seconds += perf_counter() - began


@dataclass(frozen=True, slots=True)
class Hook:
    """One hook as it is asked. answerers, wrappers: in the order of asking. fits: tests answers; None for an observer.
    first: the first answer decides. veto: only a refusing Reply does. complete: a further test of answers that fit.
    """

    answerers: tuple[Answerer, ...]
    wrappers: tuple[Answerer, ...]
    fits: Test | None
    first: bool
    veto: bool
    complete: Test | None

    def check(self, answer: Any) -> None:
        """Raises WrongAnswer. answer: not None."""
        if self.fits is None or not self.fits(answer) or (self.complete and not self.complete(answer)):
            raise WrongAnswer(type(answer).__name__)


class WrongAnswer(Exception):
    """The hook does not take this answer. kind: the name of its type; not the answer, which may hold anything."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Question:
    """One question on its way through the plugins. plugin: whose turn it is, and so who is to blame for an error."""

    __slots__ = ("_facts", "_hook", "plugin")

    def __init__(self, hook: Hook, facts: dict[str, Any]) -> None:
        self._hook, self._facts = hook, facts
        self.plugin = ""

    def answer(self) -> Any:
        """Raises whatever the plugins raise, and WrongAnswer."""
        return self._around(0) if self._hook.wrappers else self._answers()

    def _answers(self) -> Any:
        hook, facts = self._hook, self._facts
        given = []
        for one in hook.answerers:
            self.plugin = one.plugin
            answer = one.put(facts)
            if answer is None:
                continue
            hook.check(answer)
            if hook.first and not (hook.veto and answer.accepts):
                return answer
            given.append(answer)
        if hook.first:
            return given[0] if given else None
        return given

    def _around(self, n: int) -> Any:
        """The answer, as the wrappers from the nth on return it (`@hookimpl(wrapper=True)`, as in pluggy). An exception
        is thrown into them and goes on whatever they do: no wrapper can turn another plugin's failure into an answer.
        """
        if n == len(self._hook.wrappers):
            return self._answers()
        wrapper = self._hook.wrappers[n]
        self.plugin = wrapper.plugin
        generator = wrapper.put(self._facts)
        for _ in generator:
            break
        else:
            raise RuntimeError("a wrapper did not yield")
        try:
            answer = self._around(n + 1)
        except BaseException as error:
            try:
                generator.throw(error)
            except StopIteration:
                pass
            raise
        self.plugin = wrapper.plugin
        try:
            generator.send(answer)
        except StopIteration as end:
            if end.value is not None:
                self._hook.check(end.value)
            return end.value
        raise RuntimeError("a wrapper yielded twice")
