"""A directive, and how much of them there may be.

Everything is bounded. Maddy itself bounds the nesting only, so that a few lines of macros or snippets that name each
other twice can be any amount of text.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chatgate_movein.maddyconf.files import MaddyError

_MOST_FILES = 100
_MOST = 20_000  # directives after all imports
_MOST_CHARACTERS = 4_000_000


@dataclass(slots=True)
class Node:
    """A directive. block: the directives in its braces; None: it has none. file, line: where it stands."""

    name: str
    args: list[str]
    block: list[Node] | None
    file: Path
    line: int
    unset: tuple[str, ...] = ()  # variables of the environment that it names and that are not there

    @property
    def where(self) -> str:
        """Such as "maddy.conf:12"."""
        return f"{self.file.name}:{self.line}"

    def each(self, name: str) -> list[Node]:
        """The directives of that name in its block."""
        return [node for node in self.block or () if node.name == name]


class Budget:
    """How many directives, files and characters of arguments there may still be."""

    def __init__(self) -> None:
        self.left, self.files, self.characters = _MOST, _MOST_FILES, _MOST_CHARACTERS

    def write(self, node: Node) -> None:
        self.characters -= sum(map(len, node.args))
        if self.characters < 0:
            raise MaddyError(node.file, node.line, f"more than {_MOST_CHARACTERS} characters, with all macros")

    def open(self, path: Path) -> None:
        self.files -= 1
        if self.files < 0:
            raise MaddyError(path, 1, f"more than {_MOST_FILES} files, each counted as often as it is imported")

    def spend(self, node: Node) -> None:
        self.left -= 1
        if self.left < 0:
            raise MaddyError(node.file, node.line, f"more than {_MOST} directives, with all imports")
