"""The hub: plugins are registered here in the operator's order, and asked and told here, never elsewhere."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable
from typing import Any

import gevent
import pluggy

from chatgate import hookspecs
from chatgate.reply import UNAVAILABLE

log = logging.getLogger("chatgate.hub")


class PluginError(Exception):
    """A plugin cannot be used; str() is one line for the operator."""


class _Manager(pluggy.PluginManager):
    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        opts = super().parse_hookimpl_opts(plugin, name)
        if opts is not None and inspect.iscoroutinefunction(getattr(plugin, name)):
            # pluggy would take the never-awaited coroutine for an answer, and a truthy one.
            raise PluginError(f"{name} is an async function; hooks are plain functions that may block their greenlet")
        return opts


class Hub:
    """The plugins of one gateway. seconds: how long a decision may take before it counts as failed."""

    def __init__(self, seconds: float = 60) -> None:
        self.seconds = seconds
        self._manager = _Manager("chatgate")
        self._manager.add_hookspecs(hookspecs)

    def load(self, plugins: Iterable[tuple[str, Any]]) -> None:
        """Register (name, plugin object) pairs given in asking order. A plugin's attribute `hookspecs` may be a module
        with further hook specifications. Raises PluginError that names the plugin and what is wrong.
        """
        named = list(plugins)
        for _, plugin in named:
            if specs := getattr(plugin, "hookspecs", None):
                self._manager.add_hookspecs(specs)
        # pluggy asks the plugin registered last first.
        for name, plugin in reversed(named):
            try:
                self._manager.register(plugin, name)
                self._manager.check_pending()
            except (pluggy.PluginValidationError, PluginError, ValueError) as error:
                raise PluginError(f"plugin {name}: {error}".replace("\n", " ")) from error

    def has(self, name: str) -> bool:
        """Is a plugin of this name registered?"""
        return self._manager.has_plugin(name)

    def implements(self, hook: str) -> bool:
        """Does any plugin answer this hook?"""
        return bool(getattr(self._manager.hook, "chatgate_" + hook).get_hookimpls())

    def plugin(self, name: str) -> Any:
        """The plugin object of this name, or None."""
        return self._manager.get_plugin(name)

    def call(self, hook: str, **facts: Any) -> Any:
        """Ask at start or from a command, where a failure must reach the operator: exceptions pass."""
        return getattr(self._manager.hook, "chatgate_" + hook)(**facts)

    def ask(self, hook: str, **facts: Any) -> Any:
        """Put a decision to the plugins; `hook` without its prefix. Returns the answer (None: nobody had one; a list
        for collections), or `UNAVAILABLE` when a plugin failed or took too long: a crashed decision refuses.
        """
        caller = getattr(self._manager.hook, "chatgate_" + hook)
        timeout = gevent.Timeout.start_new(self.seconds)
        try:
            return caller(**facts)
        except gevent.Timeout as error:
            if error is not timeout:
                raise
            self._blame(hook, error)
        except Exception as error:
            self._blame(hook, error)
        finally:
            timeout.close()
        return UNAVAILABLE

    def notify(self, hook: str, **facts: Any) -> list[Any]:
        """Tell every plugin; one that fails is logged and the next is told. Returns the answers that are not None."""
        answers = []
        caller = getattr(self._manager.hook, "chatgate_" + hook)
        for impl in reversed(caller.get_hookimpls()):
            try:
                answer = impl.function(*(facts[name] for name in impl.argnames))
            except Exception as error:
                self._blame(hook, error)
            else:
                if answer is not None:
                    answers.append(answer)
        return answers

    def _blame(self, hook: str, error: BaseException) -> None:
        """Log which plugin failed and where. Not the exception's text: it may hold what clients sent."""
        codes = {
            impl.function.__code__: impl.plugin_name
            for impl in getattr(self._manager.hook, "chatgate_" + hook).get_hookimpls()
            if hasattr(impl.function, "__code__")
        }
        guilty, where, trace = "?", "?", error.__traceback__
        while trace:
            code = trace.tb_frame.f_code
            guilty = codes.get(code, guilty)
            where = f"{code.co_filename}:{trace.tb_lineno}"
            trace = trace.tb_next
        log.error("hook failed hook=%s plugin=%s error=%s at=%s", hook, guilty, type(error).__name__, where)
