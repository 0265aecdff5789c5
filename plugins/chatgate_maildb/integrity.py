"""Checks for damage: SQLite's own checks, and what must be true of the rows and the files together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from chatgate_filedb import untouched
from peewee import SqliteDatabase

from chatgate.api import PluginError
from chatgate_maildb import belongs, migrations
from chatgate_maildb.blobs import Blobs
from chatgate_maildb.database import ERRORS, connect

# None of these queries finds anything in an intact database. Each row found completes the sentence in front.
_RULES = {
    "mailbox counters are wrong: mailbox": """SELECT box.id FROM mailbox box LEFT JOIN
        (SELECT mailbox_id, count(*) n, sum(size) octets, sum(instr(' '||flags||' ', ' \\Seen ')=0) unseen
         FROM message GROUP BY mailbox_id) real ON real.mailbox_id=box.id
        WHERE box.account_id IS NOT NULL AND (box.messages<>ifnull(n, 0) OR box.octets<>ifnull(real.octets, 0)
            OR box.unseen<>ifnull(real.unseen, 0))""",
    "a UID is not below UIDNEXT: mailbox": """SELECT DISTINCT box.id FROM mailbox box JOIN message ON mailbox_id=box.id
        WHERE uid>=uidnext OR uid<1""",
    "a modseq is above the mailbox's: mailbox": """SELECT DISTINCT box.id FROM mailbox box
        JOIN message ON mailbox_id=box.id WHERE message.modseq>box.modseq""",
    "a removed UID is still there: mailbox, UID": """SELECT mailbox_id, uid FROM expunged
        JOIN message USING (mailbox_id, uid)""",
    "a message size differs from its body's: mailbox, UID": """SELECT mailbox_id, uid FROM message
        JOIN body ON body.id=body_id WHERE message.size<>body.size""",
    "a message has no body: mailbox, UID": """SELECT mailbox_id, uid FROM message
        WHERE NOT EXISTS (SELECT 1 FROM body WHERE id=body_id)""",
    "no message has body": """SELECT id FROM body WHERE id NOT IN
        (SELECT body_id FROM message UNION ALL SELECT body_id FROM released UNION ALL SELECT body_id FROM outgoing)""",
    "the copies of a body are miscounted: body": """SELECT body_id FROM (SELECT body_id, count(*) n
        FROM (SELECT body_id FROM message UNION ALL SELECT body_id FROM released UNION ALL SELECT body_id FROM outgoing)
        GROUP BY body_id)
        LEFT JOIN shared USING (body_id) WHERE n<>ifnull(copies, 1)""",
    "not the size it should have, or neither or both of data and file: body": """SELECT id FROM body
        WHERE (file IS NULL)=(data IS NULL) OR (data IS NOT NULL AND length(data)<>size) OR header_size>size""",
    "the queue is miscounted: rows and octets": """SELECT n, octets
        FROM (SELECT count(*) n, ifnull(sum(size), 0) octets FROM outgoing)
        WHERE n<>(SELECT value FROM meta WHERE key='queued')
        OR octets<>(SELECT value FROM meta WHERE key='queued_octets')""",
    "what is queued has no body, or one of another size: row": """SELECT outgoing.id FROM outgoing
        LEFT JOIN body ON body.id=body_id WHERE body.size IS NOT outgoing.size""",
    "an account has no INBOX: account": """SELECT id FROM account WHERE NOT EXISTS
        (SELECT 1 FROM mailbox WHERE account_id=account.id AND name='INBOX')""",
}


def look(folder: Path, blobs: Blobs) -> list[str]:
    """The `problems` of a store that this process has not opened; nothing is written. The database of an older version
    is upgraded only at the next start; until then only SQLite's own checks are made.
    """
    file = folder / "mail.db"
    try:
        belongs.check_there(folder)
    except PluginError as error:
        return [str(error).removeprefix("maildb: ")]
    if not file.exists():
        return []  # made at the first start
    database = _untouched(file)
    try:
        database.connect()
        database.execute_sql("SELECT count(*) FROM sqlite_master")  # raises if it is not a database
        version = migrations.version(database)
        if version > migrations.VERSION:
            return [f"{file} has schema version {version}, this program knows versions up to {migrations.VERSION}"]
        return _problems(database, blobs) if version == migrations.VERSION else _damaged(database)
    except ERRORS as error:
        return [f"{file} cannot be read: {error}"]
    finally:
        database.close()


def of_other_domains(folder: Path, ours: Sequence[str]) -> int:
    """How many accounts nobody can log in to, as the gateway does not have their mail domain (any more). Also 0 if the
    database cannot be read: `look` says why. Nothing is written.
    """
    file = folder / "mail.db"
    if not os.path.exists(file):  # also if the folder may not be read
        return 0
    database = _untouched(file)
    try:
        database.connect()
        places = ", ".join("?" * len(ours))
        sql = f"SELECT count(*) FROM account WHERE substr(address, instr(address, '@') + 1) NOT IN ({places})"
        return int(database.execute_sql(sql, tuple(ours)).fetchone()[0])
    except ERRORS:
        return 0
    finally:
        database.close()


def _untouched(file: Path) -> SqliteDatabase:
    pragmas = {"query_only": 1}
    return SqliteDatabase(untouched(file), uri=True, pragmas=pragmas, thread_safe=False, autoconnect=False, timeout=5)


def problems(folder: Path, blobs: Blobs) -> list[str]:
    """The problems found, a line each. Slow on a large database: run it in a thread. Others may write meanwhile."""
    database = connect(folder, writing=False)
    try:
        return _problems(database, blobs)
    except ERRORS as error:
        return [f"the database cannot be read: {error}"]
    finally:
        database.close()


def _problems(database: SqliteDatabase, blobs: Blobs) -> list[str]:
    with database.atomic():  # all the following queries see the same state
        found = _rows(database)
        files = database.execute_sql("SELECT id, file, size FROM body WHERE file IS NOT NULL").fetchall()
    for body_id, name, size in files:
        there = blobs.size(name)
        if there != size and database.execute_sql("SELECT 1 FROM body WHERE id=?", (body_id,)).fetchall():
            found.append(f"file {blobs.path(name)} is {'missing' if there is None else 'damaged'}: body {body_id}")
    return found


def _damaged(database: SqliteDatabase) -> list[str]:
    return [line for (line,) in database.execute_sql("PRAGMA integrity_check(20)") if line != "ok"]


def _rows(database: SqliteDatabase) -> list[str]:
    found = _damaged(database)
    for table, _, parent, _ in database.execute_sql("PRAGMA foreign_key_check").fetchmany(20):
        found.append(f"a row of {table} refers to a missing row of {parent}")
    for what, sql in _RULES.items():
        found += [f"{what} {' '.join(map(str, row))}" for row in database.execute_sql(sql).fetchmany(20)]
    return found
