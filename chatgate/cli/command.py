"""What every command uses: the gateway's folder, how results are shown, and how failures are told."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, TextIO

import click

from chatgate.cli.owner import CannotAct, act_as_owner
from chatgate.hosting import confd
from chatgate.hosting.hub import PluginError
from chatgate.running import log
from chatgate.running.gateway import Gateway


class Failure(click.ClickException):
    """What is wrong, a line each."""

    def __init__(self, lines: list[str], code: int) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
        self.exit_code = code  # type: ignore[misc]  # click has it per class


def fail(lines: str | list[str], code: int) -> NoReturn:
    """End the command. Exit code 2: the command line or the configuration, 1: all else."""
    raise Failure([lines] if isinstance(lines, str) else lines, code)


@contextlib.contextmanager
def new_file(path: str | Path) -> Iterator[TextIO]:
    """For its owner's eyes, and only as a whole: half of one could be taken for it. Raises FileExistsError, OSError."""
    file = open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8")
    try:
        with file:
            yield file
    except OSError:
        os.unlink(path)
        raise


class Folder:
    """What `--dir` names; the object that commands get by `@click.pass_obj`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            act_as_owner(path)
        except CannotAct as error:
            fail(str(error), 1)
        self._gateway: Gateway | None = None

    @property
    def gateway(self) -> Gateway:
        """The gateway of this folder, not started. Raises ConfigError or Failure when the configuration is wrong."""
        if self._gateway is None:
            config = confd.load(self.path)
            log.setup(config.core.log_level, config.plugins)
            try:
                self._gateway = Gateway(config)
            except PluginError as error:
                fail(str(error), 2)
        return self._gateway


def show(data: Any, as_json: bool, lines: list[str]) -> None:
    """Print a command's result: for programs as one JSON document, else for people."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False) if as_json else "\n".join(lines))


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs to read.")
