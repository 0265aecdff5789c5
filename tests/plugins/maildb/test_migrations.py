"""Schema versions: forward on opening, each step whole."""

import re
import sqlite3
import subprocess
import sys
import time

import pytest
from chatgate_maildb import database, migrations

from chatgate.api import AddressGone, Delivery, Kept, Message, Outgoing, PluginError, Queued, Reply

# Version 1 as it was released. Never change it: whoever changes the models adds a migration, and a version here.
VERSION_1 = """
CREATE TABLE "meta" ("key" TEXT NOT NULL PRIMARY KEY, "value" INTEGER NOT NULL);
CREATE TABLE "account" ("id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "address" TEXT NOT NULL,
    "secret" TEXT NOT NULL, "created" INTEGER NOT NULL, "last_login" INTEGER NOT NULL);
CREATE UNIQUE INDEX "account_address" ON "account" ("address");
CREATE TABLE "mailbox" ("id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "account_id" INTEGER, "name" TEXT NOT NULL,
    "uidvalidity" INTEGER NOT NULL, "uidnext" INTEGER NOT NULL, "modseq" INTEGER NOT NULL, "history" INTEGER NOT NULL,
    "special_use" TEXT NOT NULL, "messages" INTEGER NOT NULL, "unseen" INTEGER NOT NULL, "octets" INTEGER NOT NULL,
    FOREIGN KEY ("account_id") REFERENCES "account" ("id"));
CREATE UNIQUE INDEX "mailbox_account_id_name" ON "mailbox" ("account_id", "name");
CREATE TABLE "body" ("id" INTEGER NOT NULL PRIMARY KEY, "size" INTEGER NOT NULL, "header_size" INTEGER NOT NULL,
    "file" TEXT, "data" BLOB);
CREATE UNIQUE INDEX "body_file" ON "body" ("file") WHERE ("file" IS NOT NULL);
CREATE TABLE "message" ("mailbox_id" INTEGER NOT NULL, "uid" INTEGER NOT NULL, "body_id" INTEGER NOT NULL,
    "modseq" INTEGER NOT NULL, "flags" TEXT NOT NULL, "size" INTEGER NOT NULL, "date" INTEGER NOT NULL,
    PRIMARY KEY ("mailbox_id", "uid"), FOREIGN KEY ("mailbox_id") REFERENCES "mailbox" ("id"),
    FOREIGN KEY ("body_id") REFERENCES "body" ("id")) WITHOUT ROWID;
CREATE INDEX "message_modseq" ON "message" ("mailbox_id", "modseq");
CREATE INDEX "message_body" ON "message" ("body_id");
CREATE TABLE "expunged" ("mailbox_id" INTEGER NOT NULL, "modseq" INTEGER NOT NULL, "uid" INTEGER NOT NULL,
    PRIMARY KEY ("mailbox_id", "modseq", "uid"), FOREIGN KEY ("mailbox_id") REFERENCES "mailbox" ("id")) WITHOUT ROWID;
CREATE TABLE "subscription" ("account_id" INTEGER NOT NULL, "name" TEXT NOT NULL, PRIMARY KEY ("account_id", "name"),
    FOREIGN KEY ("account_id") REFERENCES "account" ("id") ON DELETE CASCADE) WITHOUT ROWID;
CREATE TABLE "annotation" ("account_id" INTEGER NOT NULL, "mailbox" TEXT NOT NULL, "entry" TEXT NOT NULL,
    "value" BLOB NOT NULL, PRIMARY KEY ("account_id", "mailbox", "entry"),
    FOREIGN KEY ("account_id") REFERENCES "account" ("id") ON DELETE CASCADE) WITHOUT ROWID;
"""
# What version 2 added, likewise.
VERSION_2 = """
ALTER TABLE account ADD COLUMN "disabled" TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN "quota" INTEGER;
CREATE INDEX account_idle ON account (max(last_login, created));
CREATE TABLE "hashkey" ("name" TEXT NOT NULL PRIMARY KEY, "value" BLOB NOT NULL);
CREATE TABLE "tombstone" ("hash" BLOB NOT NULL PRIMARY KEY, "secret" TEXT NOT NULL, "day" INTEGER NOT NULL)
    WITHOUT ROWID;
ALTER TABLE message ADD COLUMN "fetched" INTEGER NOT NULL DEFAULT 0;
CREATE INDEX "message_date" ON "message" ("date", "mailbox_id", "uid");
CREATE INDEX "message_large" ON "message" ("date", "mailbox_id", "uid") WHERE size>65536;
"""
# What version 3 did, likewise.
VERSION_3 = """
CREATE TABLE "shared" ("body_id" INTEGER NOT NULL PRIMARY KEY, "copies" INTEGER NOT NULL,
    FOREIGN KEY ("body_id") REFERENCES "body" ("id") ON DELETE CASCADE);
CREATE TABLE "released" ("id" INTEGER NOT NULL PRIMARY KEY, "body_id" INTEGER NOT NULL);
DROP TABLE message;
CREATE TABLE "message" ("mailbox_id" INTEGER NOT NULL, "uid" INTEGER NOT NULL, "body_id" INTEGER NOT NULL,
    "modseq" INTEGER NOT NULL, "flags" TEXT NOT NULL, "size" INTEGER NOT NULL, "date" INTEGER NOT NULL,
    "fetched" INTEGER NOT NULL DEFAULT 0, PRIMARY KEY ("mailbox_id", "uid"),
    FOREIGN KEY ("mailbox_id") REFERENCES "mailbox" ("id")) WITHOUT ROWID;
CREATE INDEX "message_modseq" ON "message" ("mailbox_id", "modseq");
CREATE INDEX "message_large" ON "message" ("date", "mailbox_id", "uid") WHERE size>65536;
"""
# What version 4 added, likewise.
VERSION_4 = """
CREATE TABLE "outgoing" ("id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "body_id" INTEGER NOT NULL,
    "account_id" INTEGER, "sender" TEXT NOT NULL, "recipient" TEXT NOT NULL, "domain" TEXT NOT NULL,
    "size" INTEGER NOT NULL, "came" REAL NOT NULL, "expires" REAL NOT NULL, "due" REAL NOT NULL,
    "attempts" INTEGER NOT NULL, "code" INTEGER, "enhanced" TEXT, "said" TEXT);
CREATE INDEX "outgoing_due" ON "outgoing" ("due");
CREATE INDEX "outgoing_account" ON "outgoing" ("account_id", "size");
"""
# What version 5 did, likewise.
VERSION_5 = """
ALTER TABLE "outgoing" ADD COLUMN "trace" TEXT NOT NULL DEFAULT '';
ALTER TABLE "outgoing" ADD COLUMN "held" INTEGER NOT NULL DEFAULT 0;
DROP INDEX "outgoing_due";
CREATE INDEX "outgoing_due" ON "outgoing" ("due", "id", "domain", "account_id");
"""
MAIL = """
INSERT INTO meta VALUES ('version', 1), ('uidvalidity', 1700000000);
INSERT INTO account VALUES (7, 'alice@example.org', 'secret', 1690000000, 19000);
INSERT INTO mailbox VALUES (3, 7, 'INBOX', 1700000000, 6, 9, 4, '', 1, 1, 8);
INSERT INTO body VALUES (1, 8, 8, NULL, CAST('A: b' || char(13, 10, 13, 10) AS BLOB));
INSERT INTO message VALUES (3, 5, 1, 9, '\\Flagged', 8, 1700000001);
INSERT INTO expunged VALUES (3, 8, 4);
"""


def script(path, sql):
    connection = sqlite3.connect(path)
    connection.executescript(sql)
    connection.close()


@pytest.fixture
def old(tmp_path):
    """A folder with a database of version 1, made by hand."""
    (tmp_path / "data").mkdir()
    script(tmp_path / "data" / "mail.db", VERSION_1 + MAIL)
    return tmp_path / "data"


@pytest.fixture
def connection(old):
    opened = database.connect(old, writing=True)
    yield opened
    opened.close()


def schema(path):
    """Every table and index in words, without spacing and quotes; of tables the definitions in alphabetical order, as
    ALTER TABLE puts new columns behind the rest.
    """
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT name, type, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    words = {name: re.sub(r'\s|"|IF NOT EXISTS', "", sql) for name, _, sql in rows}
    tables = {name for name, kind, _ in rows if kind == "table"}
    return {name: sorted(re.split(r",(?![^()]*\))", sql.replace(")WITHOUT", ",)WITHOUT").removesuffix(")")))
            if name in tables and "(" in sql else sql for name, sql in words.items()}  # fmt: skip


def test_the_schema_is_the_one_of_its_version(gateway, tmp_path):
    assert migrations.VERSION == 5, "add the new version's changes and a test"
    gateway.store.close()
    script(tmp_path / "by-hand.db", VERSION_1 + VERSION_2 + VERSION_3 + VERSION_4 + VERSION_5)
    assert schema(tmp_path / "data" / "mail.db") == schema(tmp_path / "by-hand.db")


def test_a_store_of_version_1_gets_the_schema_of_today(old, open_gateway, tmp_path):
    open_gateway().store.close()
    script(tmp_path / "by-hand.db", VERSION_1 + VERSION_2 + VERSION_3 + VERSION_4 + VERSION_5)
    assert schema(old / "mail.db") == schema(tmp_path / "by-hand.db")


def test_a_store_of_version_1_can_give_space_back(old, open_gateway):
    store = open_gateway().store
    assert store.reader.rows("PRAGMA auto_vacuum") == [(2,)]
    account = store.account("alice@example.org")
    for _ in range(150):
        store.store(bytes(60_000), [Delivery("", 3, account.id)])
    store.close()
    full = (old / "mail.db").stat().st_size
    store = open_gateway().store
    store.expunge(3, None, only_deleted=False)
    store.expire(time.time())
    store.close()
    assert full > 8_000_000 and (old / "mail.db").stat().st_size < full / 2


def test_a_database_in_use_is_not_rewritten_and_opens(old, caplog):
    first = database.connect(old, writing=True)
    first.begin("IMMEDIATE")
    second = database.connect(old, writing=True)
    second.execute_sql("PRAGMA busy_timeout=1")
    migrations.make_shrinkable(second)
    assert second.execute_sql("PRAGMA auto_vacuum").fetchall() == [(0,)] and "not rewritten" in caplog.text
    first.rollback()
    migrations.make_shrinkable(second)
    assert second.execute_sql("PRAGMA auto_vacuum").fetchall() == [(2,)]
    first.close(), second.close()


def test_a_store_of_version_1_opens(old, open_gateway):
    store = open_gateway().store
    alice = store.account("alice@example.org")
    assert (alice.created, alice.last_login, alice.disabled, alice.quota) == (1690000000 // 86400, 19000, "", None)
    assert store.kept(alice.id) == [Kept(3, 5, 8, 1700000001, False)]
    store.delete_account(store.create_account("bob@example.org", "").id)
    with pytest.raises(AddressGone):
        store.create_account("bob@example.org", "")
    inbox = store.mailbox(alice.id, "INBOX")
    assert (inbox.id, inbox.uidvalidity, inbox.uidnext, inbox.modseq) == (3, 1700000000, 6, 9)
    told = store.changes(3, 7)
    assert told.messages == [Message(5, 9, frozenset(["\\Flagged"]), 8, 1700000001)] and told.expunged == [4]
    assert store.content(3, 5) == b"A: b\r\n\r\n" and store.integrity() == []
    assert store.changes(3, 2).expunged is None  # older than its history


def up_2(db):
    db.execute_sql("ALTER TABLE account ADD COLUMN note TEXT NOT NULL DEFAULT 'none'")


def up_3(db):
    db.execute_sql("UPDATE account SET note='three'")


STEPS = {2: up_2, 3: up_3}


def test_upgrade_takes_every_step_and_keeps_the_mail(connection):
    migrations.upgrade(connection, True, STEPS, to=3)
    assert migrations.version(connection) == 3
    assert connection.execute_sql("SELECT address, note FROM account").fetchall() == [("alice@example.org", "three")]
    migrations.upgrade(connection, True, STEPS, to=3)
    assert migrations.version(connection) == 3


def test_a_step_that_fails_changes_nothing_and_earlier_ones_stay(connection):
    def fails(db):
        db.execute_sql("DELETE FROM message")
        db.execute_sql("ALTER TABLE nonsense ADD COLUMN x")

    with pytest.raises(PluginError, match="cannot be brought to version 3.*nonsense"):
        migrations.upgrade(connection, True, {2: up_2, 3: fails}, to=3)
    assert migrations.version(connection) == 2
    assert connection.execute_sql("SELECT count(*), max(note) FROM message, account").fetchall() == [(1, "none")]


def test_copies_are_counted_on_the_way_to_version_3(old, open_gateway):
    script(
        old / "mail.db",
        """INSERT INTO mailbox VALUES (4, 7, 'Sent', 1700000000, 3, 2, 0, '', 2, 2, 16);
        INSERT INTO message VALUES (4, 1, 1, 2, '', 8, 1700000002), (4, 2, 1, 2, '', 8, 1700000003);""",
    )
    store = open_gateway().store
    assert store.integrity() == []
    store.expunge(4, None, only_deleted=False)
    assert store.content(3, 5) == b"A: b\r\n\r\n"
    store.expunge(3, None, only_deleted=False)
    assert store.reader.rows("SELECT count(*) FROM body") == [(0,)] and store.integrity() == []


@pytest.mark.parametrize("version", [1, 2])
def test_bodies_that_no_message_has_go_after_the_way_to_version_3(old, open_gateway, version):
    file = old / "blobs" / "00" / ("0" * 32)
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(70_000))
    script(
        old / "mail.db",
        f"""INSERT INTO body VALUES (2, 1, 0, NULL, x'00'), (3, 70000, 0, '{file.name}', NULL);
        INSERT INTO mailbox VALUES (4, NULL, 'deleted', 1700000000, 2, 1, 0, '', 1, 1, 8);
        INSERT INTO message VALUES (4, 1, 1, 1, '', 8, 1700000002);"""
        + (VERSION_2 + "UPDATE meta SET value=2 WHERE key='version'" if version == 2 else ""),
    )
    store = open_gateway().store
    assert store.integrity() == []
    store.expire(time.time())
    assert store.reader.rows("SELECT id FROM body") == [(1,)] and store.content(3, 5) == b"A: b\r\n\r\n"
    assert store.integrity() == []
    store.close()
    assert not file.exists()


def test_a_store_of_version_3_gets_a_queue(tmp_path, open_gateway):
    (tmp_path / "data").mkdir()
    message = "message (mailbox_id, uid, body_id, modseq, flags, size, date) "
    mail = MAIL.replace("account VALUES", "account (id, address, secret, created, last_login) VALUES")
    mail = mail.replace("message VALUES", message + "VALUES") + "INSERT INTO hashkey VALUES ('tombstone', x'00');"
    made = VERSION_1 + VERSION_2 + VERSION_3 + mail + "UPDATE meta SET value=3 WHERE key='version';"
    script(tmp_path / "data" / "mail.db", made)
    store = open_gateway().store
    assert store.queue() == [] and store.next_due() is None and store.integrity() == []
    store.store(b"x", [Outgoing("zoe@far.test", "far.test"), Delivery("", 3, 7)])
    assert store.count_queue() == 1 and store.content(3, 5) == b"A: b\r\n\r\n" and store.integrity() == []


def test_what_waits_in_a_queue_of_version_4_goes_on(tmp_path, open_gateway):
    (tmp_path / "data").mkdir()
    queued = """INSERT INTO meta VALUES ('version', 4), ('uidvalidity', 0), ('queued', 1), ('queued_octets', 8);
    INSERT INTO body VALUES (1, 8, 8, NULL, CAST('A: b' || char(13, 10, 13, 10) AS BLOB));
    INSERT INTO hashkey VALUES ('tombstone', x'00');
    INSERT INTO outgoing VALUES (5, 1, 7, 'a@b.test', 'zoe@far.test', 'far.test', 8, 10, 500, 20, 3,
        451, '4.2.0', 'no');
    """
    script(tmp_path / "data" / "mail.db", VERSION_1 + VERSION_2 + VERSION_3 + VERSION_4 + queued)
    store = open_gateway().store
    (row,) = store.queue()
    wanted = Queued(5, 1, 7, "a@b.test", "zoe@far.test", "far.test", 8, 10, 500, 20, 3, Reply(451, "4.2.0", "no"))
    assert row == wanted and (row.trace, row.held) == ("", False) and store.integrity() == []
    assert store.claim(1, 60, 30) == [wanted._replace(due=90, attempts=4)]
    assert [row.held for row in store.hold([5])] == [True] and store.settle([row]).gone == [5]


FULL = """
import resource, sys
from pathlib import Path
from chatgate_maildb import database, migrations
connection = database.connect(Path(sys.argv[1]), writing=True)
connection.execute_sql("PRAGMA cache_size=10")  # so that pages are written before the end
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    migrations.upgrade(connection, True)
except migrations.PluginError as error:
    print(error)
print(migrations.version(connection))
"""


def test_a_full_disk_is_said_in_one_line_and_changes_nothing(old, open_gateway):
    script(
        old / "mail.db",
        """UPDATE mailbox SET messages=5001, unseen=5001, octets=40008, uidnext=6000;
        WITH RECURSIVE n(uid) AS (SELECT 6 UNION ALL SELECT uid+1 FROM n WHERE uid<5005)
        INSERT INTO message SELECT 3, uid, 1, 9, '', 8, 1700000001 FROM n;""",
    )
    done = subprocess.run([sys.executable, "-c", FULL, str(old)], capture_output=True, text=True)
    assert re.fullmatch(r"maildb: the database cannot be brought to version [2-5]: [^\n]*\n[1-4]\n", done.stdout), done
    assert open_gateway().store.integrity() == []


def test_an_old_database_that_an_older_program_uses_is_left_alone(old, open_gateway):
    """It would go on to store mail without counting copies, and their body would go with the first of them."""
    running = database.Presence(old)
    running.share()
    with pytest.raises(PluginError, match="in use by an older program: stop the gateway"):
        _ = open_gateway().store
    running.close()
    assert open_gateway().store.integrity() == []


def test_a_newer_database_is_refused_and_left_alone(old, open_gateway):
    script(old / "mail.db", "UPDATE meta SET value=6 WHERE key='version'; CREATE TABLE later (x)")
    with pytest.raises(PluginError, match="schema version 6, this program knows versions up to 5") as error:
        _ = open_gateway().store
    assert "\n" not in str(error.value) and "later" in schema(old / "mail.db")


def test_two_processes_open_an_old_database_at_once(old):
    first, second = (database.connect(old, writing=True) for _ in range(2))
    try:
        migrations.upgrade(first, True, STEPS, to=2)
        migrations.upgrade(second, False, STEPS, to=2)  # adding the column again would fail
        assert migrations.version(second) == 2
    finally:
        first.close(), second.close()


def test_a_database_whose_version_cannot_be_read(old, open_gateway):
    script(old / "mail.db", "DELETE FROM meta")
    with pytest.raises(PluginError, match="cannot be read") as error:
        _ = open_gateway().store
    assert "\n" not in str(error.value)
