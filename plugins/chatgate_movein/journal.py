"""movein.db: what an import has done, so that one that was cut off goes on, and a second one brings what is new."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import peewee
from chatgate_filedb import ERRORS, FileDatabase

from chatgate.api import PluginError


class Moved(peewee.Model):
    """An account that is moving or has moved. origin: the kind of server and the name there. account_id: NULL until it
    is made here. done: all of it was brought at least once.
    """

    origin = peewee.TextField(primary_key=True)
    address = peewee.TextField()
    account_id = peewee.IntegerField(null=True)
    done = peewee.BooleanField(default=False)

    class Meta:
        without_rowid = True


class Box(peewee.Model):
    """A mailbox. upto: the highest UID that was dealt with. uidnext: what the mailbox had then. aim: what it has once a
    batch is stored that was about to be.
    """

    mailbox_id = peewee.IntegerField(primary_key=True)
    upto = peewee.IntegerField()
    uidnext = peewee.IntegerField()
    aim = peewee.IntegerField()


class Journal:
    """Each method is on disk when it returns. They raise PluginError. writes: False where it is only asked."""

    def __init__(self, path: Path, writes: bool = True) -> None:
        self._there = writes or path.exists()
        self._database = FileDatabase("movein", path, (Moved, Box))
        self._database.read_only = not writes

    def find(self, origin: str) -> Moved | None:
        return self._one(Moved.select().where(Moved.origin == origin))

    def begin(self, origin: str, address: str) -> None:
        self._run(Moved.insert(origin=origin, address=address).on_conflict_ignore())

    def made(self, origin: str, account_id: int) -> None:
        self._run(Moved.update(account_id=account_id).where(Moved.origin == origin))

    def done(self, origin: str) -> None:
        self._run(Moved.update(done=True).where(Moved.origin == origin))

    def unfinished(self) -> int:
        """How many accounts have begun to move and are not here as a whole."""
        return len(self._all(Moved.select().where(~Moved.done, Moved.account_id.is_null(False))))

    def box(self, mailbox_id: int) -> Box | None:
        return self._one(Box.select().where(Box.mailbox_id == mailbox_id))

    def reached(self, mailbox_id: int, upto: int, uidnext: int, aim: int) -> None:
        self._run(Box.replace(mailbox_id=mailbox_id, upto=upto, uidnext=uidnext, aim=aim))

    def close(self) -> None:
        self._database.close()

    def _all(self, query: Any) -> list[Any]:
        if not self._there:
            return []
        try:
            return self._database.run(lambda database: list(query.execute(database)), writes=False)
        except ERRORS as error:
            raise PluginError(f"movein: {self._database.path}: {error}") from error

    def _one(self, query: Any) -> Any:
        return next(iter(self._all(query)), None)

    def _run(self, query: Any) -> None:
        try:
            self._database.run(query.execute)
        except ERRORS as error:
            raise PluginError(f"movein: {self._database.path}: {error}") from error
