"""Reading an SQLite database without writing anything."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote


def untouched(path: Path) -> str:
    """The URI with which SQLite opens an existing database without writing to it or creating files beside it.

    In WAL mode even a reader would create the files -wal and -shm, and remove them in the end; "immutable" avoids that.
    But while another process has the database open, and after a crash, the contents of the -wal file count, too: then
    the database is opened as usual, and the index of that file, -shm, may be written.
    """
    log = path.with_name(path.name + "-wal")
    return f"file:{quote(str(path))}?{'mode=ro' if log.exists() else 'immutable=1'}"


def look(path: Path) -> closing[sqlite3.Connection]:
    """A connection that reads and leaves the database `untouched`, for `with`. Raises sqlite3.Error."""
    return closing(sqlite3.connect(untouched(path), uri=True))
