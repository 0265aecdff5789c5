"""The command line. Core commands are here, one module each; plugins add theirs through `chatgate_commands`."""

from __future__ import annotations

import difflib
import importlib.metadata
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import click

from chatgate import __version__
from chatgate.cli import check, init, plugins, reload, serve
from chatgate.cli.folder import Folder
from chatgate.command import Failure, fail, show
from chatgate.hosting import confd
from chatgate.hosting.registry import PluginError
from chatgate.running import log
from chatgate.store.records import StoreError

# How a folder fails whose configuration is wrong.
_UNUSABLE = (confd.ConfigError, Failure, PluginError)


class Cli(click.Group):
    """The core's commands and, when the folder's configuration is valid, those of its plugins."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except confd.ConfigError as error:
            fail(error.problems, 2)
        except (PluginError, StoreError) as error:
            fail(str(error), 1)

    def main(self, args: Sequence[str] | None = None, *rest: Any, **named: Any) -> Any:
        """Errors are reported in the same way for every command, the core's and those of plugins: one line each on
        standard error or, with --json, as JSON on standard output: {"errors": [line, ...]}.
        """
        args = list(sys.argv[1:] if args is None else args)
        try:
            code = super().main(args, *rest, **{**named, "standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as error:  # a group alone: its help says more than any line
            error.show()
            code = error.exit_code
        except click.ClickException as error:
            _tell(_lines(error), "--json" in args)
            code = error.exit_code
        except click.Abort:
            _tell(["aborted"], "--json" in args)
            code = 1
        except BrokenPipeError:  # the reader has closed the pipe; Python would complain again when it exits
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 1
        sys.exit(code)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if command := super().get_command(ctx, name):
            return command
        if command := _installed(name):
            return command
        if ctx.resilient_parsing:  # the shell completes a word; nobody wants to read there what is wrong
            try:
                return self._of_plugins(ctx).commands.get(name)
            except _UNUSABLE:
                return None
        folder = _folder(ctx)
        if not confd.is_gateway(folder.path):
            if difflib.get_close_matches(name, self.commands):
                return None  # click asks whether that was meant
            fail(confd.none_there(folder.path), 2)
        if command := self._of_plugins(ctx).commands.get(name):
            return command
        if name in confd.installed() and not folder.gateway.hub.has(name):
            fail(f"no such command {name!r}; 'chatgate plugins enable {name}' turns the plugin of that name on", 2)
        return None

    def list_commands(self, ctx: click.Context) -> list[str]:
        names = [*super().list_commands(ctx), *(point.name for point in offered())]
        try:
            return sorted({*names, *self._of_plugins(ctx).commands})
        except _UNUSABLE:
            return sorted(names)  # --help must work while the configuration does not

    def _of_plugins(self, ctx: click.Context) -> click.Group:
        found, folder = click.Group(), _folder(ctx)
        if confd.is_gateway(folder.path):
            for said in folder.gateway.hub.commands.each(None, cli=found, gateway=folder.gateway):
                # The others' commands are there all the same.
                if said.failure is not None and not ctx.resilient_parsing:
                    click.echo(f"chatgate: {said.failure}", err=True)
        return found


def offered() -> Iterable[importlib.metadata.EntryPoint]:
    """Commands that installed packages bring for every folder, whatever its conf.d says: the entry-point group
    "chatgate.commands". Each is a click command, whose object (`click.pass_obj`) is the `Folder`. None is imported
    before it is asked for.
    """
    return importlib.metadata.entry_points(group="chatgate.commands")


def _installed(name: str) -> click.Command | None:
    for point in offered():
        if point.name == name:
            return cast(click.Command, point.load())
    return None


def _lines(error: click.ClickException) -> list[str]:
    """What is wrong, one line each; for a mistake in the command line with a hint to its help."""
    if isinstance(error, Failure):
        return error.lines
    text = " ".join(error.format_message().split())
    if isinstance(error, click.UsageError) and error.ctx is not None:
        text = f"{text.removesuffix('.')}; see '{error.ctx.command_path} --help'"
    return [text]


def _tell(lines: list[str], as_json: bool) -> None:
    if as_json:
        show({"errors": lines}, True, [])
        return
    for line in lines:
        click.echo(f"{log.priority(logging.ERROR)}chatgate: {line}", err=True)


def _folder(ctx: click.Context) -> Folder:
    """The folder, made at first use: click looks commands up before it calls the group's own function, and for --help
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
    show_default="the current one",
    type=click.Path(file_okay=False, readable=False, path_type=Path),
    help="The gateway's folder, which holds conf.d/, data/ and tls/. CHATGATE_DIR can name it, too.",
)
@click.version_option(__version__, prog_name="chatgate")
@click.pass_context
def cli(ctx: click.Context, /, **_: Path) -> None:
    """A chatmail server: people scan a QR code and have an account; only end-to-end encrypted mail passes.

    \b
    Begin with:
      chatgate --dir DIR init --domain chat.example.org
      chatgate --dir DIR serve

    The plugins of the gateway in DIR add commands of their own, such as ping, qr and sweep.
    """
    _folder(ctx)


for _module in (check, init, plugins, reload, serve):
    cli.add_command(_module.command)
