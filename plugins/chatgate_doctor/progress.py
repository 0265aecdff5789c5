"""A line on the terminal that says how far long work has come."""

from __future__ import annotations

import sys
from typing import Any

import click

_CLEAR = "\r\x1b[K"


class Progress:
    """Writes to standard error if that is a terminal; the line is gone when all is done."""

    def __init__(self, what: str, to: Any = None) -> None:
        self._what, self._to = what, to or sys.stderr

    def __call__(self, done: int, total: int) -> None:
        """done: of how many in total."""
        if self._to.isatty():
            click.echo(f"{_CLEAR}{self._what}: {done} of {total} ..." if done < total else _CLEAR, self._to, nl=False)
