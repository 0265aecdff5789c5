"""courier.db: what became of messages, for `chatgate trace`. No mail depends on it, and it holds no local parts."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import gevent
import gevent.event
import peewee
from chatgate_filedb import ERRORS, FileDatabase
from peewee import SqliteDatabase

from chatgate.api import Background, PluginError, Queued, Reply, kept_reply

log = logging.getLogger("chatgate.courier")

_GATHER = 0.5  # seconds of outcomes that share a transaction
_MOST_WAITING = 10_000  # outcomes that wait for the disk; more are forgotten
_AT_ONCE = 5000  # rows removed in one transaction
_BEFORE_AT = re.compile(r"(?:\"[^\"@]{1,64}\"|[^\s<>@,;:\"'()]+)@")


class Record(peewee.Model):
    """One attempt, for some recipients of a message at one domain. at: Unix seconds. what: "delivered", "put off",
    "failed", "dropped".
    """

    id = peewee.AutoField()
    trace = peewee.TextField(index=True)
    at = peewee.FloatField(index=True)
    domain = peewee.TextField()
    host = peewee.TextField()
    way = peewee.TextField()
    what = peewee.TextField()
    recipients = peewee.IntegerField()
    code = peewee.IntegerField()
    enhanced = peewee.TextField()
    said = peewee.TextField()


FIELDS = ("at", "domain", "host", "way", "what", "recipients", "code", "enhanced", "said")


def without_names(text: str, addresses: Iterable[str] = ()) -> str:
    """A reply without the local parts of addresses, as servers repeat them; those of `addresses` not even alone."""
    text = _BEFORE_AT.sub("*@", text)
    for name in {address.rpartition("@")[0].lower() for address in addresses} - {""}:
        if name in text.lower():
            text = re.sub(rf"(?<![\w.+-]){re.escape(name)}(?![\w+-])", "*", text, flags=re.IGNORECASE)
    return text


class Outcomes:
    """path: of the file. days: for how long outcomes are kept. most: how many at most; 0: none."""

    def __init__(self, path: Path, days: float, most: int, clock: Callable[[], float] = time.time) -> None:
        self.database = FileDatabase("courier", path, (Record,), durable=False, replaceable=True)
        self.service = Background("outcomes", self._run)
        self._days, self._most, self._clock = days, most, clock
        self._waiting: list[tuple[Any, ...]] = []
        self._work = gevent.event.Event()

    def note(
        self,
        trace: str,
        domain: str,
        host: str,
        way: str,
        what: str,
        recipients: int,
        reply: Reply,
        addresses: Sequence[str] = (),
    ) -> None:
        """Returns at once. addresses: whose names the reply may hold, which are not kept."""
        if self._most and len(self._waiting) < _MOST_WAITING:
            said = kept_reply(reply)
            text = without_names(said.text, addresses)
            row = trace, self._clock(), domain, host, way, what, recipients, said.code, said.enhanced, text
            self._waiting.append(row)
            self._work.set()

    def of(self, trace: str) -> list[dict[str, Any]]:
        """What is known of a message, in order of time. Raises PluginError."""
        if not self.database.path.exists():
            return []

        def work(database: SqliteDatabase) -> list[dict[str, Any]]:
            fields = [getattr(Record, name) for name in FIELDS]
            return list(
                Record.select(*fields).where(Record.trace == trace).order_by(Record.id).dicts().execute(database)
            )

        return self._read(work)

    def tried(self, row: Queued) -> list[dict[str, Any]]:
        """The last attempts for the domain of this row of the queue, in order of time. Raises PluginError."""
        return [one for one in self.of(row.trace) if one["domain"] == row.domain][-10:] if row.trace else []

    def by_domain(self, since: float, most: int) -> list[dict[str, Any]]:
        """How mail went to each domain from this time (Unix seconds) on: recipients "delivered", "put off" and
        "failed", and when it was "last" delivered to, 0 for never; those of which most was put off or failed, first.
        Raises PluginError.
        """
        if not self.database.path.exists():
            return []

        def of(what: str) -> peewee.Function:
            return peewee.fn.COALESCE(peewee.fn.SUM(Record.recipients).filter(Record.what == what), 0)

        worse = of("put off") + of("failed")
        query = (
            Record.select(
                Record.domain,
                of("delivered"),
                of("put off"),
                of("failed"),
                peewee.fn.COALESCE(peewee.fn.MAX(Record.at).filter(Record.what == "delivered"), 0),
            )
            .where(Record.at >= since)
            .group_by(Record.domain)
            .order_by(worse.desc(), Record.domain)
            .limit(most)
            .tuples()
        )
        names = ("domain", "delivered", "put off", "failed", "last")
        return self._read(lambda database: [dict(zip(names, row, strict=True)) for row in query.execute(database)])

    def _read(self, work: Callable[[SqliteDatabase], list[dict[str, Any]]]) -> list[dict[str, Any]]:
        try:
            return self.database.run(work, writes=False)
        except ERRORS as error:
            raise PluginError(f"courier: {self.database.path} cannot be read: {error}") from error

    def expire(self, now: float) -> int:
        """Forget what is too old, and the oldest of what is too much. Returns how many. Raises PluginError."""
        if not self.database.path.exists():
            return 0
        count = 0
        while removed := self._run_in_file(lambda database: self._forget(database, now)):
            count += removed
        return count

    def _forget(self, database: SqliteDatabase, now: float) -> int:
        newest = Record.select(peewee.fn.MAX(Record.id)).scalar(database) or 0
        old = (Record.at < now - self._days * 86400) | (Record.id <= newest - self._most)
        some = Record.select(Record.id).where(old).limit(_AT_ONCE)
        return int(Record.delete().where(Record.id.in_(some)).execute(database))

    def _run(self) -> None:
        try:
            while True:
                self._work.wait()
                gevent.sleep(_GATHER)
                self.save()
        finally:
            self.save()

    def save(self) -> None:
        """Write what waits. If that fails, it is forgotten: mail does not depend on it."""
        self._work.clear()
        rows, self._waiting = self._waiting, []
        if rows:
            names = ("trace", *FIELDS)
            fields = [getattr(Record, name) for name in names]

            def work(database: SqliteDatabase) -> int:
                for start in range(0, len(rows), 500):
                    Record.insert_many(rows[start : start + 500], fields).execute(database)
                return len(rows)

            self._run_in_file(work)

    def _run_in_file(self, work: Callable[[SqliteDatabase], int]) -> int:
        try:
            return self.database.run(work)
        except (PluginError, *ERRORS) as error:
            log.warning("outcomes are not kept: %s", error)
            return 0
