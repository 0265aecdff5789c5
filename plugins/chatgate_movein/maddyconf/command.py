"""`chatgate import maddy.conf`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from chatgate.api import Gateway, configuration_problems, fail, new_file
from chatgate_movein.maddyconf.files import MaddyError
from chatgate_movein.maddyconf.parser import parse
from chatgate_movein.maddyconf.said import Said
from chatgate_movein.maddyconf.translate import translate
from chatgate_movein.maddyconf.writing import texts


def make(gateway: Gateway) -> click.Command:
    """The command."""

    @click.command("maddy.conf")
    @click.argument("file", type=click.Path(path_type=Path))
    @click.option(
        "--out",
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        show_default="conf.d.maddy in the gateway's folder",
        help="Where to write the files. The folder must not be there.",
    )
    @click.option("-n", "--dry-run", is_flag=True, help="Print the files instead of writing them.")
    def command(file: Path, out: Path | None, dry_run: bool) -> None:
        """Write the configuration of a Maddy as files of conf.d.

        Also one of madmail or maddy_chatmail. FILE is the maddy.conf; what it imports is read, too, and variables of
        the environment are put in. Each setting has a comment with the line that it comes from, and each line that has
        no counterpart stands as a comment, too.
        """
        try:
            said = translate(parse(file, os.environ))
        except MaddyError as error:
            fail(str(error), 1)
        found = texts(said, str(file))
        if dry_run:
            _checked(found, None)
            click.echo("\n".join(f"# ---- {name}\n{text}" for name, text in found.items()), nl=False)
        else:
            out = out or gateway.path("conf.d.maddy")
            _checked(found, out)
            click.echo(f"Wrote {out}. Read what it says, then put it in the place of conf.d, and run chatgate check.")
        _report(said)

    return command


def _checked(found: dict[str, str], out: Path | None) -> None:
    """Write the files, as a whole or not at all, once the gateway has found no mistake in them."""
    try:
        parent = out.absolute().parent if out else None
        if out and os.path.lexists(out):
            raise FileExistsError
        with tempfile.TemporaryDirectory(prefix=".conf.d-", dir=parent) as folder:
            new = Path(folder) / "conf.d"
            new.mkdir(mode=0o700)
            for name, text in found.items():
                (new / name).parent.mkdir(mode=0o700, exist_ok=True)
                with new_file(new / name) as file:
                    file.write(text)
            if problems := configuration_problems(Path(folder)):
                fail([f"the files would not do: {one.replace(f'{folder}/', '')}" for one in problems], 1)
            if out:
                os.rename(new, out)
    except FileExistsError:
        fail(f"{out} is there already; nothing was changed", 1)
    except OSError as error:
        fail(f"cannot write {error.filename or out}: {error.strerror}", 1)


def _report(said: Said) -> None:
    lost = [line for file in said.files.values() for line in file.missing]
    if lost:
        click.echo(f"{len(lost)} have no counterpart:", err=True)
    for line in lost:
        click.echo(f"  {line}", err=True)
