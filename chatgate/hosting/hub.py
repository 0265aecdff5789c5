"""The hub: plugins are registered here in the operator's order, and asked and told here, never elsewhere."""

from __future__ import annotations

import collections
import contextlib
import inspect
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import pluggy

from chatgate import faults
from chatgate.hosting import answers, hookspecs
from chatgate.hosting.asking import Answerer, Hook, Question, WrongAnswer
from chatgate.limits import Limit
from chatgate.reply import UNAVAILABLE
from chatgate.store.records import StoreError

log = logging.getLogger("chatgate.hub")


class PluginError(Exception):
    """A plugin cannot be used; str() is one line for the operator."""


class _Manager(pluggy.PluginManager):
    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        opts = super().parse_hookimpl_opts(plugin, name)
        if opts is None:
            return None
        method = getattr(plugin, name)
        if opts["hookwrapper"]:
            raise PluginError(f"{name} is a hookwrapper of the old kind; write @hookimpl(wrapper=True)")
        if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
            # pluggy would take the never-awaited coroutine for an answer, and a truthy one.
            raise PluginError(f"{name} is an async function; hooks are plain functions that may block their greenlet")
        if inspect.isgeneratorfunction(method) and not opts["wrapper"]:
            raise PluginError(f"{name} is a generator function, which runs only when somebody reads from it")
        return opts


class Said(NamedTuple):
    """What one plugin said to `Hub.survey`. failure: one line when it has no answer but an error."""

    plugin: str
    answer: Any
    failure: Exception | None


class Hub:
    """The plugins of one gateway. seconds: how long a decision may take before it counts as failed. observer_seconds:
    the same for each plugin that is told something.

    failures: how often each (plugin, hook) failed in this process.
    """

    def __init__(self, seconds: float = 60, observer_seconds: float = 5) -> None:
        self.failures: collections.Counter[tuple[str, str]] = collections.Counter()
        self._decision, self._observer, self._unhurried = Limit(seconds), Limit(observer_seconds), Limit(None)
        self._manager = _Manager("chatgate")
        self._manager.add_hookspecs(hookspecs)
        self._hooks: dict[str, Hook] = {}

    # ------------------------------------------------------------------------------------------ the plugins

    def load(
        self, plugins: Iterable[tuple[str, Any]], refused: Callable[[str, PluginError], object] | None = None
    ) -> None:
        """Register (name, plugin object) pairs given in asking order. A plugin's attribute `hookspecs` may be a module
        with further hook specifications. Raises PluginError that names the plugin and what is wrong, or tells
        `refused` and goes on without it.
        """
        named = []
        for name, plugin in plugins:
            with _named(name, refused):
                if specs := getattr(plugin, "hookspecs", None):
                    self._manager.add_hookspecs(specs)
                named.append((name, plugin))
        # pluggy asks the plugin registered last first.
        for name, plugin in reversed(named):
            with _named(name, refused):
                try:
                    self._manager.register(plugin, name)
                    self._manager.check_pending()
                    self._check_wrappers(plugin)
                except BaseException:
                    self.remove(plugin)
                    raise
        self._hooks.clear()

    def _check_wrappers(self, plugin: Any) -> None:
        """They stand around decisions only: elsewhere each plugin has its answer, its try and its time to itself, and
        one around a veto could turn the gate's refusal into a yes.
        """
        for caller in self._manager.get_hookcallers(plugin) or ():
            spec = caller.spec
            if spec and spec.opts["firstresult"] and caller.name not in hookspecs.UNWRAPPED:
                continue
            if any(impl.wrapper for impl in caller.get_hookimpls() if impl.plugin is plugin):
                raise PluginError(f"{caller.name} takes no wrappers")

    def remove(self, plugin: Any) -> None:
        """Ask this plugin object no more."""
        if self._manager.is_registered(plugin):
            self._manager.unregister(plugin)
        self._hooks.clear()

    def has(self, name: str) -> bool:
        """Is a plugin of this name registered?"""
        return self._manager.has_plugin(name)

    def implements(self, hook: str) -> bool:
        """Does any plugin answer this hook?"""
        return bool(self._hook(hook).answerers)

    def implementations(self) -> Iterator[tuple[str, str, Callable[..., Any]]]:
        """(plugin, hook, function) of everything that is asked or told."""
        for name, plugin in self._manager.list_name_plugin():
            for caller in self._manager.get_hookcallers(plugin) or ():
                for impl in caller.get_hookimpls():
                    if impl.plugin is plugin:
                        yield name, caller.name.removeprefix("chatgate_"), impl.function

    def plugin(self, name: str) -> Any:
        """The plugin object of this name, or None."""
        return self._manager.get_plugin(name)

    @property
    def guarded(self) -> bool:
        """Does a plugin that calls itself a gate filter what passes?"""
        return any(getattr(self.plugin(one.plugin), "gate", False) for one in self._hook("filter").answerers)

    def _hook(self, hook: str) -> Hook:
        """Put together at first use, for plugins and their number of hooks are known then."""
        found = self._hooks.get(hook)
        if found is None:
            name = "chatgate_" + hook
            caller = getattr(self._manager.hook, name)
            plain: list[Answerer] = []
            wrappers: list[Answerer] = []
            for impl in reversed(caller.get_hookimpls()):
                kind = wrappers if impl.wrapper else plain
                kind.append(Answerer(impl.plugin_name, impl.function, impl.argnames))
            fits = answers.fits(caller.spec.function) if caller.spec else _anything
            first = bool(caller.spec and caller.spec.opts["firstresult"])
            complete = hookspecs.COMPLETE.get(name)
            found = Hook(tuple(plain), tuple(wrappers), fits, first, name in hookspecs.VETOES, complete)
            self._hooks[hook] = found
        return found

    # ------------------------------------------------------------------------------------------ asking and telling

    def ask(self, hook: str, **facts: Any) -> Any:
        """Put a decision to the plugins; `hook` without its prefix. Returns the answer (None: nobody had one; a list
        for collections), or `UNAVAILABLE` when a plugin failed, took too long or gave an answer of the wrong type: a
        crashed decision refuses.
        """
        question = Question(self._hook(hook), facts)
        clock = self._decision.start()
        try:
            return question.answer()
        except BaseException as error:
            if not clock.threw(error) and faults.thrown_in(error):
                raise
            self._failed(question.plugin, hook, error)
            return UNAVAILABLE
        finally:
            self._decision.stop(clock)

    def notify(self, hook: str, **facts: Any) -> list[Any]:
        """Tell every plugin, each with a time limit of its own; one that fails is logged and the next is told. Returns
        the answers that are not None; observers have none.
        """
        limit = self._observer if self._hook(hook).fits is None else self._decision
        if "chatgate_" + hook in hookspecs.UNHURRIED:
            limit = self._unhurried
        given = []
        for plugin, answer, error in self._each(hook, limit, facts):
            if error is not None:
                self._failed(plugin, hook, error)
            elif answer is not None:
                given.append(answer)
        return given

    def survey(self, hook: str, seconds: float | None, **facts: Any) -> list[Said]:
        """Ask every plugin at start or from a command, each by itself. seconds: how long each may take."""
        said = []
        for plugin, answer, error in self._each(hook, Limit(seconds), facts):
            said.append(Said(plugin, answer, None if error is None else _failure(plugin, hook, error)))
        return said

    def call(self, hook: str, **facts: Any) -> Any:
        """As `ask`, at start or from a command, where a failure must reach the operator: PluginError (or StoreError)
        names the plugin that failed. It may take any time. Returns the answer, or a list of them.
        """
        question = Question(self._hook(hook), facts)
        try:
            return question.answer()
        except BaseException as error:
            if faults.thrown_in(error):
                raise
            raise _failure(question.plugin, hook, error) from error

    def _each(self, hook: str, limit: Limit, facts: dict[str, Any]) -> Iterator[tuple[str, Any, BaseException | None]]:
        """(plugin, answer, error) of each, as they are asked."""
        found = self._hook(hook)
        for one in found.answerers:
            clock, answer, failed = limit.start(), None, None
            try:
                answer = one.put(facts)
                if found.fits is None:
                    answer = None
                elif answer is not None:
                    found.check(answer, facts)
            except BaseException as error:
                if not clock.threw(error) and faults.thrown_in(error):
                    raise
                answer, failed = None, error
            finally:
                limit.stop(clock)
            yield one.plugin, answer, failed

    def _failed(self, plugin: str, hook: str, error: BaseException) -> None:
        """Log which plugin failed and where. Not the exception's text: it may hold what clients sent."""
        self.failures[plugin, hook] += 1
        if isinstance(error, WrongAnswer):
            log.error("hook failed hook=%s plugin=%s error=WrongAnswer answer=%s", hook, plugin, error.kind)
        else:
            kind, at = type(error).__name__, faults.where(error)
            log.error("hook failed hook=%s plugin=%s error=%s at=%s", hook, plugin, kind, at)


@contextlib.contextmanager
def _named(plugin: str, refused: Callable[[str, PluginError], object] | None) -> Iterator[None]:
    """What goes wrong in here is a PluginError that names the plugin."""
    try:
        yield
    except BaseException as error:
        if faults.thrown_in(error):
            raise
        ours = isinstance(error, pluggy.PluginValidationError | PluginError | ValueError)
        text = " ".join(str(error).split()) if ours else faults.told(error)
        named = PluginError(f"plugin {plugin}: {text}")
        if refused is None:
            raise named from error
        refused(plugin, named)


def _anything(answer: Any) -> bool:
    return True


def _failure(plugin: str, hook: str, error: BaseException) -> Exception:
    """What is meant for the operator passes as it is."""
    if isinstance(error, PluginError | StoreError):
        return error
    if isinstance(error, WrongAnswer):
        return PluginError(f"plugin {plugin}: {hook}: the answer is not what the hook takes: {error.kind}")
    return PluginError(f"plugin {plugin}: {hook}: {faults.told(error)}")
