"""From one version to another and back: what is said before, what is saved, what a kill leaves."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time

import pytest
from chatgate_filedb import saved
from chatgate_maildb import migrations, way
from chatgate_maildb.options import MailDbOptions

from chatgate.api import Delivery, Gateway, Outgoing, PluginError
from tests.plugins.backup.folders import message, put

# What version 3 had, from the side of today's: its schema and rows are made by the way back, and compared with those
# that the program of that time made.
OLD_INVITE = """
CREATE TABLE "token" ("token" TEXT NOT NULL PRIMARY KEY, "uses" INTEGER NOT NULL, "used" INTEGER NOT NULL,
    "expires" INTEGER NOT NULL, "quota" BIGINT, "note" TEXT NOT NULL, "created" INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO token VALUES ('abc', 1, 0, 0, NULL, 'for zoe', 20000);
PRAGMA user_version=1;
"""


def opened(folder):
    gateway = Gateway.of(folder.path)
    gateway.read_only = False
    return gateway.store


def schema(path):
    with sqlite3.connect(path) as database:
        rows = database.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
        )
        return {name: sorted(sql.replace('"', "").replace("\n", " ").split()) for name, sql in rows}


def version(folder):
    with sqlite3.connect(folder.path / "data/mail.db") as database:
        return database.execute("SELECT value FROM meta WHERE key='version'").fetchone()[0]


@pytest.fixture
def old(folder):
    """A folder of version 3 of the mail database and 1 of that with the invitations."""
    way._go(folder.path / "data", 5, 3)
    with sqlite3.connect(folder.path / "data/invite.db") as database:
        database.executescript(OLD_INVITE)
    assert folder.run("plugins", "enable", "invite").exit_code == 0
    return folder


def test_what_the_next_start_will_do_is_said(old):
    before = {path: path.stat().st_mtime_ns for path in old.path.rglob("*")}
    done = old.run("upgrade", "--check", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    size = (old.path / "data/mail.db").stat().st_size
    changes = {change.pop("name"): change for change in found["changes"]}
    assert changes["maildb/mail"].pop("seconds") >= 1 and changes["invite/invitations"].pop("seconds") >= 1
    assert changes["maildb/mail"] == {"from": 3, "to": 5, "octets": size, "rows": 5}
    assert changes["invite/invitations"] == {"from": 1, "to": 2, "octets": 8192, "rows": 0}
    assert {path: path.stat().st_mtime_ns for path in old.path.rglob("*")} == before, "it writes nothing"


def test_options_that_have_gone_are_named(old):
    (conf,) = (old.path / "conf.d").glob("*-smtp.toml")
    conf.write_text('no_such_option = 3\nmax_recipients = "many"\n')
    done = old.run("upgrade", "--check")
    assert done.exit_code == 1 and "no_such_option" in done.output and "max_recipients" in done.output
    assert "must be put right in conf.d" in done.output


def test_what_is_changed_is_saved_and_told(old, caplog, monkeypatch):
    told = []
    monkeypatch.setattr("chatgate.running.systemd.sd_notify", told.append)
    opened(old).close()
    assert version(old) == 5 and saved(old.path / "data/mail.db") == [3]
    with sqlite3.connect(old.path / "data/mail.db.version-3") as database:
        assert database.execute("SELECT count(*) FROM message").fetchone() == (5,)
    assert not (old.path / "data/mail.db.version-3").stat().st_mode & 0o077
    assert "is brought from version 3 to 5" in caplog.text and "100 %" in caplog.text
    assert all("EXTEND_TIMEOUT_USEC=60000000" in text for text in told) and len(told) > 1
    store = opened(old)
    store.expire(time.time() + 13 * 86400)
    assert saved(old.path / "data/mail.db") == [3]
    store.expire(time.time() + 15 * 86400)
    assert saved(old.path / "data/mail.db") == []
    store.close()


def test_there_and_back_keeps_what_came_since(old):
    was = schema(old.path / "data/mail.db"), schema(old.path / "data/invite.db")
    store = opened(old)
    put(store, "alice@_b.test", 2)
    store.close()
    assert old.run("invite", "list").exit_code == 0
    done = old.run("upgrade", "--back", "--yes")
    assert done.exit_code == 0 and "from version 5 back to 3" in done.output, done.output
    assert done.output.count("lost: nothing") == 2
    assert (schema(old.path / "data/mail.db"), schema(old.path / "data/invite.db")) == was
    with sqlite3.connect(old.path / "data/mail.db") as database:
        assert database.execute("SELECT count(*) FROM message").fetchone() == (7,)
    assert "Nothing was changed" in old.run("upgrade", "--back", "--yes").output
    store = opened(old)
    assert store.integrity() == [] and version(old) == 5
    store.close()


def test_what_would_be_lost_is_said_and_asked_about(old):
    store = opened(old)
    alice = store.account("alice@_b.test")
    inbox = store.mailbox(alice.id, "INBOX")
    both = [Outgoing("zoe@far.test", "far.test"), Delivery("alice@_b.test", inbox.id, alice.id)]
    store.store(message(1), both, sender="alice@_b.test", account_id=alice.id)
    store.store(message(2, 100_000), [both[0]], sender="alice@_b.test", account_id=alice.id)
    store.close()
    done = old.run("upgrade", "--back", input="n\n")
    assert done.exit_code == 1 and "lost: 2 recipients elsewhere for whom mail waits" in done.output
    assert version(old) == 5
    assert old.run("upgrade", "--back", input="y\n").exit_code == 0 and version(old) == 3
    store = opened(old)
    store.expire(time.time())
    assert store.integrity() == [], "copies are counted right"
    assert len(list((old.path / "data/blobs").glob("??/*"))) == 2
    assert store.reader.rows("SELECT count(*) FROM body") == [(6,)]
    store.close()


def test_no_way_back_beside_a_running_gateway_nor_to_what_nobody_knows(old):
    store = opened(old)
    done = old.run("upgrade", "--back", "--yes")
    assert done.exit_code == 1 and "in use: stop the gateway" in done.stderr and version(old) == 5
    store.close()
    done = old.run("upgrade", "--back", "--yes", "--to", "2")
    assert done.exit_code == 1 and "there is no way from version 5" in done.stderr


def test_without_room_for_the_copy_nothing_is_changed(old, monkeypatch):
    monkeypatch.setattr("chatgate_filedb.copying.free_octets", lambda path: 1000)
    with pytest.raises(PluginError, match="could not be copied before its form is changed, so nothing was changed"):
        opened(old)
    assert version(old) == 3 and not list((old.path / "data").glob("*.part"))
    (conf,) = (old.path / "conf.d").glob("*-maildb.toml")
    conf.write_text("save_before_change = false\n")
    opened(old).close()
    assert version(old) == 5


KILLED = """
import os, signal, sys
from pathlib import Path
from chatgate_maildb import database, migrations, way
from chatgate_maildb.options import MailDbOptions
from chatgate_filedb import changed
folder, at, do = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
count = 0
def step(*_):
    global count
    count += 1
    if count == at:
        os.kill(os.getpid(), signal.SIGKILL)
import chatgate_filedb.saving as saving
told = saving.starting = step
connect = database.connect
def traced(*args, **more):
    opened = connect(*args, **more)
    opened.connection().set_trace_callback(step)
    return opened
database.connect = traced
if do == "up":
    opened = database.connect(folder, writing=True)
    migrations.upgrade(opened, True, save=lambda found: way.save(folder, MailDbOptions(), found))
    step(), changed(folder / "mail.db"), step()
else:
    way._go(folder, 5, 3)
print("whole")
"""


@pytest.mark.parametrize("do", ("up", "back"))
def test_killed_anywhere_it_is_one_or_the_other(old, do, tmp_path):
    """SIGKILL before each statement on the way: what is there opens, has all its mail, and knows its way back."""
    if do == "back":
        opened(old).close()
    whole = subprocess.run(["cp", "-a", str(old.path), str(tmp_path / "kept")], check=True) and tmp_path / "kept"
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    for at in range(1, 40, 6):
        subprocess.run(["rm", "-rf", str(old.path)], check=True)
        subprocess.run(["cp", "-a", str(whole), str(old.path)], check=True)
        command = [sys.executable, "-c", KILLED, str(old.path / "data"), str(at), do]
        done = subprocess.run(command, env=environ, capture_output=True, text=True)
        assert done.returncode in (0, -9), done
        assert version(old) in ((3, 4, 5) if do == "up" else (3, 5))
        if do == "up":
            opened(old).close()
            assert version(old) == 5 and saved(old.path / "data/mail.db") == [3]
            assert old.run("upgrade", "--back", "--yes").exit_code == 0 and version(old) == 3
        store = opened(old)
        assert store.integrity() == [] and store.reader.rows("SELECT count(*) FROM message") == [(5,)]
        store.close()
        assert not list((old.path / "data").glob("*.part")) and not list((old.path / "data").glob("*.changing-*"))
        if done.returncode == 0:
            break


def test_every_step_of_this_version_has_a_way_back():
    assert migrations.VERSION - 1 in way._BACK and migrations.VERSION - 2 in way._BACK
    assert MailDbOptions().save_before_change
