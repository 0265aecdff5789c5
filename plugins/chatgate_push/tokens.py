"""Device tokens in push.db."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import TypeVar

from chatgate_filedb import ERRORS, FileDatabase
from peewee import SqliteDatabase, fn

from chatgate.api import PluginError
from chatgate_push.database import Token
from chatgate_push.hooks import Days, digest

T = TypeVar("T")

_LOOKUP = """SELECT account_id, digest FROM token WHERE account_id IN (SELECT value FROM json_each(?))
    AND day BETWEEN ? AND ?"""


class FileTokens:
    """`DeviceTokens` of a gateway whose processes share a folder."""

    def __init__(self, database: FileDatabase) -> None:
        self._database = database

    def put(self, account_id: int, value: bytes, days: Days, limit: int) -> None:
        self._write(lambda database: _put(database, account_id, value, days, limit))

    def of_account(self, account_id: int, days: Days) -> list[bytes]:
        mine = Token.account_id == account_id
        query = Token.select(Token.value).where(mine, Token.day.between(days.first, days.last)).order_by(Token.id)
        return self._read(lambda database: [bytes(value) for (value,) in query.tuples().execute(database)])

    def remove(self, account_id: int) -> None:
        self._write(Token.delete().where(Token.account_id == account_id).execute)

    def expire(self, days: Days, limit: int) -> int:
        old = Token.select(Token.id).where((Token.day < days.first) | (Token.day > days.last)).limit(limit)
        return self._write(Token.delete().where(Token.id.in_(old)).execute)

    def forget(self, digests: Collection[bytes]) -> None:
        rows = [(one,) for one in digests]
        self._write(lambda database: database.connection().executemany("DELETE FROM token WHERE digest=?", rows))

    def of_accounts(self, account_ids: Collection[int], days: Days) -> list[tuple[int, bytes]]:
        facts = json.dumps(list(account_ids)), days.first, days.last
        return self._read(lambda database: database.execute_sql(_LOOKUP, facts).fetchall())

    def values(self, digests: Collection[bytes], days: Days) -> dict[bytes, bytes]:
        marks, facts = ",".join("?" * len(digests)), (*digests, days.first, days.last)
        sql = f"SELECT digest, value FROM token WHERE digest IN ({marks}) AND day BETWEEN ? AND ?"
        return dict(self._read(lambda database: database.execute_sql(sql, facts).fetchall()))

    def counts(self) -> tuple[int, int]:
        query = Token.select(fn.COUNT(Token.id), fn.COUNT(fn.DISTINCT(Token.account_id))).tuples()
        ((devices, owners),) = self._read(lambda database: list(query.execute(database)))
        return devices, owners

    def _read(self, work: Callable[[SqliteDatabase], T]) -> T:
        return self._run(work, False)

    def _write(self, work: Callable[[SqliteDatabase], T]) -> T:
        return self._run(work, True)

    def _run(self, work: Callable[[SqliteDatabase], T], writes: bool) -> T:
        try:
            return self._database.run(work, writes=writes)
        except ERRORS as error:
            what = "written" if writes else "read"
            raise PluginError(f"push: {self._database.path} cannot be {what}: {error}") from error


def _put(database: SqliteDatabase, account_id: int, value: bytes, days: Days, limit: int) -> None:
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
