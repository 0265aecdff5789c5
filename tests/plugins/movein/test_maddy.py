"""Moving in from maddy and madmail: their schemas as they publish them, in SQLite and PostgreSQL."""

import base64
import hashlib
import os
import shutil
import sqlite3
import subprocess
import time

import bcrypt
import pytest
import zstandard
from chatgate_dkim import pem
from chatgate_movein import names
from chatgate_movein.maddy import Maddy, Where
from chatgate_movein.records import Unreadable
from lz4 import frame
from movein_kit import DAY, PASSWORD, PLUGINS, SHA512, look

from chatgate.testing import imap_client

MOST = 1_000_000
ALICE, BOB, CAROL = "alice@old.example", "bob@old.example", "carol@old.example"
BCRYPT = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
SALT = b"0123456789abcdef0123456789abcdef"
SHA256 = (
    f"sha256:{base64.b64encode(SALT).decode()}:"
    + base64.b64encode(hashlib.sha256(SALT + PASSWORD.encode()).digest()).decode()
)

# What go-imap-sql's published schema comes to.
SCHEMA = """
CREATE TABLE users (id {serial}, username VARCHAR(255) NOT NULL UNIQUE, msgsizelimit INTEGER, inboxId BIGINT DEFAULT 0);
CREATE TABLE mboxes (id {serial}, uid INTEGER NOT NULL, name VARCHAR(255) NOT NULL, sub INTEGER NOT NULL DEFAULT 1,
    mark INTEGER NOT NULL DEFAULT 0, msgsizelimit INTEGER, uidnext INTEGER NOT NULL DEFAULT 1,
    uidvalidity BIGINT NOT NULL, specialuse VARCHAR(255), msgsCount INTEGER NOT NULL DEFAULT 0, UNIQUE(uid, name));
CREATE TABLE extKeys (id VARCHAR(255) PRIMARY KEY NOT NULL, uid BIGINT NOT NULL, refs INTEGER NOT NULL DEFAULT 1);
CREATE TABLE msgs (mboxId BIGINT NOT NULL, msgId BIGINT NOT NULL, date BIGINT NOT NULL, bodyLen INTEGER NOT NULL,
    mark INTEGER NOT NULL DEFAULT 0, bodyStructure TEXT NOT NULL, cachedHeader TEXT NOT NULL,
    extBodyKey VARCHAR(255), seen INTEGER NOT NULL DEFAULT 0, compressAlgo VARCHAR(255),
    recent INTEGER NOT NULL DEFAULT 1, PRIMARY KEY(mboxId, msgId));
CREATE TABLE flags (mboxId BIGINT NOT NULL, msgId BIGINT NOT NULL, flag VARCHAR(255) NOT NULL,
    UNIQUE (mboxId, msgId, flag));
CREATE TABLE passwords (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL);
"""
PACK = {"": bytes, "zstd": zstandard.compress, "lz4": frame.compress}
CONTENTS = [b"Subject: %d\r\n\r\n" % n + b"text\r\n" * 50 * n for n in range(4)]


def rows():
    """Statements with their parameters: Alice with mail in INBOX and a folder, Bob with a password only."""
    yield "INSERT INTO users (id, username) VALUES (1, ?)", (ALICE,)
    yield "INSERT INTO users (id, username) VALUES (2, ?)", (CAROL,)
    box = "INSERT INTO mboxes (id, uid, name, sub, uidnext, uidvalidity, specialuse) VALUES (?, ?, ?, ?, ?, ?, ?)"
    yield box, (1, 1, "INBOX", 1, 12, 4_100_200_300, None)
    yield box, (2, 1, "DeltaChat.Below", 1, 2, 77, None)
    yield box, (3, 1, "Sent", 1, 1, 78, "\\Sent")
    yield box, (4, 2, "INBOX", 1, 1, 79, None)
    message = """INSERT INTO msgs (mboxId, msgId, date, bodyLen, bodyStructure, cachedHeader, extBodyKey, seen,
        compressAlgo)
        VALUES (?, ?, ?, ?, '', '', ?, ?, ?)"""
    yield message, (1, 3, 1_600_000_000, len(CONTENTS[0]), "k0", 1, "")
    yield message, (1, 7, 1_600_000_100, len(CONTENTS[1]), "k1", 0, "zstd")
    yield message, (1, 9, 1_600_000_200, len(CONTENTS[2]), "k2", 0, "lz4")
    yield message, (2, 1, 1_600_000_300, len(CONTENTS[3]), "k3", 0, "")
    for uid, flag in ((3, "\\Seen"), (7, "\\Flagged"), (7, "$Forwarded"), (7, "\\Recent")):
        yield "INSERT INTO flags (mboxId, msgId, flag) VALUES (1, ?, ?)", (uid, flag)
    for key, value in ((ALICE, f"bcrypt:{BCRYPT}"), (BOB, SHA256)):
        yield "INSERT INTO passwords (key, value) VALUES (?, ?)", (key, value)


def files(folder):
    (folder / "messages").mkdir(parents=True)
    for number, algorithm in enumerate(("", "zstd", "lz4", "")):
        (folder / f"messages/k{number}").write_bytes(PACK[algorithm](CONTENTS[number]))
    (folder / "dkim_keys").mkdir()
    pem.save(folder / "dkim_keys/old.example_default.key", pem.make("ed25519"))
    (folder / "aliases").write_text("# some\npostmaster@old.example: alice@old.example\n")
    return folder


@pytest.fixture
def state(tmp_path):
    """maddy's folder, with all in one SQLite file; another has the credentials."""
    folder = files(tmp_path / "maddy")
    for name, wanted in (("imapsql.db", lambda one: "passwords" not in one), ("credentials.db", lambda one: True)):
        database = sqlite3.connect(folder / name)
        database.executescript(SCHEMA.format(serial="INTEGER PRIMARY KEY AUTOINCREMENT"))
        for statement, facts in rows():
            if wanted(statement):
                database.execute(statement, facts)
        database.commit()
        database.close()
    return folder


def moved_as_it_was(gateway):
    account = gateway.store.account(ALICE)
    found = {}
    for box in gateway.store.mailboxes(account.id):
        status = gateway.store.status(box.id)
        messages = {
            one.uid: (set(one.flags), one.date, gateway.store.content(box.id, one.uid))
            for one in gateway.store.changes(box.id).messages
        }
        found[box.name] = (status.uidvalidity, status.uidnext, messages)
    assert found["INBOX"] == (
        4_100_200_300,
        12,
        {
            3: ({"\\Seen"}, 1_600_000_000, CONTENTS[0]),
            7: ({"\\Flagged", "$Forwarded"}, 1_600_000_100, CONTENTS[1]),
            9: (set(), 1_600_000_200, CONTENTS[2]),
        },
    )
    assert found["DeltaChat/Below"] == (77, 2, {1: (set(), 1_600_000_300, CONTENTS[3])})
    assert found["Sent"][:2] == (78, 1)
    assert gateway.store.account(CAROL).secret == "*"


def test_all_of_maddy(state, bring, closed, gateway_factory):
    gateway = closed(*PLUGINS, "dkim")
    report = bring(Maddy("maddy", Where(state), MOST), gateway)
    moved_as_it_was(gateway)
    assert report["counts"]["DKIM keys"] == 1 and report["counts"]["accounts"] == 3
    whys = {one["why"] for one in report["left_behind"]}
    assert len(whys) == 2 and any("no password" in why for why in whys) and any("alias" in why for why in whys)
    ring = gateway.hub.plugin("dkim").leaving.rings["old.example"]
    assert "default" in [key.selector for key in ring.keys() if key.state == "signs" and key.kind == "ed25519"]
    assert not bring(Maddy("maddy", Where(state), MOST), gateway)["counts"].get("messages")
    gateway.store.close()

    gateway = gateway_factory(*PLUGINS, domain="old.example")
    for who in (ALICE, BOB):
        seen = look(imap_client(gateway, (who, PASSWORD)))
        assert gateway.store.account(who).secret.startswith("$scrypt$")
        assert who == BOB or (seen.uidvalidity, sorted(seen.messages)) == (4_100_200_300, [3, 7, 9])


def postgres():
    return next(iter(sorted(__import__("pathlib").Path("/usr/lib/postgresql").glob("*/bin/postgres"))), None)


@pytest.mark.skipif(postgres() is None, reason="Debian's postgresql is not installed")
def test_postgresql(tmp_path_factory, bring, closed):
    import psycopg

    folder = tmp_path_factory.mktemp("postgres")
    files(folder / "state")
    programs = postgres().parent
    data = folder / "data"
    data.mkdir()
    user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] if os.getuid() == 0 else []
    if user:
        shutil.chown(data, 65534, 65534)
        for above in (folder, *folder.parents[:2]):
            above.chmod(0o755)
    environment = {**os.environ, "LC_ALL": "C", "HOME": str(data)}
    how = {"check": True, "stdout": subprocess.DEVNULL, "env": environment, "cwd": "/"}
    subprocess.run([*user, programs / "initdb", "-A", "trust", "-U", "me", "--no-sync", "-D", data / "db"], **how)
    options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={data}", "-F"]
    server = subprocess.Popen(
        [*user, programs / "postgres", "-D", data / "db", *options], stderr=subprocess.DEVNULL, env=environment, cwd="/"
    )
    try:
        where = f"host={data} user=me dbname=postgres"
        connection = None
        while connection is None:
            assert server.poll() is None
            try:
                connection = psycopg.connect(where, autocommit=True)
            except psycopg.OperationalError:
                time.sleep(0.05)
        connection.execute(SCHEMA.format(serial="BIGSERIAL PRIMARY KEY"))
        for statement, facts in rows():
            connection.execute(statement.replace("?", "%s"), facts)
        connection.close()
        gateway = closed()
        where_ = Where(folder / "state", storage=where, credentials=where)
        report = bring(Maddy("maddy", where_, MOST), gateway)
        assert report["counts"]["messages"] == 4
        moved_as_it_was(gateway)
        with pytest.raises(Unreadable, match="PostgreSQL"):
            Maddy("maddy", Where(folder / "state", storage=f"host={data} user=nobody dbname=none"), MOST)
    finally:
        server.terminate()
        server.wait()


def test_what_madmail_adds(state, bring, closed):
    """madmail 1: quotas, last logins, addresses that are blocked, invitations."""
    today = int(time.time())
    database = sqlite3.connect(state / "imapsql.db")
    database.executescript("""
        CREATE TABLE quotas (username TEXT PRIMARY KEY, max_storage INTEGER, created_at INTEGER,
            first_login_at INTEGER, last_login_at INTEGER);
        CREATE TABLE blocked_users (username TEXT PRIMARY KEY, reason TEXT, blocked_at DATETIME);
        CREATE TABLE registration_tokens (token TEXT PRIMARY KEY, max_uses INTEGER, used_count INTEGER, comment TEXT,
            expires_at DATETIME, created_at DATETIME);
        INSERT INTO blocked_users VALUES ('gone@old.example', 'spam', NULL);
        INSERT INTO registration_tokens VALUES ('friends', 5, 2, 'for friends', NULL, NULL),
            ('none', 0, 0, 'nobody', NULL, NULL), ('spent', 1, 1, '', NULL, NULL), ('bent', 2, 0, '', 'soon', NULL),
            ('abcdefghjkmnp', 1, 0, 'of our form', '2099-01-01 00:00:00+00:00', NULL);
    """)
    facts = (ALICE, 123_456_789, today - 50 * DAY, today - 50 * DAY, today - 3 * DAY)
    database.execute("INSERT INTO quotas VALUES (?, ?, ?, ?, ?)", facts)
    database.commit()
    database.close()
    gateway = closed(*PLUGINS, "invite")
    bring(Maddy("madmail", Where(state), MOST), gateway)
    alice = gateway.store.account(ALICE)
    assert alice.quota == 123_456_789
    assert (alice.created, alice.last_login) == (today // DAY - 50, today // DAY - 3)
    assert gateway.store.tombstone("gone@old.example") == "" and gateway.store.account("gone@old.example") is None
    kept = {token.note: token for token in gateway.hub.plugin("invite").kept.all()}
    assert (kept["for friends"].uses, kept["for friends"].used, kept["for friends"].expires) == (5, 2, 0)
    assert kept["of our form"].token == "abcdefghjkmnp" and kept["of our form"].expires == 4_070_908_800
    assert kept[""].expires == 1 and "nobody" not in kept and len(kept) == 3
    again = bring(Maddy("madmail", Where(state), MOST), gateway)
    assert not again["counts"].get("invitations") and len(gateway.hub.plugin("invite").kept.all()) == 3


def test_madmail_2_keeps_maildirs(tmp_path, bring, closed):
    folder = tmp_path / "madmail"
    home = folder / "mail" / ALICE
    for name in ("Maildir", "folders/DeltaChat/Maildir"):
        for inner in ("cur", "new", "tmp"):
            (home / name / inner).mkdir(parents=True)
    (home / "Maildir/cur/aaa:2,").write_bytes(CONTENTS[1])
    (home / "Maildir/new/bbb").write_bytes(CONTENTS[2])
    (home / "folders/DeltaChat/Maildir/cur/ccc:2,T").write_bytes(CONTENTS[3])
    os.utime(home / "Maildir/new/bbb", (1_650_000_000, 1_650_000_000))
    (home / "Maildir/chatmail-uidlist").write_text("1 V1 N9\n5 S10 T1650000000 :bbb\n4 S10 T1600000000 :aaa\n")
    database = sqlite3.connect(folder / "credentials.db")
    database.executescript("""
        CREATE TABLE passwords (username TEXT PRIMARY KEY, hash TEXT NOT NULL, created_at INTEGER);
        CREATE TABLE push_tokens (username TEXT, device_token TEXT, updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
    """)
    database.execute("INSERT INTO passwords VALUES (?, ?, 0)", (ALICE, SHA512))
    database.execute("INSERT INTO push_tokens (username, device_token) VALUES (?, 'apns-token')", (ALICE,))
    database.commit()
    database.close()
    gateway = closed()
    report = bring(Maddy("madmail", Where(folder), MOST), gateway)
    assert report["left_behind"] == [] and report["counts"]["device tokens"] == 1
    account = gateway.store.account(ALICE)
    inbox, other = (gateway.store.mailbox(account.id, name) for name in ("INBOX", "DeltaChat"))
    assert (inbox.uidvalidity, inbox.uidnext) == (1, 9)
    assert [(one.uid, one.flags) for one in gateway.store.changes(inbox.id).messages] == [(4, {"\\Seen"}), (5, set())]
    assert [one.flags for one in gateway.store.changes(other.id).messages] == [{"\\Seen", "\\Deleted"}]


BENT = {
    "a key that leads out": ("UPDATE msgs SET extBodyKey='../../secret' WHERE msgId=7", "not the name of a file"),
    "a key that is no text": ("UPDATE msgs SET extBodyKey=x'00ff' WHERE msgId=7", "not the name of a file"),
    "no key": ("UPDATE msgs SET extBodyKey=NULL WHERE msgId=7", "not the name of a file"),
    "a file that is gone": ("UPDATE msgs SET extBodyKey='gone' WHERE msgId=7", "No such file"),
    "another compression": ("UPDATE msgs SET compressAlgo='rot13' WHERE msgId=7", "not known here"),
    "compressed, it says": ("UPDATE msgs SET compressAlgo='zstd' WHERE msgId=9", "damaged"),
    "another size": ("UPDATE msgs SET bodyLen=5 WHERE msgId=7", "are noted"),
    "a date in the far future": ("UPDATE msgs SET date=9223372036854775807 WHERE msgId=7", ""),
    "a date that is text": ("UPDATE msgs SET date='now' WHERE msgId=7", ""),
    "flags of all kinds": ("INSERT INTO flags VALUES (1, 7, 'a b'), (1, 7, x'ff'), (1, 7, ''), (1, 9, '*')", ""),
    "a UID too high": ("UPDATE msgs SET msgId=99999999999 WHERE msgId=7", "1 messages have no UID"),
    "a UID that leaves none": ("UPDATE msgs SET msgId=4294967294 WHERE msgId=7", "1 messages have no UID"),
    "UIDNEXT at the end": ("UPDATE mboxes SET uidnext=4294967295 WHERE id=1", ""),
    "a UID that is text": ("UPDATE msgs SET msgId='seven' WHERE msgId=7", "without a UID"),
    "no UIDVALIDITY": ("UPDATE mboxes SET uidvalidity=0 WHERE id=1", "UIDVALIDITY"),
    "UIDVALIDITY of text": ("UPDATE mboxes SET uidvalidity='x' WHERE id=1", "UIDVALIDITY"),
    "UIDNEXT below": ("UPDATE mboxes SET uidnext=2 WHERE id=1", ""),
    "a name that leads nowhere": ("UPDATE mboxes SET name='..a/' WHERE id=2", "not a name"),
    "a name of controls": ("UPDATE mboxes SET name='a' || char(10) || 'b' WHERE id=2", "not a name"),
    "a name that is there": ("UPDATE mboxes SET name='inbox' WHERE id=2", "UIDVALIDITY"),
    "no table of flags": ("DROP TABLE flags", "no such table"),
    "a name twice": ("INSERT INTO users (id, username) VALUES (9, 'ALICE@old.example')", "in case only"),
}


@pytest.mark.parametrize("statement, why", BENT.values(), ids=list(BENT))
def test_bent_databases(state, bring, closed, statement, why):
    (state.parent / "secret").write_bytes(b"of this machine")
    database = sqlite3.connect(state / "imapsql.db")
    database.execute(statement)
    database.commit()
    database.close()
    gateway = closed("maildb", "movein")
    report = bring(Maddy("maddy", Where(state), MOST), gateway)
    assert report["failed"] == [] and gateway.store.account(ALICE) is not None
    whys = [
        one["why"] for one in report["left_behind"] if "alias" not in one["why"] and "no password" not in one["why"]
    ]
    assert any(why in one for one in whys) if why else True, whys
    account = gateway.store.account(ALICE)
    assert gateway.store.usage(account.id).octets < MOST
    assert all(box.uidnext < 1 << 31 for box in gateway.store.mailboxes(account.id))
    assert gateway.store.integrity() == []


def test_contents_that_are_cut_off(state):
    alice = next(one for one in Maddy("maddy", Where(state), MOST).people() if one.name == ALICE)
    letters = list(next(alice.folders()).letters(0))
    for number, letter in enumerate(letters):
        file = state / f"messages/k{number}"
        whole = file.read_bytes()
        assert letter.read() == CONTENTS[number]
        for end in range(len(whole)):
            file.write_bytes(whole[:end])
            with pytest.raises(Unreadable):
                letter.read()


def test_what_unpacks_to_more_than_a_message_may_have(state, bring, closed):
    for number, algorithm in ((1, "zstd"), (2, "lz4")):
        (state / f"messages/k{number}").write_bytes(PACK[algorithm](bytes(50 * MOST)))
    report = bring(Maddy("maddy", Where(state), MOST), closed())
    assert sum("larger than" in one["why"] for one in report["left_behind"]) == 1  # two of a kind
    assert report["counts"]["messages"] == 2


def test_files_that_are_no_databases(state):
    (state / "imapsql.db").write_bytes(b"SQLite format 3\0" + os.urandom(5000))
    with pytest.raises(Unreadable):
        Maddy("maddy", Where(state), MOST)
    shutil.rmtree(state / "messages")
    with pytest.raises(Unreadable, match="credentials"):
        Maddy("maddy", Where(state / "dkim_keys"), MOST)
    with pytest.raises(Unreadable, match="no table"):
        Maddy("maddy", Where(state, storage=str(state / "credentials.db"), table="users2"), MOST).people()
    with pytest.raises(Unreadable, match="not the name"):
        Maddy("maddy", Where(state, table="passwords; DROP TABLE passwords"), MOST)


@pytest.mark.parametrize(
    "stored, ours",
    {
        "{SHA512-CRYPT}" + SHA512 + "\n": SHA512,
        "bcrypt:" + BCRYPT: BCRYPT,
        BCRYPT: BCRYPT,
        "argon2:3:1024:2:c2FsdHNhbHQ=:aGFzaGhhc2hoYXNoaGFzaA==": "$argon2id$v=19$m=1024,t=3,p=2$"
        "c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
    }.items(),
)
def test_hashes_take_the_form_that_passwordless_reads(stored, ours):
    assert names.secret(stored) == ours


@pytest.mark.parametrize(
    "stored",
    ["", "{PLAIN}secret", "secret", "bcrypt:", "argon2:1:2", "sha256:a:b", "$1$md5$abc", "$6$" + "x" * 2000],
)
def test_what_is_no_hash_is_nobodys_password(stored):
    with pytest.raises(Unreadable):
        names.secret(stored)


def test_a_hash_that_costs_too_much_is_reported(state, bring, closed):
    with sqlite3.connect(state / "credentials.db") as database:
        database.execute("UPDATE passwords SET value=? WHERE key=?", ("bcrypt:$2b$31$" + "a" * 53, ALICE))
    database.close()
    gateway = closed("maildb", "movein", "passwordless")
    report = bring(Maddy("maddy", Where(state), MOST), gateway)
    assert any("imported_hash_seconds" in one["why"] for one in report["left_behind"])
    assert gateway.store.account(ALICE) is not None


def test_what_no_plugin_takes_in_is_reported(state, bring, closed):
    """Nobody answers chatgate_import_key (dkim), chatgate_import_tokens (push), chatgate_import_invitation (invite);
    nor chatgate_import_cleartext without accounts, which every store needs.
    """
    database = sqlite3.connect(state / "credentials.db")
    database.executescript("""
        CREATE TABLE push_tokens (username TEXT, device_token TEXT, updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
        CREATE TABLE registration_tokens (token, max_uses, used_count, comment, expires_at, created_at);
        INSERT INTO registration_tokens VALUES ('friends', 5, 2, 'for friends', NULL, NULL);
        INSERT INTO push_tokens (username, device_token) VALUES ('alice@old.example', 'apns-token');
    """)
    database.commit()
    database.close()
    report = bring(Maddy("madmail", Where(state), MOST), closed("maildb", "movein"))
    whys = " ".join(one["why"] for one in report["left_behind"])
    for what in ("signs mail", "notifies phones", "invitation"):
        assert what in whys
    assert report["counts"]["accounts"] == 3
