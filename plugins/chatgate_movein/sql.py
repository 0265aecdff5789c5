"""The databases of other servers, read only: SQLite files and PostgreSQL. What is in them is not trusted to be of the
type that its column says.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chatgate_movein.records import Unreadable

Rows = list[tuple[Any, ...]]


class Database:
    """where: the path of a SQLite file, or what libpq takes: a postgresql:// URL or words such as "dbname=maddy". All
    methods raise Unreadable.
    """

    def __init__(self, where: str) -> None:
        self.name = where if is_file(where) else "the PostgreSQL database"
        self._errors: tuple[type[Exception], ...] = (sqlite3.Error, OverflowError)
        self._connection: Any
        if is_file(where):
            self._mark, self._connection = "?", self._opened(Path(where))
            self._tables = "SELECT name FROM sqlite_master WHERE type='table'"
        else:
            self._mark, self._connection = "%s", self._connected(where)
            self._tables = "SELECT table_name FROM information_schema.tables WHERE table_schema=current_schema()"
        self.tables = {str(name).lower() for (name,) in self.rows(self._tables)}

    def _opened(self, path: Path) -> sqlite3.Connection:
        if not path.is_file():
            raise Unreadable(f"{path}: no such file")
        connection = None
        try:
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
            connection.text_factory = lambda octets: octets.decode("utf-8", "replace")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            wal = path.with_name(path.name + "-wal")
            if wal.exists() and wal.stat().st_size:
                raise Unreadable(
                    f"{path}: {error}; it was not closed in good order: stop its server, or copy it with its -wal file "
                    "into a folder that this program may write to"
                ) from None
            raise Unreadable(f"{path}: {error}") from None
        return connection

    def _connected(self, where: str) -> Any:
        try:
            import psycopg
        except ImportError:
            raise Unreadable("PostgreSQL needs the package psycopg: install chatgate[import]") from None
        self._errors = (psycopg.Error, UnicodeError)
        try:
            connection = psycopg.connect(where, autocommit=True, connect_timeout=10, client_encoding="utf8")
            connection.execute("SET default_transaction_read_only = on")
        except psycopg.Error as error:
            text = " ".join(str(error).split())
            raise Unreadable(f"PostgreSQL: {text}") from None
        return connection

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> Rows:
        """All rows. Parameters are marked by "?" in the statement."""
        try:
            found: Rows = self._connection.execute(statement.replace("?", self._mark), parameters).fetchall()
        except self._errors as error:
            raise Unreadable(f"{self.name}: {' '.join(str(error).split())}") from None
        return found

    def columns(self, table: str) -> set[str]:
        """Of one of our own words for a table: it becomes part of a statement."""
        try:
            cursor = self._connection.execute(f"SELECT * FROM {table} LIMIT 0")
        except self._errors as error:
            raise Unreadable(f"{self.name}: {' '.join(str(error).split())}") from None
        return {column[0].lower() for column in cursor.description}

    def close(self) -> None:
        self._connection.close()


def is_file(where: str) -> bool:
    """Is it the name of a file, and not where PostgreSQL is?"""
    return not where.startswith(("postgres://", "postgresql://")) and "=" not in where


def number(value: Any, least: int, most: int) -> int | None:
    """The value, if it is a whole number in this range."""
    return value if isinstance(value, int) and least <= value <= most else None


def text(value: Any) -> str:
    """ "" if it is no text."""
    return value if isinstance(value, str) else ""
