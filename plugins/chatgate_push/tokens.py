"""Device tokens. These functions run inside `Database.run`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from typing import NamedTuple

from peewee import SqliteDatabase

from chatgate_push.database import Token


class Days(NamedTuple):
    """The days, since 1970-01-01, of tokens that count. Tomorrow does: the clock may have been put back a little."""

    first: int
    today: int

    @property
    def last(self) -> int:
        return self.today + 1

    @classmethod
    def at(cls, now: float, token_days: int) -> Days:
        today = int(now // 86400)
        return cls(today - token_days, today)


def digest(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()


def put(database: SqliteDatabase, account_id: int, value: bytes, days: Days, limit: int) -> None:
    """Keep the token, or note that it was set again. The account's longest not set ones go when there are too many."""
    key = digest(value)
    mine = Token.account_id == account_id
    known = Token.select(Token.day).where(mine, Token.digest == key).scalar(database)
    if known == days.today:
        return  # clients set it at every login: write once a day
    if known is not None:
        Token.update(day=days.today).where(mine, Token.digest == key).execute(database)
        return
    Token.insert(account_id=account_id, digest=key, value=value, day=days.today).execute(database)
    kept = Token.select(Token.id).where(mine).order_by(Token.day.desc(), Token.id.desc()).limit(limit)
    Token.delete().where(mine, Token.id.not_in(kept)).execute(database)


def of_account(database: SqliteDatabase, account_id: int, days: Days) -> list[bytes]:
    """Values in the order they came."""
    query = Token.select(Token.value).where(Token.account_id == account_id, Token.day.between(days.first, days.last))
    return [bytes(value) for (value,) in query.order_by(Token.id).tuples().execute(database)]


def remove(database: SqliteDatabase, account_id: int) -> None:
    Token.delete().where(Token.account_id == account_id).execute(database)


def expire(database: SqliteDatabase, days: Days, limit: int) -> int:
    """Forget up to `limit` tokens that do not count any more; how many."""
    old = Token.select(Token.id).where((Token.day < days.first) | (Token.day > days.last)).limit(limit)
    return Token.delete().where(Token.id.in_(old)).execute(database)


_LOOKUP = """SELECT account_id, digest FROM token WHERE account_id IN (SELECT value FROM json_each(?))
    AND day BETWEEN ? AND ?"""


def of_accounts(database: SqliteDatabase, account_ids: Collection[int], days: Days) -> list[tuple[int, bytes]]:
    """(account id, digest) of all tokens of these accounts."""
    return database.execute_sql(_LOOKUP, (json.dumps(list(account_ids)), days.first, days.last)).fetchall()


def values(database: SqliteDatabase, digests: Collection[bytes], days: Days) -> dict[bytes, bytes]:
    """The values of those tokens that still count."""
    marks = ",".join("?" * len(digests))
    sql = f"SELECT digest, value FROM token WHERE digest IN ({marks}) AND day BETWEEN ? AND ?"
    return dict(database.execute_sql(sql, (*digests, days.first, days.last)).fetchall())
