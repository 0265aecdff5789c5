"""A backup made beside a gateway that goes on working, and what is restored from it."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import sqlite3
import stat
import tracemalloc

import gevent
import pytest
from chatgate_backup import wrapping
from chatgate_backup.making import Making
from chatgate_backup.placing import emptied
from chatgate_filedb import copy_database, damaged
from chatgate_maildb import holding
from chatgate_maildb.kept import KeptMail

from chatgate.api import Gateway, KeptFiles, PluginError, hookimpl
from chatgate.running import gateway as running
from chatgate.testing import until
from tests.plugins.backup.folders import LARGE, Folder, put, restored


def state(path) -> list:
    """All that clients know of the mail: UIDs, UIDVALIDITY, modseqs, flags, contents."""
    gateway = Gateway.of(path)
    gateway.read_only, store, found = False, None, []
    try:
        store = gateway.store
        for account in store.accounts():
            for box in store.mailboxes(account.id):
                status, changes = store.status(box.id), store.changes(box.id, 0)
                messages = [(m.uid, m.modseq, m.flags, store.content(box.id, m.uid)) for m in changes.messages]
                found.append((account, box, status, messages))
    finally:
        gateway.stop()
    return found


def test_what_is_restored_is_what_was_there(folder, tmp_path):
    before = state(folder.path)
    done = folder.run("backup", str(tmp_path / "b"), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["counts"]["maildb/mail"] == {
        "accounts": 2,
        "mailboxes": 10,
        "messages": 5,
        "bodies": 5,
    }
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o600
    other = Folder(tmp_path / "other")
    done = other.run("restore", str(tmp_path / "b"), "--no-dns")
    assert done.exit_code == 0, done.output
    for (account, box, status, messages), (account_2, box_2, status_2, messages_2) in zip(
        before, state(other.path), strict=True
    ):
        assert (account, messages) == (account_2, messages_2)
        assert (box.id, box.name, box.uidvalidity) == (box_2.id, box_2.name, box_2.uidvalidity)
        assert (status_2.messages, status_2.unseen) == (status.messages, status.unseen)
        # What was given out since the backup is not given out again.
        assert status_2.uidnext == status.uidnext + 1_000_000 and status_2.modseq == status.modseq + 1_000_000
    assert {p.name for p in other.path.iterdir()} == {"conf.d", "data", "tls"}
    for name in ("tls/cert.pem", "tls/key.pem", "conf.d/00-chatgate.toml"):
        assert (other.path / name).read_bytes() == (folder.path / name).read_bytes()
    for path in other.path.rglob("*"):
        assert not path.stat().st_mode & 0o077, path
    assert other.run("check").exit_code == 0


def test_it_replaces_nothing(folder, tmp_path):
    (tmp_path / "b").write_text("mine")
    done = folder.run("backup", str(tmp_path / "b"))
    assert done.exit_code == 1 and "is there already" in done.stderr
    assert (tmp_path / "b").read_text() == "mine"
    assert folder.run("backup", str(tmp_path / "c")).exit_code == 0
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").touch()
    done = Folder(tmp_path / "full").run("restore", str(tmp_path / "c"))
    assert done.exit_code == 1 and "is not empty: there is x" in done.stderr


def test_verify_leaves_nothing_and_a_broken_one_neither(folder, tmp_path):
    assert folder.run("backup", str(tmp_path / "b")).exit_code == 0
    before = sorted(folder.path.rglob("*"))
    done = folder.run("restore", str(tmp_path / "b"), "--verify")
    assert done.exit_code == 0 and "The backup is whole: 2 accounts" in done.output, done.output
    assert sorted(folder.path.rglob("*")) == before
    octets = bytearray((tmp_path / "b").read_bytes())
    octets[len(octets) // 2] ^= 1
    (tmp_path / "bent").write_bytes(octets)
    for arguments in (["--verify"], []):
        other = Folder(tmp_path / "other")
        done = other.run("restore", str(tmp_path / "bent"), *arguments, "--room", str(tmp_path))
        assert done.exit_code == 1 and "bent" in done.stderr, done.output
        assert not other.path.exists()
        assert not list(tmp_path.glob(".verify*"))


def test_without_mail_clients_are_told_that_it_is_gone(folder, tmp_path):
    octets, made = folder.backed_up(mail=False)
    assert len(octets) < 20_000 and made.counts["maildb/mail"]["messages"] == 0
    found = restored(octets, tmp_path / "new")
    assert found.prove(dns=False) == []
    for (account, box, status, messages), (account_2, box_2, status_2, messages_2) in zip(
        state(folder.path), state(tmp_path / "new"), strict=True
    ):
        assert (account, box.id, box.name, messages_2) == (account_2, box_2.id, box_2.name, [])
        assert (status_2.uidnext, status_2.messages) == (status.uidnext, 0) and status_2.modseq > status.modseq
        del messages


def test_while_mail_comes_and_goes_all_that_it_names_is_in_it(folder, tmp_path):
    """Large messages are removed all the time: none that the copy of the database names is missing."""
    gateway = Gateway.of(folder.path)
    gateway.read_only = False
    store = gateway.store
    bob = store.account("bob@_b.test")
    box = store.mailbox(bob.id, "INBOX")
    turns = 0

    def traffic():
        nonlocal turns
        while True:
            put(store, "bob@_b.test", 2, LARGE)
            store.remove([(box.id, m.uid) for m in store.changes(box.id, 0).messages][:2])
            turns += 1
            gevent.sleep(0)

    busy = gevent.spawn(traffic)
    until(lambda: turns > 2)
    for number in range(3):
        done = [0]
        making = Making(Gateway.of(folder.path), True, folder.path, lambda *_: gevent.sleep(0.01))
        out = io.BytesIO()
        begun = turns
        making.write(out.write, None)
        assert turns > begun, "nobody else had a turn"
        found = restored(out.getvalue(), tmp_path / str(number))
        assert found.prove(dns=False) == [] and done
    busy.kill()
    until(lambda: not store.writer._queue)
    gateway.stop()
    # What had to stay goes at the next start.
    gateway = Gateway.of(folder.path)
    gateway.read_only = False
    named = {name for (name,) in gateway.store.reader.rows("SELECT file FROM body WHERE file IS NOT NULL")}
    assert {p.name for p in (folder.path / "data/blobs").glob("??/*")} == named
    gateway.stop()


def test_a_file_that_had_to_stay_goes_when_the_backup_is_over(folder, monkeypatch):
    monkeypatch.setattr("chatgate_maildb.blobs._AGAIN", 0.01)
    gateway = Gateway.of(folder.path)
    gateway.read_only = False
    store = gateway.store
    box = store.mailbox(store.account("bob@_b.test").id, "INBOX")
    files = lambda: len(list((folder.path / "data/blobs").glob("??/*")))  # noqa: E731
    with holding.held(folder.path / "data/blobs"):
        store.remove([(box.id, m.uid) for m in store.changes(box.id, 0).messages])
        store.expire(0)
        gevent.sleep(0.05)
        assert files() == 2
    until(lambda: files() == 0)
    gateway.stop()


def test_a_database_is_copied_at_one_moment(tmp_path):
    """Others write between any two pages of the copy; it has all or nothing of what they write."""
    path = tmp_path / "x.db"
    with sqlite3.connect(path, isolation_level=None) as database:
        database.execute("PRAGMA journal_mode=wal")
        database.execute("CREATE TABLE t (a, b)")
        database.executemany("INSERT INTO t VALUES (?, ?)", ((n, bytes(6000)) for n in range(700)))
        database.execute("CREATE TABLE sum (n)")
        database.execute("INSERT INTO sum SELECT sum(a) FROM t")
        steps = []

        def write(done, all):
            steps.append(done)
            database.execute("BEGIN")
            database.execute("UPDATE t SET a=a+1")
            database.execute("UPDATE sum SET n=(SELECT sum(a) FROM t)")
            database.execute("COMMIT")

        copy_database(path, tmp_path / "copy.db", write)
    with sqlite3.connect(tmp_path / "copy.db") as copy:
        assert copy.execute("SELECT (SELECT sum(a) FROM t)=(SELECT n FROM sum)").fetchall() == [(1,)]
    assert len(steps) > 1 and steps == sorted(steps), "it began anew"
    assert damaged(tmp_path / "copy.db") == []


def test_memory_does_not_grow_with_the_mail(folder, tmp_path):
    peaks = []
    for count in (10, 90):  # of 100 kB
        put(gateway_store := opened(folder), "bob@_b.test", count, LARGE)
        gateway_store.close()
        gateway = Gateway.of(folder.path)
        with open(tmp_path / f"{count}", "wb") as out:
            tracemalloc.start()
            Making(gateway, True, folder.path).write(out.write, None)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0] + 1_000_000, peaks


def opened(folder):
    gateway = Gateway.of(folder.path)
    gateway.read_only = False
    return gateway.store


class Counter:
    """A third party's plugin, with a file of its own."""

    order = 50

    def __init__(self, gateway, options):
        self.gateway = gateway

    @hookimpl
    def chatgate_backup(self):
        return [
            KeptFiles("count", self.gateway.path("data", "count.txt")),
            KeptFiles("more", self.gateway.path("more")),
        ]


class Failing(Counter):
    @hookimpl
    def chatgate_backup(self):
        raise ValueError("no")


@pytest.fixture
def third(monkeypatch):
    """A function: Gateway.of makes gateways with this plugin, too."""

    def use(plugin):
        load = running.load

        def more(folder):
            import dataclasses

            from chatgate.hosting.confd import Enabled

            config = load(folder)
            return dataclasses.replace(config, plugins=(*config.plugins, Enabled("counter", plugin, None)))

        monkeypatch.setattr(running, "load", more)

    return use


def test_what_a_third_party_keeps_comes_along(folder, tmp_path, third):
    (folder.path / "data/count.txt").write_text("41")
    (folder.path / "more/deep").mkdir(parents=True)
    (folder.path / "more/deep/file with blanks and ä").write_text("x")
    (folder.path / "more/.hidden").write_text("x")
    os.symlink(folder.path / "data/count.txt", folder.path / "more/link")
    third(Counter)
    octets, _ = folder.backed_up()
    restored(octets, tmp_path / "new").prove(dns=False)
    assert (tmp_path / "new/data/count.txt").read_text() == "41"
    assert {p.name: p.read_text() for p in (tmp_path / "new/more").rglob("*") if p.is_file()} == {
        "file with blanks and ä": "x",
        "link": "41",
    }
    assert not (tmp_path / "new/more/link").is_symlink()


def test_a_plugin_that_cannot_say_what_it_keeps_fails_the_backup(folder, third):
    third(Failing)
    with pytest.raises(PluginError, match="counter"):
        folder.backed_up()


def test_a_damaged_database_is_no_backup(folder):
    path = folder.path / "data/mail.db"
    octets = bytearray(path.read_bytes())
    octets[8192:40000] = os.urandom(40000 - 8192)
    path.write_bytes(octets)
    with pytest.raises(PluginError, match="maildb: .*mail.db (is damaged|cannot be copied)"):
        folder.backed_up()


def test_mail_outside_the_folder_is_put_there_only_when_asked(new_folder, tmp_path):
    folder = new_folder("gateway")
    elsewhere = tmp_path / "disk/mail"
    elsewhere.parent.mkdir()
    (folder.path / "data").rename(elsewhere)
    (conf,) = (folder.path / "conf.d").glob("*-maildb.toml")
    conf.write_text(f'folder = "{elsewhere}"\n')
    before = state(folder.path)
    assert folder.run("backup", str(tmp_path / "b")).exit_code == 0
    elsewhere.rename(tmp_path / "gone")
    other = Folder(tmp_path / "other")
    done = other.run("restore", str(tmp_path / "b"))
    assert done.exit_code == 1 and "belongs outside the folder" in done.stderr and not other.path.exists()
    assert not elsewhere.exists()
    done = other.run("restore", str(tmp_path / "b"), "--outside")
    assert done.exit_code == 0, done.output
    assert [messages for *_, messages in state(other.path)] == [messages for *_, messages in before]
    done = Folder(tmp_path / "third").run("restore", str(tmp_path / "b"), "--outside")
    assert done.exit_code == 1 and "is there already" in done.stderr


def test_mail_outside_of_which_half_was_written_is_written_again(new_folder, tmp_path, monkeypatch):
    """As if the machine died while it was copied to the other disk."""
    folder = new_folder("gateway")
    (folder.path / "data").rename(tmp_path / "mail")
    (conf,) = (folder.path / "conf.d").glob("*-maildb.toml")
    conf.write_text(f'folder = "{tmp_path}/mail"\n')
    before = state(folder.path)
    assert folder.run("backup", str(tmp_path / "b")).exit_code == 0
    (tmp_path / "mail").rename(tmp_path / "gone")
    other, command = Folder(tmp_path / "other"), ("restore", str(tmp_path / "b"), "--outside")
    with monkeypatch.context() as patch:
        patch.setattr("chatgate_backup.placing._remove", lambda path: None)

        def half(now, target):
            shutil.copytree(now, target)
            (target / "mail.db").unlink()
            raise OSError(errno.ENOSPC, "full", str(target))

        patch.setattr("shutil.move", half)
        assert other.run(*command).exit_code == 1
    assert not (tmp_path / "mail").exists() and (tmp_path / ".mail.restoring").exists()
    done = other.run(*command)
    assert done.exit_code == 0, done.output
    assert [messages for *_, messages in state(other.path)] == [messages for *_, messages in before]
    assert not (tmp_path / ".mail.restoring").exists()


def test_one_restore_at_a_time(folder, tmp_path):
    assert folder.run("backup", str(tmp_path / "b")).exit_code == 0
    other = Folder(tmp_path / "other")
    with emptied(other.path):
        done = other.run("restore", str(tmp_path / "b"))
    assert done.exit_code == 1 and "another restore is at work there" in done.stderr
    assert other.run("restore", str(tmp_path / "b")).exit_code == 0


@pytest.mark.parametrize("number", (errno.EPERM, errno.EOPNOTSUPP))
def test_where_a_disk_has_no_links(folder, tmp_path, monkeypatch, number):
    def none(*_):
        raise OSError(number, "no")

    monkeypatch.setattr("os.link", none)
    assert folder.run("backup", str(tmp_path / "b")).exit_code == 0
    with (tmp_path / "b").open("rb") as file:
        assert wrapping.whole(file)
    done = folder.run("backup", str(tmp_path / "b"))
    assert done.exit_code == 1 and "is there already" in done.stderr
    assert not list(tmp_path.glob(".*.part"))


def test_a_place_that_is_not_there_is_named(folder, tmp_path):
    done = folder.run("backup", str(tmp_path / "no/b"))
    assert done.exit_code == 1 and done.stderr == f"chatgate: {tmp_path}/no: No such file or directory\n"


def test_names_of_a_store_are_only_its_own(folder):
    kept = KeptMail(folder.path / "data")
    for name in ("", "lock", "../x", "blobs/ab/../../x", "blobs/ab", "mail.db-wal"):
        with pytest.raises(ValueError):
            kept.place(name)
