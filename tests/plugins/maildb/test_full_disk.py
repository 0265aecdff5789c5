"""On a full disk people can still delete, which is what makes room; new mail is put off."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import peewee
import pytest
from chatgate_maildb.reserve import Reserve, is_full

SCRIPT = Path(__file__).with_name("full_disk.py")


def test_a_real_full_disk(tmp_path):
    unshare = ["unshare", "--mount", "--propagation", "private"]
    if os.geteuid() or not shutil.which("unshare") or subprocess.run([*unshare, "true"]).returncode:
        pytest.skip("needs a mount namespace of its own")
    done = subprocess.run(
        [*unshare, sys.executable, str(SCRIPT), str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "reserve made 4000000"
    assert lines[1] == "filled True False"
    assert lines[2] == "full True"
    assert lines[3] == "regained True True"
    assert lines[4] == "refused There is no space on the server's disk, please try again later"
    assert lines[5] == "deleted True"
    assert lines[6] == "removed True"
    assert lines[7] == "room again"
    assert lines[8] == "sound []"


def test_the_space_is_really_taken(tmp_path):
    Reserve(tmp_path, 1_000_000)
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= 1_000_000


def test_none_is_wanted(tmp_path):
    (tmp_path / "reserve").write_bytes(b"x")
    assert not Reserve(tmp_path, 0).spend() and not (tmp_path / "reserve").exists()


def test_it_is_spent_once(tmp_path):
    reserve = Reserve(tmp_path, 1_000_000)
    assert reserve.spend() and reserve.spent and not reserve.spend()
    reserve.regain()
    assert not reserve.spent and (tmp_path / "reserve").stat().st_size == 1_000_000


def test_what_counts_as_full():
    assert is_full(OSError(28, "")) and not is_full(OSError(5, "")) and not is_full(ValueError())
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA max_page_count=2")
    with pytest.raises(sqlite3.Error) as error:
        connection.execute("CREATE TABLE a AS SELECT zeroblob(100000)")
    assert is_full(error.value)
    database = peewee.SqliteDatabase(":memory:", pragmas={"max_page_count": 2})
    with pytest.raises(peewee.OperationalError) as wrapped:
        database.execute_sql("CREATE TABLE a AS SELECT zeroblob(100000)")
    assert is_full(wrapped.value)


def test_others_in_the_same_commit_are_tried_again(store, people, monkeypatch):
    """A commit that meets the full disk refuses the mail in it, and the deletions in it are done."""
    import gevent

    box = people.alice.box
    store.store(b"Subject: x\r\n\r\n", [people.alice.inbox])
    commit, calls = store.writer._commit, []

    def fails_once():
        calls.append(1)
        if len(calls) == 1:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        commit()

    monkeypatch.setattr(store.writer, "_commit", fails_once)
    arriving = gevent.spawn(store.store, b"Subject: y\r\n\r\n", [people.alice.inbox])
    deleting = gevent.spawn(store.expunge, box, None, False)
    gevent.joinall([arriving, deleting])
    assert type(arriving.exception).__name__ == "StoreFull" and deleting.value == [1]
    assert len(calls) == 2
