"""invite.db: the invitations of a gateway whose processes share a folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import peewee
from chatgate_filedb import ERRORS, Backward, FileDatabase

from chatgate.api import PluginError
from chatgate_invite.hooks import Token

T = TypeVar("T")

_MIGRATIONS = ("ALTER TABLE token ADD COLUMN domain TEXT NOT NULL DEFAULT ''",)
_BACKWARD = (
    Backward(
        "ALTER TABLE token DROP COLUMN domain",
        "invitations are for one domain: they let people in at all",
        "SELECT count(*) FROM token WHERE domain<>''",
    ),
)


class Row(peewee.Model):
    """What the columns mean is said by `Token`."""

    token = peewee.TextField(primary_key=True)
    uses = peewee.IntegerField()
    used = peewee.IntegerField(default=0)
    expires = peewee.IntegerField()
    quota = peewee.BigIntegerField(null=True)
    note = peewee.TextField()
    created = peewee.IntegerField()
    domain = peewee.TextField(default="")

    class Meta:
        table_name = "token"
        without_rowid = True


class Database(FileDatabase):
    """`Invitations` in a file."""

    def __init__(self, path: Path) -> None:
        super().__init__("invite", path, [Row], migrations=_MIGRATIONS, backward=_BACKWARD)

    def run(self, work: Callable[[peewee.SqliteDatabase], T], *, writes: bool = True) -> T:
        """Like `FileDatabase.run`, but raises PluginError, with one line for operators."""
        try:
            return super().run(work, writes=writes)
        except ERRORS as error:
            raise PluginError(f"invite: {self.path}: {error}") from error

    def look(self) -> None:
        """Raises PluginError when the file cannot be read; one of an older program can be."""
        self.run(Row.select(Row.token).limit(1).execute, writes=False)

    def create(self, token: Token) -> None:
        self.run(Row.insert(dataclasses.asdict(token)).execute)

    def find(self, token: str) -> Token | None:
        return next(iter(self._tokens(Row.select().where(Row.token == token))), None)

    def all(self) -> list[Token]:
        return self._tokens(Row.select().order_by(Row.created, Row.token))

    def revoke(self, token: str) -> bool:
        return bool(self.run(Row.delete().where(Row.token == token).execute))

    def take(self, token: str, now: float) -> bool:
        """A single statement decides, so that it is atomic across processes."""
        left = (Row.uses == 0) | (Row.used < Row.uses)
        valid = (Row.expires == 0) | (Row.expires > int(now))
        query = Row.update(used=Row.used + 1).where(Row.token == token, left, valid)
        return bool(self.run(query.execute))

    def give_back(self, token: str) -> None:
        query = Row.update(used=Row.used - 1).where(Row.token == token, Row.used > 0)
        self.run(query.execute)

    def forget(self, before: int) -> int:
        query = Row.delete().where(Row.expires > 0, Row.expires < before)
        return self.run(query.execute)

    def _tokens(self, query: peewee.ModelSelect[Row]) -> list[Token]:
        return self.run(lambda database: [Token(**row) for row in query.dicts().execute(database)], writes=False)
