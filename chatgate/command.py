"""Helpers for commands of the core and of plugins: results for people or programs, failures in one line."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, Self, TextIO

import click
import gevent

from chatgate import names
from chatgate.domains import Domain, Domains


class Failure(click.ClickException):
    """Ends a command. lines: what is wrong, one line each."""

    def __init__(self, lines: list[str], code: int) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
        self.exit_code = code  # type: ignore[misc]  # click has it per class


def fail(lines: str | list[str], code: int) -> NoReturn:
    """End the command with an error. code: the exit code, 2 for a mistake in the command line or the configuration, 1
    for all else.
    """
    raise Failure([lines] if isinstance(lines, str) else lines, code)


@contextlib.contextmanager
def new_file(path: str | Path) -> Iterator[TextIO]:
    """A new file that only its owner can read. If writing fails it is removed, as half a file could be taken for a
    whole one. Raises FileExistsError, OSError.
    """
    file = open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8")
    try:
        with file:
            yield file
    except OSError:
        os.unlink(path)
        raise


def show(data: Any, as_json: bool, lines: list[str]) -> None:
    """Print a command's result: for programs as one JSON document, otherwise as lines for people."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False) if as_json else "\n".join(lines))


class Interrupts:
    """While it is entered, Ctrl-C and SIGTERM raise KeyboardInterrupt in this greenlet, which then cleans up; during
    that they are `ignored`. Python's own handler would raise it in gevent's hub, which logs it as a failure.
    """

    def __init__(self) -> None:
        self.ignored = False
        self._here = gevent.getcurrent()

    def __enter__(self) -> Self:
        """Must be called in the greenlet that is to be interrupted."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        self._before = [(number, signal.getsignal(number)) for number in numbers]
        self._watchers = [gevent.signal_handler(number, self._interrupt) for number in numbers]
        return self

    def __exit__(self, *error: object) -> None:
        for watcher in self._watchers:
            watcher.cancel()
        for number, handler in self._before:  # which libev has forgotten
            signal.signal(number, handler)

    def _interrupt(self) -> None:
        if not self.ignored:
            gevent.kill(self._here, KeyboardInterrupt)


class _DomainType(click.ParamType):
    name = "domain"

    def __init__(self, domains: Domains | None) -> None:
        self._domains = domains

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Domain:
        if isinstance(value, Domain):
            return value
        domains: Domains = self._domains or ctx.obj.domains  # type: ignore[union-attr]
        try:
            found = domains.named(names.mail_domain(value))
        except ValueError:
            found = None
        if found is None:
            self.fail(f"{value!r} is no domain of this gateway; it has {', '.join(d.name for d in domains)}")
        return found


def domain_option(domains: Domains | None, help: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorates a command with an option --domain; the command gets `domain`, a Domain, or None if the option is not
    given. domains: of the gateway; None where the command's own object (`click.pass_obj`) is the gateway.
    """
    return click.option("--domain", type=_DomainType(domains), metavar="D", help=help)


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a command with an option --json; the command gets `as_json`, True if it is to print JSON."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs to read.")(function)
