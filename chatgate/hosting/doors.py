"""The doors of the hub: one for each hook, typed like its specification, so that questions and answers are checked by
mypy and, as plugins come from everywhere, again at run time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar

from chatgate import faults
from chatgate.hosting import hookspecs
from chatgate.hosting.asking import Answerer, Hook, Question, WrongAnswer
from chatgate.hosting.registry import PluginError, Registry
from chatgate.limits import Limit
from chatgate.reply import UNAVAILABLE, Reply
from chatgate.store.records import StoreError

log = logging.getLogger("chatgate.hub")

P = ParamSpec("P")
T = TypeVar("T")


class Said(NamedTuple, Generic[T]):
    """What one plugin said to `each`. failure: one line for the operator, if it failed."""

    plugin: str
    answer: T | None
    failure: Exception | None


@dataclass(frozen=True, slots=True)
class Limits:
    """How long plugins may take: for a decision, for each observer, and for hooks that take the time they need."""

    decision: Limit
    observer: Limit
    unhurried: Limit


class Door(Generic[P, T]):
    """The base of all doors. spec: the hook's specification; the plugins are those of the registry."""

    def __init__(self, registry: Registry, limits: Limits, spec: Callable[P, Any]) -> None:
        self._registry, self._hooks, self._limits = registry, registry.hooks, limits
        self._name = spec.__name__.removeprefix("chatgate_")
        code = spec.__code__
        self._names = code.co_varnames[: code.co_argcount]

    def each(self, seconds: float | None, *args: P.args, **facts: P.kwargs) -> list[Said[T]]:
        """Ask every plugin at start or from a command, each by itself. seconds: how long each may take."""
        hook, limit, named, said = self._hooks[self._name], Limit(seconds), self._facts(args, facts), []
        for one in hook.answerers:
            answer, error = self._put(hook, one, limit, named)
            said.append(Said[T](one.plugin, answer, None if error is None else self._failure(one.plugin, error)))
        return said

    def _facts(self, args: tuple[Any, ...], facts: dict[str, Any]) -> dict[str, Any]:
        """The facts by name, as each plugin takes only those it wants."""
        if args:
            facts.update(zip(self._names, args, strict=False))
        return facts

    def _ask(self, facts: dict[str, Any]) -> Any:
        """Fails closed: `UNAVAILABLE` when a plugin failed, took too long or gave an answer of the wrong type."""
        hook = self._hooks[self._name]
        if not (hook.answerers or hook.wrappers):  # most hooks are asked although no plugin answers
            return None if hook.first else []
        question = Question(hook, facts)
        limit = self._limits.decision
        clock = limit.start()
        try:
            answer = question.answer()
        except BaseException as error:
            if not clock.threw(error) and faults.thrown_in(error):
                raise
            self._failed(question.plugin, error)
            answer = UNAVAILABLE
        finally:
            limit.stop(clock)
        if isinstance(answer, Reply) and not answer.accepts:
            self._registry.refused(self._name, question.plugin, answer)
        return answer

    def _call(self, facts: dict[str, Any]) -> Any:
        """Failures are raised, to reach the operator. There is no time limit."""
        question = Question(self._hooks[self._name], facts)
        try:
            return question.answer()
        except BaseException as error:
            if faults.thrown_in(error):
                raise
            raise self._failure(question.plugin, error) from error

    def _put(self, hook: Hook, one: Answerer, limit: Limit, facts: dict[str, Any]) -> tuple[Any, BaseException | None]:
        """One plugin's answer, or its error."""
        clock = limit.start()
        try:
            answer = one.put(facts)
            if hook.fits is None:
                return None, None
            if answer is not None:
                hook.check(answer)
            return answer, None
        except BaseException as error:
            if not clock.threw(error) and faults.thrown_in(error):
                raise
            return None, error
        finally:
            limit.stop(clock)

    def _given(self, limit: Limit, facts: dict[str, Any]) -> list[Any]:
        """The answers that are not None; a plugin that fails is logged and the next is asked."""
        hook, given = self._hooks[self._name], []
        for one in hook.answerers:
            answer, error = self._put(hook, one, limit, facts)
            if error is not None:
                self._failed(one.plugin, error)
            elif answer is not None:
                given.append(answer)
        return given

    def _failed(self, plugin: str, error: BaseException) -> None:
        """Log which plugin failed and where, but not the exception's text, which may hold what clients sent."""
        tally = self._registry.tally(plugin, self._name)
        tally.failures += 1
        tally.failing.happened()
        if isinstance(error, WrongAnswer):
            log.error("hook failed hook=%s plugin=%s error=WrongAnswer answer=%s", self._name, plugin, error.kind)
        else:
            kind, at = type(error).__name__, faults.where(error)
            log.error("hook failed hook=%s plugin=%s error=%s at=%s", self._name, plugin, kind, at)

    def _failure(self, plugin: str, error: BaseException) -> Exception:
        """The error to raise; one that is meant for the operator is kept as it is."""
        if isinstance(error, PluginError | StoreError):
            return error
        if isinstance(error, WrongAnswer):
            return PluginError(f"plugin {plugin}: {self._name}: the answer is not what the hook takes: {error.kind}")
        return PluginError(f"plugin {plugin}: {self._name}: {faults.told(error)}")


class Decision(Door[P, T]):
    """A question that one plugin answers, or that any may veto. None: no plugin had an answer."""

    def __call__(self, *args: P.args, **facts: P.kwargs) -> T | Reply:
        """A crashed decision refuses: `UNAVAILABLE` when a plugin failed, took longer than `hook_seconds` or gave an
        answer of the wrong type.
        """
        answer: T | Reply = self._ask(self._facts(args, facts))
        return answer

    def or_raise(self, *args: P.args, **facts: P.kwargs) -> T:
        """At start or from a command, where a failure must reach the operator: PluginError (or StoreError) names the
        plugin that failed. There is no time limit.
        """
        answer: T = self._call(self._facts(args, facts))
        return answer


class Collection(Door[P, T]):
    """A question that every plugin may add to."""

    def __init__(self, registry: Registry, limits: Limits, spec: Callable[P, Any]) -> None:
        super().__init__(registry, limits, spec)
        self._limit = limits.unhurried if spec.__name__ in hookspecs.UNHURRIED else limits.decision

    def __call__(self, *args: P.args, **facts: P.kwargs) -> list[T]:
        """What the plugins add. Each has `hook_seconds` to itself; one that fails is logged and adds nothing."""
        return self._given(self._limit, self._facts(args, facts))

    def all(self, *args: P.args, **facts: P.kwargs) -> list[T] | Reply:
        """Where a missing answer would be unsafe: `UNAVAILABLE` when one of them fails."""
        answers: list[T] | Reply = self._ask(self._facts(args, facts))
        return answers

    def or_raise(self, *args: P.args, **facts: P.kwargs) -> list[T]:
        """As `Decision.or_raise`."""
        answers: list[T] = self._call(self._facts(args, facts))
        return answers


class Observers(Door[P, None]):
    """The door of a hook that tells plugins what happened."""

    def __call__(self, *args: P.args, **facts: P.kwargs) -> None:
        """Each has `observer_seconds` to itself; one that fails is logged and the next is told."""
        self._given(self._limits.observer, self._facts(args, facts))

    def or_raise(self, *args: P.args, **facts: P.kwargs) -> None:
        """As `Decision.or_raise`."""
        self._call(self._facts(args, facts))
