"""Schema versions. The database records its version in `meta`; opening it upgrades it to this program's version, one
step after the other, each in a transaction. A newer database is refused.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from peewee import SqliteDatabase

from chatgate.api import PluginError, starting
from chatgate_maildb.database import ERRORS
from chatgate_maildb.models import MODELS

log = logging.getLogger("chatgate.maildb")

Step = Callable[[SqliteDatabase], None]

_TOLD = 10.0  # seconds from one word on a step that takes its time to the next

_INCREMENTAL = 2  # auto_vacuum


def _up_2(database: SqliteDatabase) -> None:
    """Disabled accounts, quotas, tombstones, what was fetched; `created` becomes a day; indexes for the sweeper."""
    for sql in (
        "ALTER TABLE account ADD COLUMN disabled TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE account ADD COLUMN quota INTEGER",
        "UPDATE account SET created=created/86400",
        "CREATE INDEX account_idle ON account (max(last_login, created))",
        "CREATE TABLE hashkey (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL)",
        "INSERT INTO hashkey (name, value) VALUES ('tombstone', randomblob(32))",
        """CREATE TABLE tombstone (hash BLOB NOT NULL PRIMARY KEY, secret TEXT NOT NULL, day INTEGER NOT NULL)
           WITHOUT ROWID""",
        "ALTER TABLE message ADD COLUMN fetched INTEGER NOT NULL DEFAULT 0",
        "CREATE INDEX message_date ON message (date, mailbox_id, uid)",
        "CREATE INDEX message_large ON message (date, mailbox_id, uid) WHERE size>65536",
    ):
        database.execute_sql(sql)


def _up_3(database: SqliteDatabase) -> None:
    """Count the copies of bodies; drop two indexes of messages, and with them the foreign key to bodies, which needs
    one. As nothing searches for bodies without a message any more, those that exist are put into `released`.
    """
    for sql in (
        """CREATE TABLE shared (body_id INTEGER NOT NULL PRIMARY KEY, copies INTEGER NOT NULL,
           FOREIGN KEY (body_id) REFERENCES body (id) ON DELETE CASCADE)""",
        "CREATE TABLE released (id INTEGER NOT NULL PRIMARY KEY, body_id INTEGER NOT NULL)",
        "INSERT INTO shared SELECT body_id, count(*) FROM message GROUP BY body_id HAVING count(*)>1",
        """INSERT INTO released (body_id)
           SELECT id FROM body WHERE NOT EXISTS (SELECT 1 FROM message WHERE body_id=body.id)""",
        "ALTER TABLE message RENAME TO message_2",
        """CREATE TABLE message (mailbox_id INTEGER NOT NULL, uid INTEGER NOT NULL, body_id INTEGER NOT NULL,
           modseq INTEGER NOT NULL, flags TEXT NOT NULL, size INTEGER NOT NULL, date INTEGER NOT NULL,
           fetched INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (mailbox_id, uid),
           FOREIGN KEY (mailbox_id) REFERENCES mailbox (id)) WITHOUT ROWID""",
        """INSERT INTO message (mailbox_id, uid, body_id, modseq, flags, size, date, fetched)
           SELECT mailbox_id, uid, body_id, modseq, flags, size, date, fetched FROM message_2""",
        "DROP TABLE message_2",
        "CREATE INDEX message_modseq ON message (mailbox_id, modseq)",
        "CREATE INDEX message_large ON message (date, mailbox_id, uid) WHERE size>65536",
    ):
        database.execute_sql(sql)


def _up_4(database: SqliteDatabase) -> None:
    """The queue of outgoing mail."""
    for sql in (
        """CREATE TABLE outgoing (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, body_id INTEGER NOT NULL,
           account_id INTEGER, sender TEXT NOT NULL, recipient TEXT NOT NULL, domain TEXT NOT NULL,
           size INTEGER NOT NULL, came REAL NOT NULL, expires REAL NOT NULL, due REAL NOT NULL,
           attempts INTEGER NOT NULL, code INTEGER, enhanced TEXT, said TEXT)""",
        "CREATE INDEX outgoing_due ON outgoing (due)",
        "CREATE INDEX outgoing_account ON outgoing (account_id, size)",
        "INSERT INTO meta (key, value) VALUES ('queued', 0), ('queued_octets', 0)",
    ):
        database.execute_sql(sql)


def _up_5(database: SqliteDatabase) -> None:
    """Rows of the queue have a trace and may be held; the index by which they are claimed says what to pass by."""
    for sql in (
        "ALTER TABLE outgoing ADD COLUMN trace TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE outgoing ADD COLUMN held INTEGER NOT NULL DEFAULT 0",
        "DROP INDEX outgoing_due",
        "CREATE INDEX outgoing_due ON outgoing (due, id, domain, account_id)",
    ):
        database.execute_sql(sql)


# By the version that each step leads to. Steps are plain SQL of their time: models change, a migration must not.
MIGRATIONS: Mapping[int, Step] = {2: _up_2, 3: _up_3, 4: _up_4, 5: _up_5}
VERSION = 5


def version(database: SqliteDatabase) -> int:
    """The version of the schema on disk; 0 for an empty database."""
    try:
        if not database.execute_sql("SELECT 1 FROM sqlite_master WHERE type='table' AND name='meta'").fetchall():
            return 0
        ((value,),) = database.execute_sql("SELECT value FROM meta WHERE key='version'").fetchall()
        return value
    except (*ERRORS, ValueError) as error:
        raise PluginError(f"maildb: the schema version of {database.database} cannot be read: {error}") from error


def upgrade(
    database: SqliteDatabase,
    alone: bool,
    migrations: Mapping[int, Step] = MIGRATIONS,
    to: int = VERSION,
    save: Callable[[int], object] = lambda found: None,
) -> None:
    """Make the tables, or upgrade them to version `to`. save: called with the version found, before that is changed;
    what it raises leaves everything as it was. alone: no other process has the database open. Another process
    would still use the older schema and write what is wrong in the newer one, such as copies that nobody counts.
    Raises PluginError if the upgrade fails.
    """
    found = version(database)
    if found > to:
        raise PluginError(
            f"maildb: the database has schema version {found}, this program knows versions up to {to}: "
            "run the newer program, or restore a backup"
        )
    if 0 < found < to and not alone:
        raise PluginError(
            f"maildb: the database has schema version {found} and is in use by an older program: "
            "stop the gateway, then start it anew"
        )
    if 0 < found < to:
        save(found)
    while found < to:
        # Take the lock before checking again: another process may be upgrading right now.
        with transaction(database, f"to version {found + 1 if found else to}"):
            found = version(database)
            if found == 0:
                _create(database, to)
                found = to
            elif found < to:
                found += 1
                with _telling(database, f"to version {found} of {to}"):
                    migrations[found](database)
                set_version(database, found)
                log.warning("mail database brought to schema version %d", found)


def make_shrinkable(database: SqliteDatabase) -> None:
    """Rewrite a database of version 1, which was made without incremental vacuum: nothing less turns that on. If the
    disk is too full or another process has the database open, it stays as it is until the next start.
    """
    if database.execute_sql("PRAGMA auto_vacuum").fetchall() == [(_INCREMENTAL,)]:
        return
    log.warning("rewriting the mail database, so that free space can go back to the disk; this may take minutes")
    try:
        database.execute_sql(f"PRAGMA auto_vacuum={_INCREMENTAL}")
        database.execute_sql("VACUUM")
    except ERRORS as error:
        log.warning("the mail database was not rewritten, its free space stays its own for now: %s", error)


@contextmanager
def _telling(database: SqliteDatabase, what: str) -> Iterator[None]:
    """Tell while a step takes its time; its statements cannot say how far they are."""
    told = begun = time.monotonic()

    def tell() -> int:
        nonlocal told
        if (now := time.monotonic()) - told >= _TOLD:
            told = now
            starting(f"the mail database is brought {what}, for {now - begun:.0f} seconds now")
        return 0

    database.connection().set_progress_handler(tell, 1_000_000)
    try:
        yield
    finally:
        database.connection().set_progress_handler(None, 0)


@contextmanager
def transaction(database: SqliteDatabase, what: str) -> Iterator[None]:
    """Run a step completely or not at all; an error becomes one line for the operator."""
    try:
        database.begin("IMMEDIATE")
        yield
        database.commit()
    except BaseException as error:
        # The connection's own rollback: on a full disk the transaction is over already, and peewee's would fail.
        database.connection().rollback()
        if isinstance(error, (*ERRORS, KeyError)):
            raise PluginError(f"maildb: the database cannot be brought {what}: {error}") from error
        raise


def _create(database: SqliteDatabase, to: int) -> None:
    with database.bind_ctx(MODELS):
        database.create_tables(MODELS, safe=False)
    counters = "('uidvalidity', 0), ('queued', 0), ('queued_octets', 0)"
    database.execute_sql(f"INSERT INTO meta (key, value) VALUES ('version', ?), {counters}", (to,))
    database.execute_sql("INSERT INTO hashkey (name, value) VALUES ('tombstone', randomblob(32))")


def set_version(database: SqliteDatabase, to: int) -> None:
    database.execute_sql("UPDATE meta SET value=? WHERE key='version'", (to,))
