"""The log of actions: what the operator did, in the file and in the gateway's log; never from where."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

import peewee

from chatgate_admin.database import Action, Database
from chatgate_admin.options import AdminOptions

log = logging.getLogger("chatgate.admin")

_LONGEST = 200  # characters of each part


class Noted(NamedTuple):
    """at: Unix seconds."""

    at: float
    page: str
    action: str
    about: str
    result: str


class Journal:
    def __init__(self, database: Database, options: AdminOptions, clock: Callable[[], float] = time.time) -> None:
        self._database, self._options, self._clock = database, options, clock

    def note(self, page: str, action: str, about: str = "", result: str = "done") -> None:
        """Of what was just done, or refused. about: what it was done to, without addresses."""
        parts = {"page": page, "action": action, "about": _line(about), "result": _line(result)}
        log.info("page=%(page)s action=%(action)s about=%(about)s result=%(result)s", parts)

        def work(database: peewee.SqliteDatabase) -> None:
            newest = Action.insert(at=self._clock(), **parts).execute(database)
            Action.delete().where(Action.id <= newest - self._options.log_entries).execute(database)

        self._database.run(work)

    def newest(self, count: int) -> list[Noted]:
        query = Action.select(Action.at, Action.page, Action.action, Action.about, Action.result)
        query = query.order_by(Action.id.desc()).limit(count).tuples()
        return self._database.run(lambda database: [Noted(*row) for row in query.execute(database)], writes=False)


def _line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:_LONGEST]
