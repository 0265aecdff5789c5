"""Reads one TOML file into Options; every mistake is one clear line with file, line and key."""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from chatgate import faults, names
from chatgate.hosting.options import CoreOptions, Secret, is_listener

T = TypeVar("T")

# For containers: variables of the environment that override the core's file.
ENVIRONMENT = {"domain": "CHATGATE_DOMAIN", "hostname": "CHATGATE_HOSTNAME"}


def read(
    path: Path,
    options: type,
    problems: list[str],
    environ: Mapping[str, str],
    overrides: Mapping[str, Any] | None = None,
    files: Mapping[str, list[Path]] | None = None,
    only: Collection[str] | None = None,
) -> Any:
    """The file as an instance of the Options dataclass; None after adding its mistakes to `problems`. files: those of
    all plugins, as keys may have moved from one to another. only: read these keys and ignore the others.
    """
    if (found := parsed(path, problems)) is None:
        return None
    text, values = found
    before = len(problems)
    hints = get_type_hints(options)
    known = {field.name: field for field in dataclasses.fields(options)}
    moved: Mapping[str, str] = getattr(options, "moved", {})
    values |= overrides or {}
    if options is not CoreOptions and type(values.pop("optional", False)) is not bool:  # see `load`
        problems.append(f"{path}:{line_of('optional', text)}: optional: must be true or false")
    if only is not None:
        values = {key: value for key, value in values.items() if key in only}
    for key, plugin in moved_to(options).items():
        if own := (files or {}).get(plugin):
            moved = {**moved, key: f"{key} of {own[0].name}"}
        else:
            values.pop(key, None)

    def place(key: str) -> str:
        return ENVIRONMENT[key] if key in (overrides or {}) else f"{path}:{line_of(key, text)}: {key}"

    for key in values:
        if key in moved:
            problems.append(f"{place(key)}: has moved: it is {moved[key]} now")
            continue
        if key not in known:
            problems.append(f"{place(key)}: no such key{did_you_mean(key, list(known))}")
            continue
        try:
            values[key] = typed(values[key], hints[key], path.parent, environ)
            if is_listener(known[key]):
                values[key] = tuple(str(names.listener(address)) for address in values[key])
        except ValueError as error:
            problems.append(f"{place(key)}: {error}")
    for key, field in known.items():
        if key not in values and field.default is dataclasses.MISSING:
            problems.append(f"{path}: {key}: missing: {field.metadata['help']}")
    if len(problems) > before:
        return None
    return made(lambda: options(**values), values, place, path, problems)


def moved_to(options: type) -> Mapping[str, str]:
    """Keys of these options that now belong to another plugin, with its name. They are accepted here as long as that
    plugin, which this one requires, has no file of its own.
    """
    found: Mapping[str, str] = getattr(options, "moved_to", {})
    return found


def parsed(path: Path, problems: list[str]) -> tuple[str, dict[str, Any]] | None:
    """A TOML file, as text and as values; None after adding to `problems` why it cannot be read."""
    try:
        text = path.read_text("utf-8")
        return text, tomllib.loads(text)
    except OSError as error:
        problems.append(f"{path}: {error.strerror}")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        problems.append(f"{path}:{line}: not UTF-8")
    except tomllib.TOMLDecodeError as error:
        problems.append(_not_toml(path, text, str(error)))
    return None


def made(
    make: Callable[[], T], keys: Collection[str], place: Callable[[str], str], path: Path, problems: list[str]
) -> T | None:
    """Options, by a call of their dataclass; None after adding to `problems` what it finds wrong. keys: those that the
    file sets. place: where it sets one.
    """
    try:
        return make()
    except ValueError as error:  # from the dataclass's own __post_init__, usually "key: what is wrong"
        key, _, rest = str(error).partition(": ")
        problems.append(f"{place(key)}: {rest}" if key in keys else f"{path}: {error}")
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


def typed(value: Any, kind: Any, folder: Path, environ: Mapping[str, str]) -> Any:
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


def line_of(key: str, text: str, section: str = "") -> int:
    """tomllib keeps no line numbers; the first line that sets the key is the one (0: not in the file). section: the
    table in which it stands.
    """
    wanted = re.compile(rf"""\s*(\[+\s*)?["']?{re.escape(key)}["']?\s*[=.\]]""")
    begin = line_of(section, text) if section else 0
    return next((n for n, line in enumerate(text.splitlines(), 1) if n > begin and wanted.match(line)), begin)


def did_you_mean(word: str, words: list[str]) -> str:
    close = difflib.get_close_matches(word, words, 1)
    return f"; did you mean '{close[0]}'?" if close else ""
