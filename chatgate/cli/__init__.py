"""The command line. Core commands are here, one module each; plugins add theirs through `chatgate_commands`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from chatgate import __version__, confd, log
from chatgate.gateway import Gateway
from chatgate.hub import PluginError
from chatgate.records import StoreError


def fail(lines: str | list[str], code: int) -> NoReturn:
    """End the command: what is wrong on standard error, a line each. Exit code 2: configuration, 1: all else."""
    for line in [lines] if isinstance(lines, str) else lines:
        click.echo(f"chatgate: {line}", err=True)
    sys.exit(code)


class Folder:
    """What `--dir` names; the object that commands get by `@click.pass_obj`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._gateway: Gateway | None = None

    @property
    def gateway(self) -> Gateway:
        """The gateway of this folder, not started. Ends the command when the configuration is wrong."""
        if self._gateway is None:
            try:
                config = confd.load(self.path)
                log.setup(config.core.log_level, config.plugins)
                self._gateway = Gateway(config)
            except confd.ConfigError as error:
                fail(error.problems, 2)
            except PluginError as error:
                fail(str(error), 2)
        return self._gateway


def show(data: Any, as_json: bool, lines: list[str]) -> None:
    """Print a command's result: for programs as one JSON document, else for people."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False) if as_json else "\n".join(lines))


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


class Cli(click.Group):
    """The core's commands and, when the folder's configuration is valid, those of its plugins."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (PluginError, StoreError) as error:
            fail(str(error), 1)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if command := super().get_command(ctx, name):
            return command
        return self._of_plugins(ctx).commands.get(name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        names = super().list_commands(ctx)
        try:
            confd.load(_folder(ctx).path)
        except confd.ConfigError:
            return names  # --help must work while the configuration does not
        return sorted({*names, *self._of_plugins(ctx).commands})

    def _of_plugins(self, ctx: click.Context) -> click.Group:
        found, folder = click.Group(), _folder(ctx)
        if (folder.path / "conf.d").is_dir():
            folder.gateway.hub.call("commands", cli=found, gateway=folder.gateway)
        return found


def _folder(ctx: click.Context) -> Folder:
    """Made when it is first asked for: click looks commands up before it calls the group's own function, and for --help
    before it has read the environment.
    """
    if ctx.obj is None:
        ctx.obj = Folder(Path(ctx.params.get("dir") or os.environ.get("CHATGATE_DIR", ".")).absolute())
    return ctx.obj


@click.group(cls=Cli)
@click.option(
    "--dir",
    envvar="CHATGATE_DIR",
    default=".",
    is_eager=True,
    show_default="the current folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="The gateway's folder, with conf.d/, data/ and tls/. Also from CHATGATE_DIR.",
)
@click.version_option(__version__, prog_name="chatgate")
@click.pass_context
def cli(ctx: click.Context, /, **_: Path) -> None:
    """A chatmail server: people scan a QR code and have an account; only end-to-end encrypted mail passes.

    \b
    Begin with:
      chatgate --dir DIR init --domain chat.example.org
      chatgate --dir DIR serve
    """
    _folder(ctx)


from chatgate.cli import accounts, check, init, plugins, serve  # noqa: E402

for _module in (accounts, check, init, plugins, serve):
    cli.add_command(_module.command)
