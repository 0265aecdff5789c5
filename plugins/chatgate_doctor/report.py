"""What the doctor found, line by line while it looks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

State = Literal["ok", "note", "bad"]


class Line(NamedTuple):
    """name: what was looked at, such as a step. detail: what was seen. advice: what to do, if something is wrong.
    state: "bad" keeps mail from flowing, "note" does not, or nobody can tell from here.
    """

    name: str
    state: State
    detail: str
    advice: str = ""


class Report:
    """show: prints a line at once."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._parts: list[tuple[str, list[Line]]] = []

    def part(self, title: str) -> None:
        """What is looked at from now on."""
        self._parts.append((title, []))
        self._show(f"{title}:")

    def add(self, line: Line) -> None:
        """To the part that was begun last."""
        self._parts[-1][1].append(line)
        self._show(f"  {line.state if line.state != 'bad' else 'BAD':<5} {line.name}: {line.detail}")
        if line.advice:
            self._show(f"        do: {line.advice}")

    @property
    def bad(self) -> list[Line]:
        return [line for _, lines in self._parts for line in lines if line.state == "bad"]

    def last_words(self) -> list[str]:
        """A summary for people."""
        count = len(self.bad)
        if not count:
            return ["", "nothing here keeps mail from flowing"]
        return ["", f"{count} of these lines {'keep' if count > 1 else 'keeps'} mail from flowing: see BAD"]

    def data(self) -> dict[str, Any]:
        """For JSON."""
        parts = [{"part": title, "lines": [line._asdict() for line in lines]} for title, lines in self._parts]
        return {"ok": not self.bad, "parts": parts}
