"""The classes that entry points name: imported, and checked before a plugin is made of them."""

from __future__ import annotations

import dataclasses
import importlib.metadata
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_type_hints

from chatgate import faults
from chatgate.hosting import hookspecs


class Unusable(Exception):
    """An installed plugin cannot be used; str() says why, in one line."""


def load(point: importlib.metadata.EntryPoint) -> Any:
    """The factory of the plugin: factory(gateway, options), with `Options` and perhaps `order`. Raises Unusable."""
    try:
        factory = point.load()
    except BaseException as error:  # a module may do anything when it is imported, sys.exit() included
        if faults.thrown_in(error):
            raise
        raise Unusable(f"cannot be imported: {faults.told(error)}") from error
    if problem := _problem(factory):
        raise Unusable(f"{point.value}: {problem}")
    return factory


def _problem(factory: Any) -> str:
    if not callable(factory):
        return "is no class"
    options = getattr(factory, "Options", None)
    if not (isinstance(options, type) and dataclasses.is_dataclass(options)):
        return "has no Options, a frozen dataclass of option(…) fields"
    try:
        get_type_hints(options)
    except Exception as error:
        return f"Options: {faults.told(error)}"
    for field in dataclasses.fields(options):
        if "help" not in field.metadata:
            return f"Options.{field.name} is not made by option(…) or required(…)"
        if field.name == "optional":
            return "Options.optional: that key is the gateway's own, in every file"
    order = getattr(factory, "order", 50)
    if type(order) is not int or not 0 <= order <= 99:
        return "order is no whole number from 0 to 99"
    needs = getattr(factory, "requires", ())
    if not isinstance(needs, tuple) or not all(isinstance(name, str) for name in needs):
        return "requires is no tuple of names of plugins"
    return ""


def needed(enabled: Mapping[str, Any], find: Callable[[str, str], Any]) -> Iterator[tuple[str, str, Any]]:
    """(name, name of the plugin that needs it, factory) for each plugin that is required but not among these, directly
    or by another one. enabled: factories by name. find: the factory for (name, who needs it), None if there is none.
    """
    known, waiting = set(enabled), list(enabled.items())
    for by, factory in waiting:
        for name in getattr(factory, "requires", ()):
            if name not in known:
                known.add(name)
                if (found := find(name, by)) is not None:
                    yield name, by, found
                    waiting.append((name, found))


def refuses(plugin: Any) -> str:
    """The first hook by which this plugin, or its class, keeps something out; "" if its absence would let in nothing
    more.
    """
    for name in dir(type(plugin)) if not isinstance(plugin, type) else dir(plugin):
        marked = getattr(getattr(plugin, name, None), "chatgate_impl", None)
        hook = str((marked.get("specname") or name) if isinstance(marked, dict) else "")
        if hook in hookspecs.REFUSING:
            return hook
    return ""
