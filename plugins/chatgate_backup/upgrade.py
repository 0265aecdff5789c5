"""`chatgate upgrade`: what the installed version will do with the folder, and the way back to the one before."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from chatgate.api import Change, ConfigError, Gateway, PluginError, WayBack, fail, free_octets, json_option, show
from chatgate_backup.making import kept

_MEASURED = 1 << 26  # octets that are read to see how fast the disk is
_ROWS = 100_000  # rows changed in a second: a guess on the slow side, as which steps there are is not known


@click.command("upgrade")
@click.option("--check", is_flag=True, help="Say what the next start will do, and what is in its way.")
@click.option("--back", is_flag=True, help="Bring the data back to the form that they had before the last upgrade.")
@click.option("--to", type=int, metavar="N", help="With --back: the version of the mail database to go back to.")
@click.option("--yes", is_flag=True, help="With --back: do it without asking.")
@json_option
@click.pass_obj
def upgrade(folder: Any, check: bool, back: bool, to: int | None, yes: bool, as_json: bool) -> None:
    """See what another version does to the folder, or undo it.

    A gateway brings its data to the form that its version needs when it starts, after copying what it changes. With
    --check nothing is written; say it when the new version is installed and before it is started. With --back, said
    while the gateway is stopped and the newer version still installed, the older one can be started again.
    """
    if check == back:
        fail("say either --check or --back", 2)
    if check:
        _check(folder.path, as_json)
    else:
        _back(Gateway.of(folder.path), to, yes)


def _check(path: Path, as_json: bool) -> None:
    try:
        gateway = Gateway.of(path)
    except ConfigError as error:
        show(
            {"problems": error.problems, "changes": []},
            as_json,
            [*error.problems, "These must be put right in conf.d before this version can start."],
        )
        raise click.exceptions.Exit(1) from None
    changes = [(name, one.path, change) for name, one in kept(gateway) if (change := one.change()) is not None]
    newer = [f"{name}: was written by a newer version; install that" for name, _, c in changes if c.found > c.wanted]
    needed = sum(change.octets for _, _, change in changes)
    free = free_octets(path)
    problems = newer + ([f"{needed / 1e6:.0f} MB must be free, {free / 1e6:.0f} MB are"] if needed > free else [])
    seconds = {name: _seconds(where, change) for name, where, change in changes}
    lines = [
        f"{name}: from version {change.found} to {change.wanted}, {change.octets / 1e6:.1f} MB, about "
        f"{seconds[name]:.0f} seconds; as much must be free on the disk"
        for name, _, change in changes
    ]
    found = [
        {"name": n, "from": c.found, "to": c.wanted, "octets": c.octets, "rows": c.rows, "seconds": round(seconds[n])}
        for n, _, c in changes
    ]
    lines += problems or ["The next start changes this." if changes else "The next start changes no data."]
    show({"problems": problems, "changes": found, "free": free}, as_json, lines)
    if problems:
        raise click.exceptions.Exit(1)


def _seconds(path: Path, change: Change) -> float:
    """About how long: as fast as a part of it is read now, twice, and so many rows in a second."""
    file = path / "mail.db" if path.is_dir() else path
    begun, read = time.perf_counter(), 0
    with file.open("rb") as source:
        while read < _MEASURED and (piece := source.read(1 << 20)):
            read += len(piece)
    pace = read / max(time.perf_counter() - begun, 1e-6)
    return 1 + 3 * change.octets / max(pace, 1.0) + change.rows / _ROWS


def _back(gateway: Gateway, to: int | None, yes: bool) -> None:
    ways: list[tuple[str, WayBack]] = []
    for name, one in kept(gateway):
        if (way := one.way_back(to if name == "maildb/mail" else None)) is not None:
            ways.append((name, way))
    if not ways:
        click.echo("Nothing was changed by an upgrade: the older version can be started as it is.")
        return
    for name, way in ways:
        click.echo(f"{name}: from version {way.found} back to {way.wanted}")
        for line in way.lost or ["nothing"]:
            click.echo(f"  lost: {line}")
    if not yes:
        click.confirm("Go back?", abort=True)
    for name, way in ways:
        try:
            way.go()
        except PluginError as error:
            fail(f"{error}; run the command again when that is put right", 1)
        click.echo(f"{name}: version {way.wanted}")
    click.echo("Install the older version now, before the gateway is started; this one would change the data again.")
