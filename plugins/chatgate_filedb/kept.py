"""A small database in a backup, and on its way from one version to another."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from chatgate.api import Change, Copy, KeptFiles, PluginError, Problem, WayBack
from chatgate_filedb.copying import copy_database, damaged
from chatgate_filedb.looking import look
from chatgate_filedb.saving import saved


class Backward(NamedTuple):
    """The SQL statement that undoes a migration. lost: what the older form cannot hold; counted: the statement that
    counts it.
    """

    statement: str
    lost: str = ""
    counted: str = ""


class KeptDatabase(KeptFiles):
    """An SQLite file. name, path: as in `KeptFiles`. For one that changes with versions, see `FileDatabase.kept`:
    owner: the plugin. version: of its form, as the program has it. backward: what undoes each step to that.
    """

    def __init__(
        self, name: str, path: Path, owner: str = "", version: int = 0, backward: Sequence[Backward] = ()
    ) -> None:
        super().__init__(name, path)
        self._owner, self._version, self._backward = owner, version, backward

    @contextmanager
    def opened(self, room: Path, mail: bool) -> Iterator[Copy]:
        if not self.path.exists():
            yield Copy([])
            return
        copy = room / "copy.db"
        try:
            copy_database(self.path, copy)
        except sqlite3.Error as error:
            raise PluginError(f"{self.path} cannot be read: {error}") from error
        if wrong := damaged(copy):
            raise PluginError(f"{self.path} is damaged: {wrong[0]}")
        yield Copy([("", copy)], copy.stat().st_size)

    def place(self, name: str) -> Path:
        if name:
            raise ValueError(name)
        return self.path

    def proof(self, mail: bool, dns: bool) -> list[Problem]:
        if not self.path.exists():
            return []
        return [Problem("error", f"{self.path.name}: {line}") for line in damaged(self.path)]

    def change(self) -> Change | None:
        found = self._found()
        if not found or found >= self._version:
            return None
        return Change(found, self._version, self.path.stat().st_size)

    def way_back(self, to: int | None) -> WayBack | None:
        found = self._found()
        older = [version for version in saved(self.path) if version < found] if found else []
        if not older:
            return None
        wanted = older[-1]
        if found != self._version or wanted < found - len(self._backward):
            raise PluginError(f"{self._owner}: there is no way from version {found} of {self.path} to {wanted}")
        steps = self._backward[::-1][: found - wanted]
        with look(self.path) as connection:
            counted = [(connection.execute(one.counted).fetchone()[0], one.lost) for one in steps if one.counted]
        lost = [f"{count} {what}" for count, what in counted if count]
        return WayBack(found, wanted, lost, lambda: self._go(found, wanted, steps))

    def _go(self, found: int, wanted: int, steps: Sequence[Backward]) -> None:
        try:
            with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
                connection.execute("PRAGMA synchronous=full")
                connection.execute("BEGIN IMMEDIATE")
                if connection.execute("PRAGMA user_version").fetchall() != [(found,)]:
                    raise PluginError(f"{self._owner}: somebody else has changed {self.path} just now")
                for one in steps:
                    connection.execute(one.statement)
                connection.execute(f"PRAGMA user_version={wanted}")
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise PluginError(f"{self._owner}: {self.path} cannot be brought back: {error}") from error

    def _found(self) -> int:
        """The version on disk; 0 where there is none."""
        if not self._version or not self.path.exists():
            return 0
        try:
            with look(self.path) as connection:
                return int(connection.execute("PRAGMA user_version").fetchone()[0])
        except sqlite3.Error as error:
            raise PluginError(f"{self._owner}: {self.path} cannot be read: {error}") from error
