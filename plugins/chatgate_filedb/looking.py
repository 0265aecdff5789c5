"""Reading a database of SQLite without leaving a trace."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote


def untouched(path: Path) -> str:
    """The URI by which SQLite opens a database that is there, and writes nothing to it or beside it.

    In WAL mode even a reader would make the files -wal and -shm, and remove them in the end; "immutable" spares that.
    But beside a process that has the database open, and after a crash, what is in the -wal file counts, too: then it is
    read as usual, and the index of that file, -shm, may be touched.
    """
    log = path.with_name(path.name + "-wal")
    return f"file:{quote(str(path))}?{'mode=ro' if log.exists() else 'immutable=1'}"
