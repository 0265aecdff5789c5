"""A small database in a backup."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chatgate.api import Copy, KeptFiles, PluginError, Problem
from chatgate_filedb.copying import copy_database, damaged


class KeptDatabase(KeptFiles):
    """An SQLite file. name, path: as in `KeptFiles`."""

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
