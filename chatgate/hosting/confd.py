"""conf.d: one TOML file per enabled plugin, read into frozen Options; every mistake is one clear line.

`NN-name.toml` enables the plugin `name`; NN is its place in the order of asking. The name `chatgate` is the core's own
file. A plugin declares what can be set as a frozen dataclass whose fields are made by `option` or `required`.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import itertools
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatgate import names
from chatgate.domains import Domain
from chatgate.hosting import domainfiles, factories
from chatgate.hosting.options import CoreOptions, is_listener
from chatgate.hosting.reading import ENVIRONMENT, did_you_mean, moved_to, read

GROUP = "chatgate"
CORE = "chatgate"
_FILE = re.compile(r"(\d\d)-([a-z0-9_]+)\.toml\Z")


class ConfigError(Exception):
    """The configuration cannot be used. problems: one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Enabled:
    """A plugin that conf.d enables, ready to be made: factory(gateway, options). optional: when it cannot be used, the
    gateway runs without it. needed_by: the plugin for whose sake this one is enabled, whose file is `source`; "" for
    one with a file of its own.
    """

    name: str
    factory: Any
    options: Any
    order: int = 50
    source: str = "(in code)"
    optional: bool = False
    needed_by: str = ""


@dataclass(frozen=True)
class LeftOut:
    """An optional plugin that cannot be used. reason: for the operator. seen: its class was there to be looked at."""

    name: str
    reason: str
    seen: bool = True


@dataclass(frozen=True)
class Config:
    """What the folder says. folder: holds conf.d/, data/ and tls/. plugins: in asking order. left_out: optional ones
    that cannot be used. domains: all but the first, which `core` names.
    """

    folder: Path
    core: CoreOptions
    plugins: tuple[Enabled, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    domains: tuple[Domain, ...] = ()


def installed() -> dict[str, list[importlib.metadata.EntryPoint]]:
    """Every plugin that could be enabled, by name. Nothing is imported: a broken one harms only those who enable it."""
    found: dict[str, list[importlib.metadata.EntryPoint]] = {}
    for point in importlib.metadata.entry_points(group=GROUP):
        known = found.setdefault(point.name, [])
        if all(point.value != other.value for other in known):
            known.append(point)
    return found


def files(folder: Path) -> dict[str, list[Path]]:
    """The conf.d files by plugin name, in order of their numbers. Other files are left out."""
    found: dict[str, list[Path]] = {}
    for path in sorted((folder / "conf.d").glob("*.toml")):
        if match := _FILE.match(path.name):
            found.setdefault(match[2], []).append(path)
    return found


def is_gateway(folder: Path) -> bool:
    """Is there a conf.d in this folder? Raises ConfigError when nobody lets us see."""
    try:
        os.listdir(folder / "conf.d")
        return True
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise ConfigError([f"cannot read {folder}/conf.d{_whose(folder)}: {error.strerror}"]) from error


def _whose(folder: Path) -> str:
    """Most often a command was given by another user than the gateway's."""
    try:
        return f", which is for {folder.joinpath('conf.d').owner()} alone"
    except (OSError, KeyError):
        return ""


def none_there(folder: Path) -> str:
    """One line for the operator."""
    if is_gateway(folder.parent):  # conf.d/ or data/ was named
        return f"no gateway in {folder}, but one in {folder.parent}: say --dir {folder.parent}"
    return f"no gateway in {folder}: name its folder with --dir, or make one: chatgate --dir {folder} init --domain …"


def configuration_problems(folder: Path) -> list[str]:
    """What is wrong with the conf.d in this folder, a line each, as `chatgate check` says it first; the environment is
    left out of it. For a conf.d that was just written: plugins are loaded for it, but nothing is opened.
    """
    try:
        load(folder, {})
    except ConfigError as error:
        return error.problems
    return []


def load(folder: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read the folder. Raises ConfigError with every problem there is, a line each."""
    problems: list[str] = []
    if not is_gateway(folder):
        raise ConfigError([none_there(folder)])
    for path in sorted((folder / "conf.d").glob("*.toml")):
        if not _FILE.match(path.name):
            problems.append(f"{path}: not a name like 20-smtp.toml")
    found, known = files(folder), installed()
    core: CoreOptions | None = None
    enabled: list[Enabled] = []
    left_out: list[LeftOut] = []
    for name, paths in found.items():
        if len(paths) > 1:
            problems.append(f"{paths[1]}: plugin '{name}' has another file, {paths[0].name}")
            continue
        path = paths[0]
        if name == CORE:
            core = read(path, CoreOptions, problems, environ, _overrides(environ))
            continue
        wrong: list[str] = []
        factory = _factory(name, path, known, wrong)
        options = None if factory is None else read(path, factory.Options, wrong, environ, files=found)
        optional = _is_optional(path)
        if optional and factory is not None and (hook := factories.refuses(factory)):
            problems.append(f"{path}: optional: not for '{name}', for what it refuses ({hook}) would pass without it")
        if wrong and optional:
            left_out.append(LeftOut(name, "; ".join(wrong), seen=factory is not None))
        elif wrong:
            problems += wrong
        else:
            enabled.append(Enabled(name, factory, options, int(path.name[:2]), str(path), optional))
    if CORE not in found:
        problems.append(f"{folder}/conf.d/00-{CORE}.toml: missing; it names the mail domain")
    needs = _Needs(found, known, environ, left_out)
    enabled = needs.fulfil(enabled)
    problems += needs.problems
    problems += _one_port_twice(enabled)
    domains = domainfiles.read(
        folder / "conf.d" / domainfiles.FOLDER,
        (found[CORE][0].name if CORE in found else "", core),
        {one.name: (Path(one.source).name, one.options) for one in enabled},
        known,
        problems,
        environ,
    )
    if problems:
        raise ConfigError(problems)
    assert core is not None
    return Config(folder, core, tuple(sorted(enabled, key=lambda e: (e.order, e.name))), tuple(left_out), domains)


class _Needs:
    """Plugins that others cannot do without, and that have no file of their own: they are enabled along."""

    def __init__(
        self,
        found: Mapping[str, list[Path]],
        known: dict[str, list[importlib.metadata.EntryPoint]],
        environ: Mapping[str, str],
        left_out: list[LeftOut],
    ) -> None:
        self._found, self._known, self._environ, self._left_out = found, known, environ, left_out
        self._enabled: dict[str, Enabled] = {}
        self.problems: list[str] = []

    def fulfil(self, enabled: list[Enabled]) -> list[Enabled]:
        """Those that can be used, and what they need."""
        self._enabled = {one.name: one for one in enabled}
        for name, by, factory in factories.needed({one.name: one.factory for one in enabled}, self._find):
            source = self._enabled[by].source
            wrong: list[str] = []
            keys = {key for key, plugin in moved_to(self._enabled[by].factory.Options).items() if plugin == name}
            options = read(Path(source), factory.Options, wrong, self._environ, only=keys)
            if wrong:
                self._cannot(by, wrong)
            else:
                order = getattr(factory, "order", 50)
                self._enabled[name] = Enabled(name, factory, options, order, source, needed_by=by)
        return list(self._enabled.values())

    def _find(self, name: str, by: str) -> Any:
        if by not in self._enabled:
            return None
        wrong: list[str] = []
        needs = f"{self._enabled[by].source}: '{by}' needs the plugin '{name}'"
        off = sorted(Path(self._enabled[by].source).parent.glob(f"??-{name}.toml.off"))
        if name in self._found:
            if any(one.name == name for one in self._left_out):  # else its mistakes are told already
                wrong.append(f"{needs}, which is left out")
        elif off:
            wrong.append(f"{needs}, which is disabled: {off[0].name}; 'chatgate plugins enable {name}' turns it on")
        elif name not in self._known:
            wrong.append(f"{needs}, which is not installed")
        else:
            return _factory(name, Path(self._enabled[by].source), self._known, self.problems)
        self._cannot(by, wrong)
        return None

    def _cannot(self, by: str, wrong: list[str]) -> None:
        """An optional plugin is left out, for any other it is a mistake."""
        if wrong and self._enabled[by].optional:
            del self._enabled[by]
            self._left_out.append(LeftOut(by, "; ".join(wrong)))
        else:
            self.problems += wrong


def _factory(name: str, path: Path, known: dict[str, list[importlib.metadata.EntryPoint]], problems: list[str]) -> Any:
    """What makes the plugin; None after adding to `problems` what is wrong with it."""
    points = known.get(name, [])
    if not points:
        problems.append(f"{path}: no plugin '{name}' is installed{did_you_mean(name, [*known, CORE])}")
    elif len(points) > 1:
        problems.append(f"{path}: two installed packages offer a plugin '{name}'; remove one")
    else:
        try:
            return factories.load(points[0])
        except factories.Unusable as error:
            problems.append(f"{path}: plugin '{name}' {error}")
    return None


def _is_optional(path: Path) -> bool:
    try:
        return tomllib.loads(path.read_text("utf-8")).get("optional") is True
    except (OSError, ValueError):
        return False


def _one_port_twice(plugins: list[Enabled]) -> list[str]:
    """A line for each pair of listeners of which only one could be bound."""
    found = [
        (f"{plugin.source}: {field.name}", names.listener(address))
        for plugin in plugins
        if plugin.options is not None
        for field in dataclasses.fields(plugin.options)
        if is_listener(field)
        for address in getattr(plugin.options, field.name)
    ]
    return [
        f"{place}: {address} is taken by {other_place}: {other}; each needs a port of its own"
        for (other_place, other), (place, address) in itertools.combinations(found, 2)
        if address.meets(other)
    ]


def _overrides(environ: Mapping[str, str]) -> dict[str, str]:
    """For containers: the environment wins over the core's file."""
    return {key: environ[name] for key, name in ENVIRONMENT.items() if name in environ}
