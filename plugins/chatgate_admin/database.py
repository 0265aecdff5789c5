"""admin.db: the password's hash, the second factor, who is logged in, what was done. Shared by all processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import peewee
from chatgate_filedb import ERRORS, FileDatabase

from chatgate.api import PluginError

T = TypeVar("T")


class Setting(peewee.Model):
    """A text by its name."""

    name = peewee.TextField(primary_key=True)
    value = peewee.TextField()

    class Meta:
        without_rowid = True


class Login(peewee.Model):
    """A login. digest: SHA-256 of the cookie's value, which only the browser has. Times in Unix seconds. message: what
    the next page shows.
    """

    digest = peewee.BlobField(primary_key=True)
    began = peewee.FloatField()
    seen = peewee.FloatField()
    message = peewee.TextField(default="")

    class Meta:
        without_rowid = True


class Action(peewee.Model):
    """What the operator did. at: Unix seconds. result: what the operator was told came of it."""

    id = peewee.AutoField()
    at = peewee.FloatField()
    page = peewee.TextField()
    action = peewee.TextField()
    about = peewee.TextField()
    result = peewee.TextField()


class Database(FileDatabase):
    """Raises PluginError, with one line for operators, when the file cannot be read or written."""

    def __init__(self, path: Path) -> None:
        super().__init__("admin", path, [Setting, Login, Action])

    def run(self, work: Callable[[peewee.SqliteDatabase], T], *, writes: bool = True) -> T:
        try:
            return super().run(work, writes=writes)
        except ERRORS as error:
            raise PluginError(f"admin: {self.path}: {error}") from error

    def get(self, *names: str) -> dict[str, str]:
        """Those of these settings that are there."""
        query = Setting.select().where(Setting.name.in_(names)).tuples()
        return dict(self.run(lambda database: list(query.execute(database)), writes=False))


def put(database: peewee.SqliteDatabase, name: str, value: str | None) -> None:
    """Within a job: set this setting, or remove it."""
    if value is None:
        Setting.delete().where(Setting.name == name).execute(database)
    else:
        Setting.replace(name=name, value=value).execute(database)


def got(database: peewee.SqliteDatabase, name: str) -> str:
    """Within a job: this setting; "" if it is not there."""
    return Setting.select(Setting.value).where(Setting.name == name).scalar(database) or ""
