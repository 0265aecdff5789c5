"""`chatgate trace`: what became of a message."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

import click

from chatgate.api import Gateway, PluginError, fail, json_option, show
from chatgate_courier.outcomes import Outcomes
from chatgate_courier.waiting import count, moment, rows, told_reply


def told(one: dict[str, Any]) -> str:
    """An outcome in a line."""
    where = " ".join(word for word in (one["host"], one["way"] and f"({one['way']})") if word) or one["domain"]
    said = " ".join(str(word) for word in (one["code"], one["enhanced"], one["said"]) if word)
    return f"{moment(one['at'])}  {one['what']}  {count(one['recipients'], 'recipient')} at {where}: {said}"


def trace(gateway: Gateway, outcomes: Outcomes) -> click.Command:
    """The command `trace`."""

    @click.command("trace")
    @click.argument("id", metavar="ID")
    @click.option(
        "--log",
        type=click.File("r", errors="replace"),
        metavar="FILE",
        help="Show its lines of a log, too; - for the standard input.",
    )
    @json_option
    def command(id: str, log: Any, as_json: bool) -> None:
        """Tell what became of a message.

        ID is the word behind OK in the answer to its sender, and behind id= in the log.
        """
        now = time.time()
        waits = [row for row in rows(gateway) if row.trace == id]
        try:
            tried = outcomes.of(id)
        except PluginError as error:
            fail(str(error), 1)
        lines_of_log = list(_of_log(id, log)) if log is not None else []
        if not (waits or tried or lines_of_log):
            fail(f"nothing is known of {id}: it went to mailboxes here alone, or it is long ago, or it is no trace", 1)
        data = {
            "trace": id,
            "waits": [
                {"id": row.id, "domain": row.domain, "due": row.due, "reply": told_reply(row.reply)} for row in waits
            ],
            "tried": tried,
            "log": lines_of_log,
        }
        lines = [told(one) for one in tried]
        lines += [
            f"waits: {row.id} to {row.domain}, due {'now' if row.due <= now else moment(row.due)}" for row in waits
        ]
        show(data, as_json, [*lines, *lines_of_log])

    return command


def _of_log(id: str, log: Iterable[str]) -> Iterator[str]:
    """The lines with id=ID, or notice=ID, as a word."""
    wanted = {f"id={id}", f"notice={id}"}
    for line in log:
        if id in line and wanted & set(line.split()):
            yield line.rstrip("\n")
