"""invite.db: the tokens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import peewee
from chatgate_filedb import ERRORS, FileDatabase

from chatgate.api import PluginError

T = TypeVar("T")


class Token(peewee.Model):
    """An invitation. uses: how many accounts may come of it, 0 for any number; used: how many did.
    expires: Unix seconds, 0 for never. quota: octets each account may keep, None for the store's default.
    note: the operator's own words. created: days since 1970-01-01.
    """

    token = peewee.TextField(primary_key=True)
    uses = peewee.IntegerField()
    used = peewee.IntegerField(default=0)
    expires = peewee.IntegerField()
    quota = peewee.BigIntegerField(null=True)
    note = peewee.TextField()
    created = peewee.IntegerField()

    class Meta:
        without_rowid = True


class Database(FileDatabase):
    def __init__(self, path: Path) -> None:
        super().__init__("invite", path, [Token])

    def run(self, work: Callable[[peewee.SqliteDatabase], T], *, writes: bool = True) -> T:
        """As one line for operators: raises PluginError."""
        try:
            return super().run(work, writes=writes)
        except ERRORS as error:
            raise PluginError(f"invite: {self.path}: {error}") from error
