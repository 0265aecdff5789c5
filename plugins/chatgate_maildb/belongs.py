"""Does the database belong to this folder?

A lost database must not look like a new server: anybody could take the addresses. So a folder that had a database says
so in the file `mail.db.id`, with a hash of the random key that each database is created with. A backup of the database
has the same key.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from peewee import SqliteDatabase

from chatgate.api import PluginError
from chatgate_maildb import blobs


def check_there(folder: Path) -> None:
    """Call it before SQLite opens the database, as SQLite discards the log of an empty file. Raises PluginError."""
    try:
        _check_there(folder)
    except OSError as error:
        raise PluginError(f"maildb: {folder} cannot be read: {error.strerror}") from error


def _check_there(folder: Path) -> None:
    file = folder / "mail.db"
    if file.exists() and file.stat().st_size:
        return
    trace = _trace(folder)
    if trace:
        what = "is empty" if file.exists() else "is missing"
        raise PluginError(
            f"maildb: {file} {what}, but {trace} shows that there was one: restore it from a backup, or move "
            f"{folder} away to begin without accounts"
        )


def check_same(folder: Path, database: SqliteDatabase) -> None:
    """Call it when the schema is up to date. A folder without the note gets one. Raises PluginError."""
    keys = database.execute_sql("SELECT value FROM hashkey WHERE name='tombstone'").fetchall()
    own = hashlib.blake2b(b"".join(key for (key,) in keys), digest_size=16, person=b"mail.db.id").hexdigest()
    note = folder / "mail.db.id"
    try:
        if note.exists():
            if note.read_text().strip() not in ("", own):
                raise PluginError(
                    f"maildb: {folder / 'mail.db'} is another database than the one that was here: restore that one "
                    f"from a backup, or, if this is the right one, remove {note}"
                )
            return
        descriptor = os.open(note, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(own + "\n")
    except OSError:
        pass  # a full disk, for example: the next start will write it


def _trace(folder: Path) -> str:
    """The file that shows that there was a database: our note, its log, a gateway's socket, or bodies; "" for none."""
    for name in ("mail.db.id", "wake"):
        if (folder / name).exists():
            return name
    log = folder / "mail.db-wal"
    if log.exists() and log.stat().st_size:
        return log.name
    return "blobs" if any(blobs.NAME.fullmatch(path.name) for path in (folder / "blobs").glob("??/*")) else ""
