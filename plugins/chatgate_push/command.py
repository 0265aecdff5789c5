"""`chatgate push status`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import click
from chatgate_filedb import ERRORS, FileDatabase
from peewee import SqliteDatabase, fn

from chatgate.api import json_option, show
from chatgate_push.database import State, Waiting
from chatgate_push.hooks import DeviceTokens
from chatgate_push.keeper import METRICS
from chatgate_push.metrics import COUNTERS, Metrics, within


def read(database: FileDatabase, kept: DeviceTokens, now: float) -> dict[str, Any]:
    """What push.db says, and how many tokens there are. A running gateway saves its counters whenever something
    happens, so they are current. Raises PluginError and one of `ERRORS`.
    """

    def work(db: SqliteDatabase) -> tuple[int, float | None, list[str]]:
        ((waiting, oldest),) = Waiting.select(fn.COUNT(Waiting.digest), fn.MIN(Waiting.stored)).tuples().execute(db)
        saved = State.select(State.value).where(State.name.startswith(METRICS)).tuples().execute(db)
        return waiting, oldest, [value for (value,) in saved]

    devices, owners = kept.counts()
    waiting, oldest, saved = database.run(work, writes=False)
    metrics = Metrics()
    for of_a_process in saved:
        metrics.load(of_a_process)
    return {
        "tokens": devices,
        "accounts": owners,
        "waiting": waiting,
        "oldest_seconds": None if oldest is None else max(0.0, now - oldest),
        **metrics.data(),
    }


def lines(data: dict[str, Any]) -> list[str]:
    """The data as lines of text for people."""
    found = [f"{data['tokens']:>10}  tokens of {data['accounts']} accounts"]
    age = f", the oldest for {data['oldest_seconds']:.0f} s" if data["oldest_seconds"] is not None else ""
    found.append(f"{data['waiting']:>10}  notifications waiting{age}")
    found += [f"{data[name]:>10}  {text}" for name, text in COUNTERS.items()]
    for share in (0.5, 0.95, 0.99):
        if data["accepted"]:
            bound = within(data, share)
            time_text = f"within {bound:g} s" if bound is not None else "later than all bounds"
            found.append(f"{share:>10.0%}  of accepted ones {time_text} of the mail")
    return found


def make(database: FileDatabase, kept: Callable[[], DeviceTokens]) -> click.Group:
    """The command group `push`. kept: where the tokens are; first called when a command runs."""

    @click.group("push")
    def push() -> None:
        """See how phones are notified of new mail."""

    @push.command("status")
    @json_option
    def status(as_json: bool) -> None:
        """Show what waits and what was sent.

        The counts of what was sent go back to the day on which push.db was made.
        """
        if not database.path.exists():
            raise click.ClickException(f"no {database.path} yet: start the gateway with the plugin first")
        try:
            data = read(database, kept(), time.time())
        except ERRORS as error:
            raise click.ClickException(f"{database.path} cannot be read: {error}") from error
        finally:
            database.close()
        show(data, as_json, lines(data))

    return push
