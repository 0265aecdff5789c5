"""A maddy.conf as a tree of directives, with what it imports and the variables of the environment put in."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chatgate_movein.maddyconf.files import MaddyError, read
from chatgate_movein.maddyconf.lexer import words
from chatgate_movein.maddyconf.nodes import Budget, Node
from chatgate_movein.maddyconf.reader import File, Reader

_DEEPEST_IMPORT = 30  # imports within imports
_VARIABLE = re.compile(r"\{env:([^{}]*)\}")
_UNSET = re.compile(r"\{env:([^$]+)\}")  # up to the last } that there is, as Maddy has it


@dataclass(slots=True)
class Conf:
    """A configuration as a whole. macros: those of the main file, such as "hostname"."""

    nodes: list[Node]
    macros: dict[str, list[str]]


def parse(path: Path, environ: Mapping[str, str]) -> Conf:
    """Read the file and those it imports. Raises MaddyError, with file and line."""
    budget = Budget()
    main = _load(path, 0, budget)
    macros = {name: [_environment(arg, environ, []) for arg in args] for name, args in main.macros.items()}
    return Conf([_with_environment(node, environ, budget) for node in main.nodes], macros)


def _load(path: Path, depth: int, budget: Budget) -> File:
    budget.open(path)
    file = File(path)
    reader = Reader(file, list(words(read(path))), budget)
    nodes = reader.file_nodes()
    file.nodes = _imported(nodes, file, depth, budget)
    return file


def _imported(nodes: list[Node], file: File, depth: int, budget: Budget) -> list[Node]:
    """The same directives with what they import, a snippet or a file, in place of each `import`."""
    found: list[Node] = []
    for node in nodes:
        budget.spend(node)
        if node.name == "import":
            found += _imported(_import(node, file, depth, budget), file, depth + 1, budget)
        elif node.block is None:
            found.append(node)
        else:
            block = _imported(node.block, file, depth, budget)
            found.append(Node(node.name, node.args, block, node.file, node.line))
    return found


def _import(node: Node, file: File, depth: int, budget: Budget) -> list[Node]:
    if depth >= _DEEPEST_IMPORT:
        raise MaddyError(node.file, node.line, f"imports within imports, more than {_DEEPEST_IMPORT} deep")
    if len(node.args) != 1:
        raise MaddyError(node.file, node.line, "import takes one name")
    (name,) = node.args
    if (snippet := file.snippets.get(name)) is not None:
        return snippet
    if "\0" in name:
        raise MaddyError(node.file, node.line, "no such snippet or file")
    for path in (file.path.parent / name, file.path.parent / f"{name}.conf"):
        if os.path.lexists(path):
            other = _load(path, depth + 1, budget)
            file.snippets.update(other.snippets)
            return other.nodes
    raise MaddyError(node.file, node.line, f"no snippet or file of the name {name!r}")


def _with_environment(node: Node, environ: Mapping[str, str], budget: Budget) -> Node:
    unset: list[str] = []
    args = [_environment(arg, environ, unset) for arg in node.args]
    block = None if node.block is None else [_with_environment(child, environ, budget) for child in node.block]
    put_in = Node(node.name, args, block, node.file, node.line, tuple(unset))
    if "{env:" in "".join(node.args):
        budget.write(put_in)
    return put_in


def _environment(text: str, environ: Mapping[str, str], unset: list[str]) -> str:
    """The text with variables put in. What is not there is "", and is added to `unset`."""

    def value(match: re.Match[str]) -> str:
        return environ.get(match[1], match[0])

    def nothing(match: re.Match[str]) -> str:
        unset.append(match[1])
        return ""

    return _UNSET.sub(nothing, _VARIABLE.sub(value, text)) if "{env:" in text else text
