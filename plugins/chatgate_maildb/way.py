"""From one version of the schema to another: what the next start would do, what is saved before, and the way back.

Each step has a step back, in plain SQL of its time like the step itself. It keeps all mail that came since; what the
older form cannot hold is said before.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from chatgate_filedb import ERRORS, damaged, look, saved
from chatgate_filedb import save as save_copy

from chatgate.api import Change, PluginError, WayBack, starting
from chatgate_maildb import database, migrations
from chatgate_maildb.options import MailDbOptions

log = logging.getLogger("chatgate.maildb")


class _Back(NamedTuple):
    """One step. lost: (what, statement that counts it)."""

    statements: tuple[str, ...]
    lost: tuple[tuple[str, str], ...] = ()


# By the version that each leads to. What waits for other servers has its copies counted like a message's, and is
# released like one.
_BACK: Mapping[int, _Back] = {
    4: _Back(
        (
            "DROP INDEX outgoing_due",
            "ALTER TABLE outgoing DROP COLUMN trace",
            "ALTER TABLE outgoing DROP COLUMN held",
            "CREATE INDEX outgoing_due ON outgoing (due)",
        ),
        (("recipients elsewhere for whom you hold mail: it is sent", "SELECT count(*) FROM outgoing WHERE held"),),
    ),
    3: _Back(
        (
            "INSERT INTO released (body_id) SELECT body_id FROM outgoing",
            "DROP TABLE outgoing",
            "DELETE FROM meta WHERE key IN ('queued', 'queued_octets')",
        ),
        (("recipients elsewhere for whom mail waits: they do not get it", "SELECT count(*) FROM outgoing"),),
    ),
}


def save(folder: Path, options: MailDbOptions, found: int) -> None:
    """Copy the database before it is changed. Raises PluginError: then nothing must be changed."""
    file = folder / "mail.db"
    size = file.stat().st_size
    starting(f"the mail database, of {size / 1e6:.0f} MB, is brought from version {found} to {migrations.VERSION}")
    if not options.save_before_change:
        return
    try:
        save_copy(file, found)
    except (*ERRORS, OSError) as error:
        raise PluginError(
            f"maildb: {file} could not be copied before its form is changed, so nothing was changed: {error}; "
            f"it takes {size / 1e6:.0f} MB, or save_before_change = false in conf.d"
        ) from error


def change(folder: Path) -> Change | None:
    """What the next start will do. Nothing is written. Raises PluginError."""
    file = folder / "mail.db"
    if not file.exists():
        return None
    found = _version(file)
    if found == migrations.VERSION:
        return None
    with look(file) as connection:
        rows = connection.execute("SELECT count(*) FROM message").fetchone()[0]
    return Change(found, migrations.VERSION, file.stat().st_size, rows)


def way_back(folder: Path, to: int | None) -> WayBack | None:
    """As `KeptFiles.way_back`."""
    file = folder / "mail.db"
    if not file.exists():
        return None
    found = _version(file)
    older = [version for version in saved(file) if version < found]
    wanted = to if to is not None else older[-1] if older else found
    if wanted == found:
        return None
    steps = range(found - 1, wanted - 1, -1)
    if found > migrations.VERSION or wanted > found or any(version not in _BACK for version in steps):
        raise PluginError(f"maildb: there is no way from version {found} of the mail database to {wanted}")
    lost = []
    with look(file) as connection:
        for what, sql in (one for version in steps for one in _BACK[version].lost):
            if count := connection.execute(sql).fetchone()[0]:
                lost.append(f"{count} {what}")
    return WayBack(found, wanted, lost, lambda: _go(folder, found, wanted))


def _go(folder: Path, found: int, wanted: int) -> None:
    presence = database.Presence(folder)
    try:
        if not presence.alone:
            raise PluginError("maildb: the mail database is in use: stop the gateway first")
        with closing(database.connect(folder, writing=True)) as opened:
            with migrations.transaction(opened, f"back to version {wanted}"):
                if migrations.version(opened) != found:
                    raise PluginError("maildb: somebody else has changed the mail database just now")
                for version in range(found - 1, wanted - 1, -1):
                    for sql in _BACK[version].statements:
                        opened.execute_sql(sql)
                migrations.set_version(opened, wanted)
        if wrong := damaged(folder / "mail.db"):
            raise PluginError(f"maildb: the mail database is damaged: {wrong[0]}")
    finally:
        presence.close()
    log.warning("mail database brought back to schema version %d", wanted)


def _version(file: Path) -> int:
    try:
        with look(file) as connection:
            ((value,),) = connection.execute("SELECT value FROM meta WHERE key='version'").fetchall()
            return int(value)
    except (sqlite3.Error, ValueError) as error:
        raise PluginError(f"maildb: the schema version of {file} cannot be read: {error}") from error
