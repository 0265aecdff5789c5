"""conf.d: one TOML file per enabled plugin, read into frozen Options; every mistake is one clear line.

`NN-name.toml` enables the plugin `name`; NN is its place in the order of asking. The name `chatgate` is the core's own
file. A plugin declares what can be set as a frozen dataclass whose fields are made by `option` or `required`.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib.metadata
import ipaddress
import itertools
import json
import os
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from chatgate import faults, names
from chatgate.hosting import factories

GROUP = "chatgate"
CORE = "chatgate"
_FILE = re.compile(r"(\d\d)-([a-z0-9_]+)\.toml\Z")


class ConfigError(Exception):
    """The configuration cannot be used. problems: one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Secret(str):
    """A string that shows itself in no repr and so in no log."""

    def __repr__(self) -> str:
        return "'***'" if self else "''"


def option(default: Any, help: str) -> Any:
    """A setting with a default. help: what it does, with its unit; it becomes the comment in the shipped conf.d.
    Types: bool, int, float, str, Secret, tuple[str, ...]. A number below zero is refused: limits are finite.
    """
    return dataclasses.field(default=default, metadata={"help": help})


def is_listener(field: dataclasses.Field[Any]) -> bool:
    """A setting whose default is addresses such as ("*:465",): `init --local` and `--listen` move it."""
    default = field.default
    return isinstance(default, tuple) and bool(default) and all(str(item).startswith("*:") for item in default)


def required(help: str) -> Any:
    """A setting the operator must make."""
    return dataclasses.field(metadata={"help": help})


@dataclass(frozen=True)
class CoreOptions:
    domain: str = required("The mail domain, behind the @ of every address: a host name or an IP address.")
    hostname: str = option("", "The name or IP address that clients connect to. Empty: the domain.")
    log_level: str = option("warning", "What is logged: debug, info, warning or error. Addresses appear at debug only.")
    hook_seconds: float = option(60.0, "Seconds a plugin may take over one decision before it counts as failed.")
    max_message_bytes: int = option(
        52428800, "Octets a message may have; clients are told as SIZE (SMTP) and APPENDLIMIT (IMAP). 50 MiB."
    )
    observer_seconds: float = option(
        5.0, "Seconds each plugin may take over what it is told, such as that a message is stored; then it is cut off."
    )
    check_seconds: float = option(300.0, "Seconds each plugin's part of `chatgate check` may take.")
    stall_milliseconds: int = option(
        1000, "Milliseconds of standing still, with everybody waiting, after which the log names the code. 0: never."
    )
    stop_seconds: float = option(10.0, "Seconds that transactions in flight get to finish when the gateway stops.")
    handshake_seconds: float = option(20.0, "Seconds a client may take for the TLS handshake.")
    proxy_protocol_from: tuple[str, ...] = option(
        (), "Addresses or networks of reverse proxies; their connections must begin with a PROXY protocol header."
    )

    def __post_init__(self) -> None:
        for key, form in (("domain", names.mail_domain), ("hostname", names.host)):
            if key == "domain" or getattr(self, key):
                try:
                    object.__setattr__(self, key, form(getattr(self, key)))
                except ValueError as error:
                    raise ValueError(f"{key}: {error}") from None
        if self.log_level.lower() not in ("debug", "info", "warning", "error"):
            raise ValueError("log_level: must be debug, info, warning or error")
        if self.max_message_bytes < 1:
            raise ValueError("max_message_bytes: must be 1 or more")
        for network in self.proxy_protocol_from:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                raise ValueError(f"proxy_protocol_from: {error}") from None


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
    that cannot be used.
    """

    folder: Path
    core: CoreOptions
    plugins: tuple[Enabled, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


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
    if problems:
        raise ConfigError(problems)
    assert core is not None
    return Config(folder, core, tuple(sorted(enabled, key=lambda e: (e.order, e.name))), tuple(left_out))


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
            keys = {key for key, plugin in _moved_to(self._enabled[by].factory.Options).items() if plugin == name}
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


def _moved_to(options: type) -> Mapping[str, str]:
    """Keys of these options that are another plugin's now, by its name. Here they hold as long as that plugin, which
    this one needs, has no file of its own.
    """
    found: Mapping[str, str] = getattr(options, "moved_to", {})
    return found


def _factory(name: str, path: Path, known: dict[str, list[importlib.metadata.EntryPoint]], problems: list[str]) -> Any:
    """What makes the plugin; None after adding to `problems` what is wrong with it."""
    points = known.get(name, [])
    if not points:
        problems.append(f"{path}: no plugin '{name}' is installed{_did_you_mean(name, [*known, CORE])}")
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
    return {key: environ[name] for key, name in _ENVIRONMENT.items() if name in environ}


_ENVIRONMENT = {"domain": "CHATGATE_DOMAIN", "hostname": "CHATGATE_HOSTNAME"}


def read(
    path: Path,
    options: type,
    problems: list[str],
    environ: Mapping[str, str],
    overrides: Mapping[str, Any] | None = None,
    files: Mapping[str, list[Path]] | None = None,
    only: Collection[str] | None = None,
) -> Any:
    """The file as an instance of the Options dataclass; None after adding to `problems` what is wrong with it. files:
    those of all plugins, where keys may have moved to another one. only: read these keys and pass over the others.
    """
    try:
        text = path.read_text("utf-8")
        values = tomllib.loads(text)
    except OSError as error:
        problems.append(f"{path}: {error.strerror}")
        return None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        problems.append(f"{path}:{line}: not UTF-8")
        return None
    except tomllib.TOMLDecodeError as error:
        problems.append(_not_toml(path, text, str(error)))
        return None
    before = len(problems)
    hints = get_type_hints(options)
    known = {field.name: field for field in dataclasses.fields(options)}
    moved: Mapping[str, str] = getattr(options, "moved", {})
    values |= overrides or {}
    if options is not CoreOptions and type(values.pop("optional", False)) is not bool:  # see `load`
        problems.append(f"{path}:{_line_of('optional', text)}: optional: must be true or false")
    if only is not None:
        values = {key: value for key, value in values.items() if key in only}
    for key, plugin in _moved_to(options).items():
        if own := (files or {}).get(plugin):
            moved = {**moved, key: f"{key} of {own[0].name}"}
        else:
            values.pop(key, None)

    def place(key: str) -> str:
        return _ENVIRONMENT[key] if key in (overrides or {}) else f"{path}:{_line_of(key, text)}: {key}"

    for key in values:
        if key in moved:
            problems.append(f"{place(key)}: has moved: it is {moved[key]} now")
            continue
        if key not in known:
            problems.append(f"{place(key)}: no such key{_did_you_mean(key, list(known))}")
            continue
        try:
            values[key] = _typed(values[key], hints[key], path.parent, environ)
            if is_listener(known[key]):
                values[key] = tuple(str(names.listener(address)) for address in values[key])
        except ValueError as error:
            problems.append(f"{place(key)}: {error}")
    for key, field in known.items():
        if key not in values and field.default is dataclasses.MISSING:
            problems.append(f"{path}: {key}: missing: {field.metadata['help']}")
    if len(problems) > before:
        return None
    try:
        return options(**values)
    except ValueError as error:  # from the dataclass's own __post_init__, usually "key: what is wrong"
        key, _, rest = str(error).partition(": ")
        problems.append(f"{place(key)}: {rest}" if key in values else f"{path}: {error}")
    except BaseException as error:
        if faults.thrown_in(error):
            raise
        problems.append(f"{path}: {faults.told(error)}")
    return None


def _not_toml(path: Path, text: str, what: str) -> str:
    """tomllib says "Invalid value (at line 7, column 3)", and of a key that stands twice "Cannot overwrite a value"."""
    found = _AT.search(what)
    line = found and found[1] or text.rstrip("\n").count("\n") + 1
    what = _AT.sub("", what)
    what = "a key that is set already" if what == "Cannot overwrite a value" else what[:1].lower() + what[1:]
    return f"{path}:{line}: not TOML: {what}"


_AT = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)\Z")


def missing_in(path: Path, options: type) -> list[str]:
    """The keys that must be set and are not, in a file of conf.d; none when it cannot be read."""
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return []
    return [f.name for f in dataclasses.fields(options) if f.default is dataclasses.MISSING and f.name not in values]


def secrets_in(path: Path, options: type) -> list[str]:
    """The keys of Secret fields whose values stand in this file itself, not in the environment or another file."""
    values = tomllib.loads(path.read_text("utf-8"))
    kinds = get_type_hints(options)
    return [key for key, value in values.items() if kinds.get(key) is Secret and isinstance(value, str) and value]


def _typed(value: Any, kind: Any, folder: Path, environ: Mapping[str, str]) -> Any:
    """The value as this type. Raises ValueError with a few words that never repeat a secret."""
    if isinstance(value, dict):
        value = _fetched(value, folder, environ)
        if kind not in (str, Secret):
            try:
                value = tomllib.loads(f"value = {value}")["value"]
            except tomllib.TOMLDecodeError:
                raise ValueError(f"what it refers to is not {_words(kind)}") from None
    if kind is float and type(value) is int:
        value = float(value)
    if kind == tuple[str, ...] and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    if kind in (str, Secret) and isinstance(value, str):
        return kind(value)
    if type(value) is not kind:
        raise ValueError(f"must be {_words(kind)}")
    if kind in (int, float) and not 0 <= value < float("inf"):
        raise ValueError("must be a finite number, zero or more")
    return value


def _fetched(table: dict[str, Any], folder: Path, environ: Mapping[str, str]) -> str:
    """`{ env = "X" }` or `{ file = "…" }`, so that secrets need not stand in conf.d; files are relative to conf.d."""
    match table:
        case {"env": str(name), **rest} if not rest:
            if name not in environ:
                raise ValueError(f"the environment has no {name}")
            return environ[name]
        case {"file": str(name), **rest} if not rest:
            try:
                return (folder / name).read_text("utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                raise ValueError(f"cannot read {name}: {type(error).__name__}") from None
    raise ValueError('a table must be { env = "NAME" } or { file = "path" }')


def _words(kind: Any) -> str:
    return {bool: "true or false", int: "a whole number", float: "a number", str: "a string", Secret: "a string"}.get(
        kind, "a list of strings"
    )


def _line_of(key: str, text: str) -> int:
    """tomllib keeps no line numbers; the first line that sets the key is the one (0: not in the file)."""
    wanted = re.compile(rf"""\s*(\[+\s*)?["']?{re.escape(key)}["']?\s*[=.\]]""")
    return next((n for n, line in enumerate(text.splitlines(), 1) if wanted.match(line)), 0)


def _did_you_mean(word: str, words: list[str]) -> str:
    close = difflib.get_close_matches(word, words, 1)
    return f"; did you mean '{close[0]}'?" if close else ""


def render(options: type, title: str, settings: Mapping[str, Any] | None = None) -> str:
    """A conf.d file with every key commented out at its default, but those in `settings`, which are set."""
    settings, lines = settings or {}, [f"# {line}" for line in title.strip().splitlines()]
    for field in dataclasses.fields(options):
        lines += ["", f"# {field.metadata['help']}"]
        if field.name in settings:
            lines.append(f"{field.name} = {_toml(settings[field.name])}")
        elif field.default is dataclasses.MISSING:
            lines.append(f"# {field.name} = …  (must be set)")
        else:
            lines.append(f"# {field.name} = {_toml(field.default)}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    # JSON's strings, numbers, booleans and lists of strings are TOML too.
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
