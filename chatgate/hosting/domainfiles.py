"""conf.d/domains: one TOML file per further mail domain, named as the domain is; what is set in it holds there alone.

# conf.d/domains/chat.example.net.toml
hostname = "mail.example.org"       # of the core's settings those that can differ

[passwordless]                      # and of a plugin's
registration = "closed"
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, get_type_hints

from chatgate import names
from chatgate.domains import Domain
from chatgate.hosting.options import CoreOptions, at_domain, differs_by_domain
from chatgate.hosting.reading import did_you_mean, line_of, made, parsed, typed

FOLDER = "domains"


def read(
    folder: Path,
    core: tuple[str, CoreOptions | None],
    plugins: Mapping[str, tuple[str, Any]],
    known: Collection[str],
    problems: list[str],
    environ: Mapping[str, str],
) -> tuple[Domain, ...]:
    """The domains of this folder conf.d/domains, by name; what is wrong with them is added to `problems`. core and
    plugins (by name): (name of the file, options). known: names of all plugins; sections of those that are not enabled
    wait for the day that they are.
    """
    found: dict[str, Domain] = {}
    first = core[1].domain if core[1] is not None else ""
    for path in _files(folder, problems):
        try:
            name = names.mail_domain(path.stem)
        except ValueError as error:
            problems.append(f"{path}: no name of a domain: {error}")
            continue
        if name == first:
            problems.append(f"{path}: {name} is the first domain, which {core[0]} names")
        elif name in found:
            problems.append(f"{path}: {name} has another file, {Path(found[name].source).name}")
        else:
            found[name] = _File(path, problems, environ).domain(name, core, plugins, known)
    return tuple(found.values())


def _files(folder: Path, problems: list[str]) -> Iterable[Path]:
    try:
        return sorted(folder / name for name in os.listdir(folder) if name.endswith(".toml"))
    except FileNotFoundError:
        return ()
    except OSError as error:
        problems.append(f"{folder}: {error.strerror}")
        return ()


class _File:
    def __init__(self, path: Path, problems: list[str], environ: Mapping[str, str]) -> None:
        self._path, self._problems, self._environ = path, problems, environ
        self._text = ""

    def domain(
        self,
        name: str,
        core: tuple[str, CoreOptions | None],
        plugins: Mapping[str, tuple[str, Any]],
        known: Collection[str],
    ) -> Domain:
        found = parsed(self._path, self._problems)
        if found is None:
            return Domain(name, source=str(self._path))
        self._text, values = found
        own: list[tuple[Any, Any]] = []
        # An inline table may be a value, such as { env = "…" }, but no section is named as a setting of the core.
        keys = {field.name for field in dataclasses.fields(CoreOptions)}
        sections = {key: value for key, value in values.items() if isinstance(value, dict) and key not in keys}
        top = {key: value for key, value in values.items() if key not in sections}
        if "domain" in top:
            self._wrong("domain", "", "the name of the file says it")
            del top["domain"]
        hostname = ""
        if core[1] is not None:
            mine = self._options(core[1], core[0], "", top, {"domain": name})
            if mine is not None:
                own.append((core[1], mine))
                hostname = mine.hostname
        for plugin in sections:
            if plugin not in known:
                self._wrong(plugin, "", f"no such plugin{did_you_mean(plugin, list(known))}")
        for plugin, (file, options) in plugins.items():
            mine = self._options(options, file, plugin, sections.get(plugin, {}))
            if mine is not None and mine is not options:
                own.append((options, mine))
        return Domain(name, hostname, str(self._path), own)

    def _options(
        self, general: Any, file: str, section: str, given: dict[str, Any], also: Mapping[str, Any] | None = None
    ) -> Any:
        """These options with what is given in their place; None after noting what is wrong."""
        before = len(self._problems)
        hints = get_type_hints(type(general))
        fields = {field.name: field for field in dataclasses.fields(general)}
        able = [name for name, field in fields.items() if differs_by_domain(field)]
        values = {}
        for key, value in given.items():
            if new := getattr(type(general), "moved", {}).get(key):
                self._wrong(key, section, f"has moved: it is {new} now")
            elif key in fields and key not in able:
                self._wrong(key, section, f"holds for all domains, and is set in {file}")
            elif key not in fields:
                self._wrong(key, section, f"no such key{did_you_mean(key, able)}")
            else:
                try:
                    values[key] = typed(value, hints[key], self._path.parent, self._environ)
                except ValueError as error:
                    self._wrong(key, section, str(error))
        if len(self._problems) > before:
            return None
        return made(
            lambda: at_domain(general, {**(also or {}), **values}),
            values,
            lambda key: self._place(key, section),
            self._path,
            self._problems,
        )

    def _place(self, key: str, section: str) -> str:
        return f"{self._path}:{line_of(key, self._text, section)}: {f'[{section}] ' if section else ''}{key}"

    def _wrong(self, key: str, section: str, what: str) -> None:
        self._problems.append(f"{self._place(key, section)}: {what}")
