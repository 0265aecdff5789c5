"""alerts.db: what the operators know of, what they are to be told, and to whom."""

from __future__ import annotations

import dataclasses
import json
import secrets
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import peewee
from chatgate_filedb import ERRORS, FileDatabase

from chatgate.api import PluginError, Trouble
from chatgate_alerts.watching import Event

T = TypeVar("T")


class Told(peewee.Model):
    """A trouble that the operators know of and that is not over."""

    key = peewee.TextField(primary_key=True)
    what = peewee.TextField()
    since = peewee.FloatField()
    do = peewee.TextField()


class Waiting(peewee.Model):
    """An event that is in no message yet. kind, at: as in `Event`."""

    id = peewee.AutoField()
    kind = peewee.TextField()
    at = peewee.FloatField()
    key = peewee.TextField()
    what = peewee.TextField()
    since = peewee.FloatField()
    do = peewee.TextField()


class Letter(peewee.Model):
    """A message on its way to one channel. name: the id of the message, the same for all channels. made, due: Unix
    seconds.
    """

    id = peewee.AutoField()
    name = peewee.TextField()
    channel = peewee.TextField()
    events = peewee.TextField()
    made = peewee.FloatField()
    due = peewee.FloatField()
    tries = peewee.IntegerField(default=0)
    error = peewee.TextField(default="")


class Made(peewee.Model):
    """When a message was made, for the limit in an hour."""

    at = peewee.FloatField()


class Member(peewee.Model):
    """Somebody in the group of the operators. key: the OpenPGP key, without armor. since: Unix seconds."""

    address = peewee.TextField(primary_key=True)
    fingerprint = peewee.TextField()
    key = peewee.BlobField()
    since = peewee.FloatField()


class Invitation(peewee.Model):
    """A link into the group. number, auth: the secrets in it. until: Unix seconds."""

    auth = peewee.TextField(primary_key=True)
    number = peewee.TextField()
    until = peewee.FloatField()


class Own(peewee.Model):
    """What the gateway is in the group: its address, its OpenPGP key with the secret part, the id of the group."""

    address = peewee.TextField(primary_key=True)
    fingerprint = peewee.TextField()
    secret = peewee.BlobField()
    public = peewee.BlobField()
    group = peewee.TextField(column_name="group_id")


MODELS = [Told, Waiting, Letter, Made, Member, Invitation, Own]


class Post(NamedTuple):
    """A `Letter` as it is sent."""

    row: int
    name: str
    channel: str
    events: list[Event]
    made: float
    tries: int
    error: str


class Database(FileDatabase):
    """All methods raise PluginError, with one line for operators; nothing is changed then."""

    def __init__(self, path: Path) -> None:
        super().__init__("alerts", path, MODELS)

    def run(self, work: Callable[[peewee.SqliteDatabase], T], *, writes: bool = True) -> T:
        try:
            return super().run(work, writes=writes)
        except ERRORS as error:
            raise PluginError(f"alerts: {self.path}: {error}") from error

    def told(self) -> list[Trouble]:
        return self.run(lambda db: [Trouble(*row) for row in Told.select().tuples().execute(db)], writes=False)

    def note(self, told: Sequence[Trouble], events: Iterable[Event]) -> None:
        """Keep what the operators know of from now on, together with what they are to be told: both or nothing."""

        def work(db: peewee.SqliteDatabase) -> None:
            Told.delete().execute(db)
            for one in told:
                Told.insert(key=one.key, what=one.what, since=one.since, do=one.do).execute(db)
            for event in events:
                _wait(db, event)

        self.run(work)

    def add(self, event: Event) -> None:
        self.run(lambda db: _wait(db, event))

    def waits(self) -> bool:
        """Is there an event that is in no message yet?"""
        return self.run(lambda db: Waiting.select().exists(db), writes=False)

    def compose(self, channels: Sequence[str], now: float, most: int, together: int) -> int:
        """Make messages of what waits, one for each event, or one for all if there are more than `together` or than may
        go out: not more than `most` in an hour. Returns how many were made.
        """

        def work(db: peewee.SqliteDatabase) -> int:
            rows = list(Waiting.select().order_by(Waiting.id).execute(db))
            # A clock that was ahead has left times that are yet to come: they do not count.
            Made.delete().where((Made.at < now - 3600) | (Made.at > now)).execute(db)
            room = most - Made.select().count(db)
            if not rows or room < 1 or not channels:
                return 0
            events = [Event(row.kind, Trouble(row.key, row.what, row.since, row.do), row.at) for row in rows]
            alone = len(events) == 1 or len(events) <= min(together, room - 1)  # the last one takes all that is left
            parts = [[event] for event in events] if alone else [events]
            for part in parts:
                name, text = secrets.token_hex(12), _text(part)
                Made.insert(at=now).execute(db)
                for channel in channels:
                    Letter.insert(name=name, channel=channel, events=text, made=now, due=now).execute(db)
            Waiting.delete().execute(db)
            return len(parts)

        return self.run(work)

    def posts(self) -> list[tuple[float, Post]]:
        """(when it is due, message), the oldest first."""

        def work(db: peewee.SqliteDatabase) -> list[tuple[float, Post]]:
            return [
                (row.due, Post(row.id, row.name, row.channel, _events(row.events), row.made, row.tries, row.error))
                for row in Letter.select().order_by(Letter.id).execute(db)
            ]

        return self.run(work, writes=False)

    def done(self, row: int) -> None:
        self.run(lambda db: Letter.delete().where(Letter.id == row).execute(db))

    def again(self, row: int, due: float, error: str) -> None:
        query = Letter.update(due=due, tries=Letter.tries + 1, error=error).where(Letter.id == row)
        self.run(query.execute)


def _wait(db: peewee.SqliteDatabase, event: Event) -> None:
    one = event.trouble
    Waiting.insert(kind=event.kind, at=event.at, key=one.key, what=one.what, since=one.since, do=one.do).execute(db)


def _text(events: Sequence[Event]) -> str:
    return json.dumps([(event.kind, dataclasses.astuple(event.trouble), event.at) for event in events])


def _events(text: str) -> list[Event]:
    return [Event(kind, Trouble(*trouble), at) for kind, trouble, at in json.loads(text)]
