"""push.db: tokens, waiting notifications and counters. Only the answer to SETMETADATA depends on this file."""

from __future__ import annotations

from pathlib import Path

import peewee
from chatgate_filedb import FileDatabase

_BUSY_SECONDS = 5  # how long to wait for another process that writes


class Token(peewee.Model):
    """A device of an account. digest: SHA-256 of the value, by which everything else names the token.
    day: when a client last set it, in days since 1970-01-01: rounded on purpose, so as to know less about people.
    """

    id = peewee.AutoField()
    account_id = peewee.IntegerField()
    digest = peewee.BlobField(index=True)
    value = peewee.BlobField()
    day = peewee.IntegerField(index=True)

    class Meta:
        indexes = ((("account_id", "digest"), True),)


class Waiting(peewee.Model):
    """A notification not accepted yet; times in Unix seconds, see queue.Entry. The token's value is read from Token
    when it is sent, so removing a token also removes its notification.
    """

    digest = peewee.BlobField(primary_key=True)
    stored = peewee.FloatField()
    latest = peewee.FloatField()
    due = peewee.FloatField()
    tries = peewee.IntegerField()

    class Meta:
        without_rowid = True


class State(peewee.Model):
    """`metrics`: the counters as JSON, for commands, which are separate processes."""

    name = peewee.TextField(primary_key=True)
    value = peewee.TextField()


def database(path: Path) -> FileDatabase:
    """A power cut may lose the last seconds, a damaged file everything. No mail is lost with it, only notifications and
    tokens, which clients set again.
    """
    tables = (Token, Waiting, State)
    return FileDatabase("push", path, tables, durable=False, busy_seconds=_BUSY_SECONDS, replaceable=True)
