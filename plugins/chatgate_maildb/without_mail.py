"""A copy of the database that has no mail: accounts, mailboxes and all that clients have put beside their mail."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from chatgate_filedb import reading

from chatgate.api import PluginError
from chatgate_maildb.migrations import VERSION

_MAIL = {"body", "shared", "released", "message", "outgoing", "expunged"}

# For whoever has seen the mail, it was removed; what was removed is not known any more, so clients are told of all
# UIDs that are gone. UIDs go on where they were.
_EMPTIED = (
    "UPDATE mailbox SET messages=0, unseen=0, octets=0, modseq=modseq+1, history=modseq+1",
    "UPDATE meta SET value=0 WHERE key IN ('queued', 'queued_octets')",
)


def copy(path: Path, target: Path) -> None:
    """Copy into a new file. Raises sqlite3.Error, OSError, PluginError."""
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with reading(path) as source, contextlib.closing(sqlite3.connect(target, isolation_level=None)) as made:
        found = source.execute("SELECT value FROM meta WHERE key='version'").fetchall()
        if found != [(VERSION,)]:
            raise PluginError(
                "maildb: the database is one of another version: a backup without mail can be made after the next "
                "start, one with mail now"
            )
        made.execute("PRAGMA auto_vacuum=incremental")
        made.execute("BEGIN")
        schema = source.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        for kind, name, sql in sorted(schema, key=lambda row: row[0] != "table"):
            if not name.startswith("sqlite_"):
                made.execute(sql)
                if kind == "table" and name not in _MAIL:
                    _copy_rows(source, made, name)
        if source.execute("SELECT 1 FROM sqlite_master WHERE name='sqlite_sequence'").fetchall():
            made.execute("DELETE FROM sqlite_sequence")
            _copy_rows(source, made, "sqlite_sequence")
        for sql in _EMPTIED:
            made.execute(sql)
        made.execute("COMMIT")


def _copy_rows(source: sqlite3.Connection, made: sqlite3.Connection, table: str) -> None:
    rows = source.execute(f"SELECT * FROM {table}")
    places = ", ".join("?" * len(rows.description))
    made.executemany(f"INSERT INTO {table} VALUES ({places})", rows)
