"""Large bodies, the folder, and who may look at it."""

import errno
import os
import stat
import time

import gevent
import pytest
from chatgate_maildb import blobs as blobs_module
from gevent.monkey import get_original

from chatgate.api import Delivery, PluginError, StoreError, StoreFull, StoreUnavailable

LARGE = b"Subject: x\r\n\r\n" + os.urandom(100_000)


def files(tmp_path):
    return sorted(path for path in (tmp_path / "data" / "blobs").rglob("*") if path.is_file())


def test_the_limit_between_row_and_file(open_gateway, tmp_path):
    store = open_gateway(blob_bytes=1000).store
    account = store.create_account("alice@example.org", "")
    box = store.mailbox(account.id, "INBOX").id
    store.store(b"x" * 1000, [Delivery("", box, account.id)])
    assert files(tmp_path) == []
    store.store(b"y" * 1001, [Delivery("", box, account.id)])
    assert len(files(tmp_path)) == 1
    assert store.content(box, 2) == b"y" * 1001


def test_a_file_is_on_disk_before_the_commit_that_names_it(store, people, monkeypatch):
    events, inbox, commit, fsync = [], people.alice.inbox, store.writer._commit, os.fsync

    def synced(descriptor):
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        events.append((kind, os.fstat(descriptor).st_size if kind == "file" else None))
        fsync(descriptor)

    monkeypatch.setattr(blobs_module.os, "fsync", synced)
    monkeypatch.setattr(store.writer, "_commit", lambda: (events.append(("commit", None)), commit()))
    store.store(LARGE, [inbox])
    assert events == [("folder", None), ("file", len(LARGE)), ("folder", None), ("commit", None)]


def test_a_file_goes_only_after_the_commit(store, people, tmp_path, monkeypatch):
    store.store(LARGE, [people.alice.inbox])
    commit, before = store.writer._commit, []
    monkeypatch.setattr(store.writer, "_commit", lambda: (before.append(len(files(tmp_path))), commit()))
    store.expunge(people.alice.box, [1], only_deleted=False)
    assert before == [1]
    store.close()
    assert files(tmp_path) == []


def test_a_disk_without_room_for_the_file(store, people, tmp_path, monkeypatch):
    inbox = people.alice.inbox

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(blobs_module.os, "fsync", full)
        with pytest.raises(StoreFull):
            store.store(LARGE, [inbox])
    assert files(tmp_path) == []
    assert store.store(LARGE, [inbox])[0].uid == 1


def test_large_bodies_do_not_stop_the_hub(store, people, monkeypatch):
    """The disk takes its time, until others have had many turns."""
    inbox, fsync, sleep = people.alice.inbox, os.fsync, get_original("time", "sleep")
    ticks, waits = 0, []

    def slow(descriptor):
        waits.append(ticks + 30)
        for _ in range(6000):
            if ticks < waits[-1]:
                sleep(0.01)
        fsync(descriptor)

    monkeypatch.setattr(blobs_module.os, "fsync", slow)
    task = gevent.spawn(store.store, LARGE, [inbox])
    while not task.dead:
        gevent.sleep(0.002)
        ticks += 1
    assert waits and ticks >= waits[-1] and task.value[0].uid == 1


def test_a_message_expunged_while_it_is_read_is_just_gone(store, people, tmp_path, monkeypatch):
    store.store(LARGE, [people.alice.inbox])
    read = store.blobs.read

    def late(*arguments):
        store.expunge(people.alice.box, [1], only_deleted=False)
        while files(tmp_path):
            gevent.sleep(0.001)
        return read(*arguments)

    monkeypatch.setattr(store.blobs, "read", late)
    assert store.content(people.alice.box, 1) is None


@pytest.mark.parametrize("harm", [os.unlink, lambda path: os.truncate(path, 10)])
def test_a_damaged_file_is_an_error_not_a_shorter_message(store, people, tmp_path, harm):
    store.store(LARGE, [people.alice.inbox])
    harm(files(tmp_path)[0])
    with pytest.raises(StoreError):
        store.content(people.alice.box, 1)
    (line,) = store.integrity()
    assert str(files(tmp_path)[0] if files(tmp_path) else "missing") in line


def leftover(tmp_path, age):
    path = tmp_path / "data" / "blobs" / "ab" / ("ab" + "0" * 30)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_leftovers_are_removed_at_start_unless_somebody_else_is_there(open_gateway, tmp_path):
    first = open_gateway()
    _ = first.store
    path = leftover(tmp_path, age=0)
    second = open_gateway()
    _ = second.store
    assert path.exists()  # it may be a delivery of the first one
    first.stop(), second.stop()
    _ = open_gateway().store
    assert not path.exists()


def test_old_leftovers_are_removed_by_expire(store, people, tmp_path):
    store.store(LARGE, [people.alice.inbox])
    os.utime(files(tmp_path)[0], (time.time() - 9999,) * 2)
    young, old = leftover(tmp_path, age=100), leftover(tmp_path, age=0).with_name("ab" + "1" * 30)
    old.write_bytes(b"x")
    os.utime(old, (time.time() - 7200,) * 2)
    assert store.expire(time.time()) == {"body files": 1}
    assert young.exists() and not old.exists() and store.content(people.alice.box, 1) == LARGE


def test_a_leap_of_the_clock_does_not_make_a_leftover_of_what_is_just_coming(store, people, tmp_path, monkeypatch):
    """Its file is there and no row names it yet, for as long as a transaction takes."""
    swept, run, inbox = [], store.writer.run, people.alice.inbox

    def late(work, **how):
        monkeypatch.setattr(store.writer, "run", run)
        os.utime(files(tmp_path)[0], (time.time() - 7200,) * 2)
        swept.append(store.blobs.sweep(store.upkeep.wanted, 3600.0))
        return run(work, **how)

    monkeypatch.setattr(store.writer, "run", late)
    store.store(LARGE, [inbox])
    assert swept == [0] and store.content(people.alice.box, 1) == LARGE
    store.expunge(people.alice.box, [1], only_deleted=False)
    assert store.blobs._coming == set()


def test_a_folder_of_bodies_that_cannot_be_used_is_one_line(open_gateway, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path.name != "blobs")
    with pytest.raises(PluginError, match=r"^maildb: .*data cannot be written: Permission denied$"):
        _ = open_gateway().store


def test_a_folder_that_goes_while_it_is_looked_through_is_an_error_of_the_store(store, people, tmp_path, caplog):
    assert people.alice
    (tmp_path / "data" / "blobs").rename(tmp_path / "gone")
    with pytest.raises(StoreUnavailable):
        store.expire(time.time())
    assert "body files not looked through" in caplog.text
    (tmp_path / "gone").rename(tmp_path / "data" / "blobs")


def test_files_that_are_not_ours_are_left_alone(open_gateway, tmp_path):
    open_gateway().store.close()  # there must be a database for files to be left over from
    ours = leftover(tmp_path, age=0)
    others = [tmp_path / "data" / "blobs" / "notes.txt", ours.with_name("notes.txt")]
    for path in others:
        path.write_text("of the operator")
    _ = open_gateway().store
    assert not ours.exists() and all(path.exists() for path in others)


def test_only_the_owner_can_look(store, people, tmp_path):
    store.store(LARGE, [people.alice.inbox])
    data = tmp_path / "data"
    for path in [data, *data.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_folder_that_cannot_be_used(open_gateway, tmp_path):
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(PluginError, match="^maildb: .*data") as error:
        _ = open_gateway().store
    assert "\n" not in str(error.value)


def test_an_old_sqlite_is_refused(open_gateway, monkeypatch):
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 34, 1))
    with pytest.raises(PluginError, match="SQLite 3.35 or newer"):
        _ = open_gateway().store


def test_a_file_that_is_no_database(open_gateway, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mail.db").write_bytes(b"something else" * 1000)
    with pytest.raises(PluginError, match="cannot be opened"):
        _ = open_gateway().store


def test_removing_files_while_all_threads_are_busy_delays_no_commit(store, people, tmp_path):
    alice = people.alice
    store.store(LARGE, [alice.inbox])
    pipe, end = os.pipe()
    busy = [gevent.spawn(store.blobs._threads.apply, os.read, (pipe, 1)) for _ in range(20)]
    gevent.sleep(0.01)
    try:
        store.expunge(alice.box, None, only_deleted=False)
        stored = gevent.spawn(store.store, b"x", [alice.inbox])
        stored.join(timeout=60)
        assert stored.ready() and len(files(tmp_path)) == 1
    finally:
        os.write(end, bytes(20))
        gevent.joinall(busy)
        os.close(pipe), os.close(end)
    store.close()
    assert files(tmp_path) == []


@pytest.mark.parametrize("content", [b"Subject: x\r\n\r\nsmall", LARGE])
def test_an_open_message_can_be_read_to_its_end(store, people, tmp_path, content):
    """Though it is expunged meanwhile, and its file is gone."""
    store.store(content, [people.alice.inbox])
    opened = store.open(people.alice.box, 1)
    store.expunge(people.alice.box, [1], only_deleted=False)
    store.blobs.close()
    store.blobs = blobs_module.Blobs(tmp_path / "data" / "blobs")
    assert files(tmp_path) == [] and store.open(people.alice.box, 1) is None
    assert opened.size == len(content)
    pieces = [opened.read(start, 7000) for start in range(0, opened.size + 7000, 7000)]
    assert b"".join(pieces) == content and pieces[-1] == b""
    opened.close()
    opened.close()


def test_an_open_message_leaves_no_descriptor(store, people):
    store.store(LARGE, [people.alice.inbox])
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        store.open(people.alice.box, 1).close()
        store.open(people.alice.box, 1)  # forgotten: its end closes it
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_damaged_file_is_no_message(store, people, tmp_path):
    store.store(LARGE, [people.alice.inbox])
    opened = store.open(people.alice.box, 1)
    (file,) = files(tmp_path)
    os.truncate(file, 70_000)
    with pytest.raises(StoreError):
        opened.read(69_000, 2000)
    with pytest.raises(StoreError):
        store.open(people.alice.box, 1)
    file.unlink()
    with pytest.raises(StoreError):
        store.open(people.alice.box, 1)
