"""The plugins of one gateway, registered in the operator's order, and what each of them answers."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

import pluggy

from chatgate import faults
from chatgate.hosting import answers, hookspecs
from chatgate.hosting.asking import Answerer, Hook, Tally
from chatgate.metrics import Counter
from chatgate.reply import Reply


class PluginError(Exception):
    """A plugin cannot be used; str() is one line for the operator."""


class _Manager(pluggy.PluginManager):
    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        if isinstance(inspect.getattr_static(type(plugin), name, None), property | cached_property):
            return None  # older versions of pluggy would have it computed, before all plugins are there
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


class Registry:
    """tallies: by (plugin, hook), one for each that was asked or told. hooks: as they are asked, by name. refusals: by
    (step, plugin, code, status), where the step is a hook without its prefix, or what a protocol plugin refuses itself.
    """

    def __init__(self) -> None:
        self.tallies: dict[tuple[str, str], Tally] = {}
        self.refusals = Counter(500)
        self._manager = _Manager("chatgate")
        self._manager.add_hookspecs(hookspecs)
        self.hooks = _Hooks(self._put_together)

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
        self.hooks.clear()

    def _check_wrappers(self, plugin: Any) -> None:
        """Wrappers are for decisions only: elsewhere each plugin is asked by itself, with a try and a time limit of its
        own, and a wrapper around a veto could turn the gate's refusal into a yes.
        """
        for caller in self._manager.get_hookcallers(plugin) or ():
            spec = caller.spec
            if spec and spec.opts["firstresult"] and caller.name not in hookspecs.UNWRAPPED:
                continue
            if any(impl.wrapper for impl in caller.get_hookimpls() if impl.plugin is plugin):
                raise PluginError(f"{caller.name} takes no wrappers")

    def remove(self, plugin: Any) -> None:
        """Do not ask this plugin object any more."""
        if self._manager.is_registered(plugin):
            self._manager.unregister(plugin)
        self.hooks.clear()

    def has(self, name: str) -> bool:
        """Is a plugin of this name registered?"""
        return self._manager.has_plugin(name)

    def implements(self, hook: str) -> bool:
        """Does any plugin answer this hook?"""
        return bool(self.hooks[hook].answerers)

    def implementations(self) -> Iterator[tuple[str, str, Callable[..., Any]]]:
        """(plugin, hook, function) of each hook that a plugin answers."""
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
        """Is one of the filters a plugin that calls itself a gate?"""
        return any(getattr(self.plugin(one.plugin), "gate", False) for one in self.hooks["filter"].answerers)

    def tally(self, plugin: str, hook: str) -> Tally:
        """The tally of this plugin's hook; `hook` without its prefix."""
        return self.tallies.setdefault((plugin, hook), Tally())

    def refused(self, step: str, plugin: str, reply: Reply) -> None:
        """Count a refusal. plugin: who refuses. Answers of decisions are counted already."""
        self.refusals.add(step, plugin, str(reply.code), reply.status)

    def _put_together(self, hook: str) -> Hook:
        name = "chatgate_" + hook
        caller = getattr(self._manager.hook, name)
        plain: list[Answerer] = []
        wrappers: list[Answerer] = []
        for impl in reversed(caller.get_hookimpls()):
            kind = wrappers if impl.wrapper else plain
            kind.append(Answerer(impl.plugin_name, impl.function, impl.argnames, self.tally(impl.plugin_name, hook)))
        fits = answers.fits(caller.spec.function) if caller.spec else _anything
        first = bool(caller.spec and caller.spec.opts["firstresult"])
        complete = hookspecs.COMPLETE.get(name)
        return Hook(tuple(plain), tuple(wrappers), fits, first, name in hookspecs.VETOES, complete)


class _Hooks(dict[str, Hook]):
    """Hooks by name without prefix. Each is put together at first use, as all plugins are registered by then."""

    def __init__(self, put_together: Callable[[str], Hook]) -> None:
        super().__init__()
        self._put_together = put_together

    def __missing__(self, name: str) -> Hook:
        self[name] = hook = self._put_together(name)
        return hook


@contextlib.contextmanager
def _named(plugin: str, refused: Callable[[str, PluginError], object] | None) -> Iterator[None]:
    """Turns any error in the block into a PluginError that names the plugin."""
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
