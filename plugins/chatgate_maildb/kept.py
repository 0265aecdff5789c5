"""The mail in a backup: a copy of the database, its note, and the body files that the copy names."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from chatgate_filedb import ERRORS, copy_database, damaged, look

from chatgate.api import Change, Copy, KeptFiles, PluginError, Problem, WayBack
from chatgate_maildb import holding, integrity, way, without_mail
from chatgate_maildb.blobs import Blobs

_FILES = re.compile(r"mail\.db|mail\.db\.id|blobs/[0-9a-f]{2}/[0-9a-f]{32}")
_COUNTED = {"accounts": "account", "mailboxes": "mailbox", "messages": "message", "bodies": "body"}

# Apps have seen UIDs and modseqs that were given out after the backup, and pass by what is not above them. So each
# mailbox leaps over as many as that may have been, and says that it does not know what happened in between.
_LEAPT = 1_000_000
_LEAP = """UPDATE mailbox SET uidnext=min(uidnext+:leap, (uidnext+4294967295)/2), modseq=modseq+:leap,
    history=modseq+:leap"""


class KeptMail(KeptFiles):
    """folder: of the store."""

    def __init__(self, folder: Path) -> None:
        super().__init__("mail", folder)
        self._blobs = Blobs(folder / "blobs")

    @contextmanager
    def opened(self, room: Path, mail: bool) -> Iterator[Copy]:
        """The database is copied first, at one moment; the body files stay until all are read. A copy that is damaged
        is no backup: better to hear of that now.
        """
        database, note = self.path / "mail.db", self.path / "mail.db.id"
        if not database.exists():
            yield Copy([])  # made at the first start
            return
        with holding.held(self.path / "blobs"):
            copy = room / "mail.db"
            try:
                (copy_database if mail else without_mail.copy)(database, copy)
                counts, octets = _counts(copy), _octets_of_files(copy)
            except ERRORS as error:
                raise PluginError(f"maildb: {database} cannot be copied: {error}") from error
            if wrong := damaged(copy, quick=True):
                raise PluginError(f"maildb: {database} is damaged: {wrong[0]}")
            yield Copy(self._files(copy, note), copy.stat().st_size + octets, counts)

    def _files(self, copy: Path, note: Path) -> Iterator[tuple[str, Path]]:
        yield "mail.db", copy
        if note.exists():
            yield note.name, note
        for name in _body_files(copy):
            yield f"blobs/{name[:2]}/{name}", self._blobs.path(name)

    def place(self, name: str) -> Path:
        if not _FILES.fullmatch(name):
            raise ValueError(name)
        return self.path / name

    def counts(self, mail: bool) -> dict[str, int]:
        database = self.path / "mail.db"
        return _counts(database) if database.exists() else {}

    def resume(self) -> None:
        database = self.path / "mail.db"
        if database.exists():
            try:
                with closing(sqlite3.connect(database)) as connection, connection:
                    connection.execute(_LEAP, {"leap": _LEAPT})
            except sqlite3.Error as error:
                raise PluginError(f"maildb: {database} cannot be written: {error}") from error

    def change(self) -> Change | None:
        return way.change(self.path)

    def way_back(self, to: int | None) -> WayBack | None:
        return way.way_back(self.path, to)

    def proof(self, mail: bool, dns: bool) -> list[Problem]:
        return [Problem("error", f"maildb: {line}") for line in integrity.look(self.path, self._blobs)]


def _counts(database: Path) -> dict[str, int]:
    with look(database) as connection:
        return {
            what: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for what, table in _COUNTED.items()
        }


def _octets_of_files(database: Path) -> int:
    with look(database) as connection:
        return connection.execute("SELECT ifnull(sum(size), 0) FROM body WHERE file IS NOT NULL").fetchone()[0]


def _body_files(database: Path) -> Iterator[str]:
    """In the order of their names, which is that of the folders on disk."""
    with look(database) as connection:
        for (name,) in connection.execute("SELECT file FROM body WHERE file IS NOT NULL ORDER BY file"):
            yield name
