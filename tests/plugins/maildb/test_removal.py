"""Removing messages by the thousand: in small transactions, behind everybody else, and bodies last."""

import subprocess
import sys
import threading
import time

import gevent
import gevent.event
import pytest
from chatgate_maildb import purging, removal, rows

from chatgate.api import Delivery

MAIL = b"Subject: one\r\n\r\nhello\r\n"


@pytest.fixture
def shared(store, people):
    """Ten messages for both; the mailboxes with their UIDs."""
    stored = [store.store(MAIL, [people.alice.inbox, people.bob.inbox]) for _ in range(10)]
    return [(s.delivery.mailbox_id, s.uid) for each in stored for s in each]


def bodies(store):
    return store.reader.rows("SELECT count(*) FROM body")[0][0]


def released(store):
    return store.reader.rows("SELECT count(*) FROM released")[0][0]


@pytest.mark.parametrize("most", [1, 3, 500])
def test_bodies_go_with_their_last_message(store, people, shared, monkeypatch, most):
    monkeypatch.setattr(removal, "_LEAST", most)
    monkeypatch.setattr(removal, "_MOST", most)
    told = []
    assert store.remove(sorted(shared)[:10], told.append) == 10 and sum(told) == 10 and max(told) <= most
    assert bodies(store) == 10 and released(store) == 0
    copied = store.copy(people.bob.box, [1], store.mailbox(people.bob.id, "Trash").id)
    assert store.remove(sorted(shared)[10:]) == 10
    assert bodies(store) == 1 and store.content(store.mailbox(people.bob.id, "Trash").id, copied.copies[0]) == MAIL
    assert store.integrity() == []


def test_notes_are_worked_off_amid_a_long_removal(store, shared, monkeypatch):
    monkeypatch.setattr(removal, "_NOTES", 4)
    monkeypatch.setattr(removal, "_LEAST", 2)
    monkeypatch.setattr(removal, "_MOST", 2)
    waiting = []
    assert store.remove(shared, lambda count: waiting.append(released(store))) == 20
    assert max(waiting) == 4 and bodies(store) == released(store) == 0 and store.integrity() == []


def test_what_an_interrupted_removal_left_goes_with_the_next_cleaning_up(store, shared, open_gateway):
    def stop(count):
        raise gevent.GreenletExit

    with pytest.raises(gevent.GreenletExit):
        store.remove(shared, stop)
    assert released(store) == bodies(store) * 2 > 0 and store.integrity() == []
    store.close()
    store = open_gateway().store
    store.expire(time.time())
    assert released(store) == bodies(store) == 0 and store.integrity() == []


def test_messages_moved_and_removed_amid_it_keep_their_bodies(store, people, shared):
    """Notes wait while clients go on."""
    alice, bob = people.alice, people.bob
    trash = store.mailbox(bob.id, "Trash").id
    store.writer.run(lambda tx: removal._release(tx, [pair for pair in shared if pair[0] == alice.box]))
    store.copy(bob.box, [1, 2], trash)
    store.copy(bob.box, [3, 4], trash, move=True)
    store.expunge(bob.box, [1, 5], only_deleted=False)
    assert store.integrity() == [] and released(store) == 10
    store.removal.drop_released()
    assert [store.content(trash, uid) for uid in range(1, 5)] == [MAIL] * 4
    assert bodies(store) == 9 and store.integrity() == []


def test_two_at_once_take_nothing_twice(store, shared, people, open_gateway):
    third = store.mailbox(people.bob.id, "Sent").id
    store.copy(people.bob.box, range(1, 11), third)
    other = open_gateway().store
    tasks = [gevent.spawn(each.remove, [pair for pair in shared]) for each in (store, other, store)]
    gevent.joinall(tasks, raise_error=True)
    assert sum(task.value for task in tasks) == 20
    notes = [note for (note,) in store.reader.rows("SELECT id FROM released")]
    assert store.writer.run(lambda tx: rows.drop_released(tx, notes + [99])) == len(notes)
    assert [store.content(third, uid) for uid in range(1, 11)] == [MAIL] * 10 and store.integrity() == []


@pytest.mark.parametrize("how", ["copy", "move", "remove"])
def test_a_mailbox_that_is_being_deleted(gateway, store, people, how):
    """Its rows are there until they are purged."""
    box, posts = store.create_mailbox(people.alice.id, "Old").id, []
    store.store(MAIL, [Delivery("", box, people.alice.id)])
    store.writer.run(lambda tx: tx.execute("UPDATE mailbox SET account_id=NULL WHERE id=?", (box,)))
    gateway.board.watch(box, lambda: posts.append(1))
    if how == "remove":
        assert store.remove([(box, 1)]) == 1
        assert store.reader.rows("SELECT * FROM expunged") == []  # nobody will ever ask
    else:
        copied = store.copy(box, [1], people.alice.box, move=how == "move")
    purging.purge(store.writer, [box])
    assert how == "remove" or store.content(people.alice.box, copied.copies[0]) == MAIL
    assert posts == [] and store.integrity() == [] and bodies(store) == (how != "remove")


def test_the_number_follows_the_time(monkeypatch):
    clock = iter([0.0, 1.0, 1.0, 1.0 + removal._SECONDS / 1.5, 2.0, 2.0 + 4 * removal._SECONDS, 3.0, 3.0])
    monkeypatch.setattr(removal.time, "perf_counter", lambda: next(clock))
    pace, sizes = removal._Pace(), []
    for count in (400, 100, 400, 300):  # a second; fast; four times too slow; no time at all
        assert pace.timed(lambda tx, batch: len(batch), None, [0] * count) == count
        sizes.append(pace.size)
    assert sizes == [removal._LEAST, 150, 100, removal._MOST]


WRITE = """
import sys, gevent
from pathlib import Path
from chatgate_maildb import MailDbOptions
from chatgate_maildb.store import MailStore
store = MailStore(Path(sys.argv[1]), MailDbOptions(), lambda mailbox_id: None)
for n in range(40):
    store.writer.run(lambda tx: tx.execute("UPDATE meta SET value=value+1 WHERE key='uidvalidity'"))
store.close()
"""


def test_the_log_begins_anew_amid_commits_of_several_processes(store, people, tmp_path, monkeypatch):
    from chatgate_maildb import checkpoints

    monkeypatch.setattr(checkpoints, "_COMMITS", 10)
    monkeypatch.setattr(checkpoints, "_LONG", 50)
    process = subprocess.Popen([sys.executable, "-c", WRITE, str(tmp_path / "data")])
    content = bytes(60_000)
    for _ in range(300):
        store.store(content, [people.alice.inbox])
    assert process.wait() == 0
    # 300 messages are 18 MB. Without a new beginning all of them would be in the log.
    assert (tmp_path / "data" / "mail.db-wal").stat().st_size < 9_000_000
    assert store.integrity() == []


def test_a_checkpoint_that_fails_is_logged_and_tried_again(store, people, caplog):
    connection = store.checkpoints._database.connection()
    connection.execute("BEGIN")
    connection.execute("SELECT 1 FROM meta").fetchall()
    store.checkpoints.run()  # in a transaction there can be none
    assert "checkpoint failed" in caplog.text
    connection.execute("ROLLBACK")
    caplog.clear()
    store.checkpoints.run()
    assert caplog.text == ""


def test_an_account_without_mail_goes_in_two_transactions(store, people, monkeypatch):
    alice, account = people.alice, store.create_account("eve@example.org", "")
    commits, commit = [], store.writer._commit
    for n in range(30):
        store.create_mailbox(account.id, f"box {n}")
    monkeypatch.setattr(store.writer, "_commit", lambda: (commits.append(1), commit()))
    store.delete_account(alice.id)
    assert len(commits) == 2
    store.delete_account(account.id)  # 35 mailboxes, twenty at a time
    assert len(commits) == 2 + 3
    assert store.reader.rows("SELECT count(*) FROM mailbox WHERE account_id IS NULL") == [(0,)]


def test_the_writer_waits_for_no_checkpoint(store, people, monkeypatch):
    from chatgate_maildb import checkpoints

    entered, leave = gevent.event.Event(), threading.Event()

    def slow(connection, real=checkpoints.checkpoint):
        entered.set()
        leave.wait(1000)
        return real(connection)

    monkeypatch.setattr(checkpoints, "checkpoint", slow)
    monkeypatch.setattr(checkpoints, "_COMMITS", 1)
    asked = gevent.spawn(store.checkpoints.run)
    with gevent.Timeout(60):
        while not entered.is_set():
            gevent.sleep(0.001)
        for _ in range(3):
            store.store(MAIL, [people.alice.inbox])
    assert not asked.ready()
    leave.set()
    asked.get(timeout=60)
    store.checkpoints.wait()
