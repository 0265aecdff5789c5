"""The directives of one file, with its macros put in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from chatgate_movein.maddyconf.files import MaddyError
from chatgate_movein.maddyconf.lexer import Word
from chatgate_movein.maddyconf.nodes import Budget, Node

_DEEPEST = 100  # blocks within blocks; Maddy: 255
_LONGEST = 65_536  # characters of all arguments of a directive

_MACRO = re.compile(r"\$\(([^$]+)\)")


@dataclass(slots=True)
class File:
    """What one file says, and what is known while it is read."""

    path: Path
    nodes: list[Node] = field(default_factory=list)
    snippets: dict[str, list[Node]] = field(default_factory=dict)
    macros: dict[str, list[str]] = field(default_factory=dict)


class Reader:
    """Makes directives of words. `at`: the word that was read last."""

    def __init__(self, file: File, words: list[Word], budget: Budget) -> None:
        self._file, self._words, self._budget, self._at, self._depth = file, words, budget, -1, -1

    def file_nodes(self) -> list[Node]:
        nodes = self._nodes()
        if self._depth > 0:
            raise self._error("the file ends within a block: a } is missing")
        return nodes

    def _nodes(self) -> list[Node]:
        """The directives up to the } that belongs to the { read last, or to the end of the file."""
        if self._depth > _DEEPEST:
            raise self._error(f"blocks within blocks, more than {_DEEPEST} deep")
        self._depth += 1
        found: list[Node] = []
        first = True
        while True:
            if first:
                first = False
                if not self._next():
                    return found
            elif not self._next_line():
                if not self._next():
                    return found
                raise self._error("after a } the line must end")
            if self._word.text == "}":
                self._close()
                return found
            kind, node = self._node()
            closed = bool(node.args) and node.args[-1] == "}"
            if closed:
                self._close()
                node.args.pop()
            if kind == "node":
                self._put_macros(node)
                found.append(node)
                if closed:
                    return found
                continue
            if self._depth != 0:
                raise self._error(f"{kind}s can be declared only outside of blocks")
            if kind == "macro":
                self._put_macros(node)
                self._file.macros[node.name] = node.args
            elif node.args:
                raise self._error("the declaration of a snippet has no arguments")
            else:
                self._file.snippets[node.name] = node.block or []

    def _node(self) -> tuple[str, Node]:
        """The directive that begins with the word read last, and whether it is a "node", a "macro" or a "snippet"."""
        name = self._word.text
        if name == "{":
            raise self._error("a { without a directive before it")
        node = Node(name, [], None, self._file.path, self._word.line)
        onward = False
        while self._next_word() or (onward and self._next_line()):
            onward = False
            if self._word.text == "{":
                node.block = self._nodes()
                break
            if self._word.text == "\\" and self._ends_line():
                onward = True
                continue
            node.args.append(self._word.text)
        if name.startswith("$("):
            if not name.endswith(")"):
                raise self._error("the name of a macro ends with )")
            if len(node.args) < 2 or node.args[0] != "=":
                raise self._error("the declaration of a macro is $(name) = value")
            node.name = name[2:-1]
            del node.args[0]
            return "macro", node
        if name.startswith("(") and name.endswith(")"):
            node.name = name[1:-1]
            return "snippet", node
        if not name:
            raise self._error("a directive without a name")
        if name[0].isdecimal():
            raise self._error("the name of a directive begins with a digit")
        if wrong := next((c for c in name if not (c.isalpha() or c.isdecimal() or c in ".-_")), ""):
            raise self._error(f"{wrong!r} in the name of a directive")
        return "node", node

    def _put_macros(self, node: Node) -> None:
        """An argument that is a macro alone becomes its arguments, none if it is unknown; one within other text must
        have one argument.
        """
        args: list[str] = []
        room = _LONGEST
        for arg in node.args:
            if arg.startswith("$(") and arg.endswith(")"):
                put = self._file.macros.get(arg[2:-1], [])
            elif "$(" in arg:
                put = [self._joined(arg)]
            else:
                put = [arg]
            room -= sum(len(one) + 1 for one in put)
            if room < 0:
                raise self._error(f"more than {_LONGEST} characters of arguments")
            args += put
        node.args = args
        self._budget.write(node)

    def _joined(self, arg: str) -> str:
        """The argument with the values of macros in it."""
        parts, end, room = [], 0, _LONGEST
        for match in _MACRO.finditer(arg):
            values = self._file.macros.get(match[1], [""])
            if len(values) > 1:
                raise self._error(f"the macro {match[1]!r} has several values, and stands within a word")
            parts += [arg[end : match.start()], *values]
            end = match.end()
            room -= len(parts[-1])
            if room < 0:
                raise self._error(f"more than {_LONGEST} characters of arguments")
        return "".join([*parts, arg[end:]])

    def _close(self) -> None:
        self._depth -= 1
        if self._depth < 0:
            raise self._error("a } without its {")

    @property
    def _word(self) -> Word:
        return self._words[self._at]

    def _next(self) -> bool:
        if self._at + 1 >= len(self._words):
            return False
        self._at += 1
        return True

    def _ends_line(self) -> bool:
        """Is the word read last the last one of its line?"""
        following = self._words[self._at + 1 : self._at + 2]
        return not following or following[0].line > self._word.last_line

    def _next_word(self) -> bool:
        """Read on if there is another word on the line."""
        return not self._ends_line() and self._next()

    def _next_line(self) -> bool:
        """Read on if the next word is on another line."""
        return self._ends_line() and self._next()

    def _error(self, text: str) -> MaddyError:
        line = self._word.line if 0 <= self._at < len(self._words) else 1
        return MaddyError(self._file.path, line, text)
