"""Options that change while the gateway runs, and those that wait for its next start."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

from chatgate.hosting.confd import Config, ConfigError
from chatgate.hosting.options import is_live


class Setting(NamedTuple):
    """live: may it change while the gateway runs?"""

    value: Any
    live: bool


class Changes(NamedTuple):
    """Names of what differs, such as "smtp: max_recipients" and, of a further domain, "b.example: sweeper: days"; never
    values, as they may be secret. live: what can take effect at once. waiting: what needs a restart.
    """

    live: list[str]
    waiting: list[str]


def settings(config: Config) -> dict[str, Setting]:
    """Everything that the folder says, by name."""
    found = {}
    pairs = list(_options(config))
    for plugin in config.plugins:
        found[f"{plugin.name} (enabled)"] = Setting(True, False)
        found[f"{plugin.name} (its place in the order)"] = Setting(plugin.order, False)
    for name, options in pairs:
        for field in _fields(options):
            found[name + field.name] = Setting(getattr(options, field.name), is_live(field))
    for domain in config.domains:
        found[f"domain {domain.name}"] = Setting(True, False)
        for name, options in pairs:
            own = domain.options(options)
            for field in _fields(own):
                found[f"{domain.name}: {name}{field.name}"] = Setting(getattr(own, field.name), is_live(field))
    return found


def compare(old: Config, new: Config) -> Changes:
    """What differs. Of plugins and domains that only one has, no settings are named; nor of a domain what it has in
    both from the first one.
    """
    changes = Changes([], [])
    before, after = settings(old), settings(new)
    for name in {**before, **after}:
        was, now = before.get(name), after.get(name)
        if was is None or now is None:
            if name.startswith("domain ") or name.endswith(" (enabled)"):
                gone = name.replace("(enabled)", "(disabled)")
                changes.waiting.append(name if was is None else gone)
        elif was.value != now.value and not _inherited(name, old, before, after):
            (changes.live if now.live else changes.waiting).append(name)
    return changes


def apply(old: Config, new: Config) -> None:
    """Change the live options of `old` in place to those of `new`, all or none: the objects stay, as plugins hold them.
    Raises ConfigError if what is live and what waits for a restart do not fit together.
    """
    staged: list[tuple[Any, Any]] = []
    problems: list[str] = []
    now: dict[str, Any] = dict(_options(new))
    domains = {domain.name: domain for domain in new.domains}
    for name, was in _options(old):
        will = now.get(name)
        if type(will) is not type(was):
            continue
        staged.append((was, _merged(name, was, will, problems)))
        for domain in old.domains:
            if domain.name in domains and (own := domain.options(was)) is not was:
                there = domains[domain.name].options(will)
                staged.append((own, _merged(f"{domain.name}: {name}", own, there, problems)))
    if problems:
        raise ConfigError(problems)
    for options, merged in staged:
        for field in _fields(options):
            object.__setattr__(options, field.name, getattr(merged, field.name))


def _merged(name: str, was: Any, will: Any, problems: list[str]) -> Any:
    """The options with the live ones as they will be; unchanged after adding to `problems` why they cannot be so."""
    if not any(map(is_live, _fields(was))):
        return was
    try:
        return dataclasses.replace(was, **{f.name: getattr(will, f.name) for f in _fields(was) if is_live(f)})
    except ValueError as error:
        problems.append(f"{name}{error}; this fits together after a restart only")
        return was


def _inherited(name: str, config: Config, before: dict[str, Setting], after: dict[str, Setting]) -> bool:
    """Is this the setting of a further domain which has the first one's value, before and after?"""
    for domain in config.domains:
        if name.startswith(f"{domain.name}: "):
            general = name.removeprefix(f"{domain.name}: ")
            return before[name].value == before[general].value and after[name].value == after[general].value
    return False


def _options(config: Config) -> Iterator[tuple[str, Any]]:
    """(what stands before the names of its settings, options), of the core and of each plugin."""
    yield "", config.core
    yield from ((f"{plugin.name}: ", plugin.options) for plugin in config.plugins)


def _fields(options: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(options) if dataclasses.is_dataclass(options) else ()
