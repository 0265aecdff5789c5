"""What is to stand in the new conf.d, and from which lines it comes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chatgate_movein.maddyconf.files import MaddyError
from chatgate_movein.maddyconf.nodes import Node

CORE = "chatgate"

_HIDDEN = re.compile(r"secret|password|token|dsn|api_?key|_key$|ss_addr", re.IGNORECASE)
_LONGEST = 160  # characters of a comment
_MOST = 200  # values of a list


@dataclass(slots=True)
class Setting:
    """value: as Python has it. said: what each line says that led to it."""

    value: Any
    said: list[str] = field(default_factory=list)


@dataclass(slots=True)
class File:
    """A file of conf.d. settings: by key. same: what chatgate does by itself. missing: what it has nothing for."""

    settings: dict[str, Setting] = field(default_factory=dict)
    same: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


class Said:
    """Collects. Every directive ends in one of `set`, `same` and `missing`, so that none is lost in silence."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.domains: dict[str, str] = {}  # further mail domains, and where they are named

    def file(self, plugin: str) -> File:
        """The file that enables a plugin."""
        return self.files.setdefault(plugin, File())

    def set(self, node: Node | None, plugin: str, key: str, value: Any, why: str = "") -> None:
        """node: what says so, None if it is the lack of something. Lists are joined; of numbers the smallest stands;
        of other things the first.
        """
        line = f"{original(node)}{': ' if why else ''}{why}" if node else why
        known = self.file(plugin).settings.setdefault(key, Setting(value))
        if isinstance(value, list) and value is not known.value:
            known.value += [one for one in value if one not in known.value]
            if node and len(known.value) > _MOST:
                raise MaddyError(node.file, node.line, f"more than {_MOST} values for {key}")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            known.value = min(known.value, value)
        elif known.value != value:
            line += " (not this: it was said before)"
        known.said.append(line)

    def same(self, node: Node, plugin: str, why: str = "") -> None:
        """It is so without a setting."""
        self.file(plugin).same.append(f"{original(node)}{': ' if why else ''}{why}")

    def missing(self, node: Node, plugin: str, why: str = "") -> None:
        """There is nothing like it."""
        within = _count(node)
        more = f" (and {within} directives in its block)" if within else ""
        self.file(plugin).missing.append(f"{original(node)}{more}{': ' if why else ''}{why}")


def original(node: Node) -> str:
    """The directive as it stands, in one line for a comment, without what is secret."""
    shown = [_word(arg) if _open(node, arg) else "…" for arg in node.args]
    line = " ".join([node.name, *shown])
    if node.unset:
        line += f" (not set: {', '.join(node.unset)})"
    return f"{node.where}: {plain(line)}"


def plain(text: str) -> str:
    """Fit for a comment."""
    text = "".join(letter if letter.isprintable() else "?" for letter in text[: 4 * _LONGEST])
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _open(node: Node, arg: str) -> bool:
    return arg.isdecimal() or not _HIDDEN.search(node.name)


def _word(arg: str) -> str:
    return f'"{arg}"' if not arg or re.search(r"\s", arg) else arg


def _count(node: Node) -> int:
    return sum(1 + _count(child) for child in node.block or ())


# ------------------------------------------------------------------------------------------------- rules

Rule = Callable[[Said, Node], None]


def sets(plugin: str, key: str, form: Callable[[Sequence[str]], Any], why: str = "") -> Rule:
    """A directive that is one setting."""

    def rule(said: Said, node: Node) -> None:
        said.set(node, plugin, key, value(node, form), why)

    return rule


def same(plugin: str, why: str = "") -> Rule:
    """A directive that says what chatgate does anyway."""
    return lambda said, node: said.same(node, plugin, why)


def missing(plugin: str, why: str = "") -> Rule:
    """A directive that has no counterpart."""
    return lambda said, node: said.missing(node, plugin, why)


def each(said: Said, nodes: Sequence[Node], rules: Mapping[str, Rule], plugin: str) -> None:
    """Apply the rules to each of these directives. plugin: whose file tells of those that have no rule."""
    for node in nodes:
        rules.get(node.name, missing(plugin))(said, node)


def value(node: Node, form: Callable[[Sequence[str]], Any]) -> Any:
    """What the arguments say. Raises MaddyError."""
    try:
        return form(node.args)
    except ValueError as error:
        because = f"; {', '.join(node.unset)} is not set in the environment" if node.unset else ""
        raise MaddyError(node.file, node.line, f"{node.name}: {error}{because}") from None
