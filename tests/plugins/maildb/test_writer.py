"""Group commit: nobody is answered before the disk is, nobody pays for another's failure."""

import sqlite3
import subprocess
import sys

import gevent
import gevent.event
import gevent.pool
import pytest
from chatgate_maildb import writer as writer_module
from chatgate_maildb.database import connect
from gevent.monkey import get_original

from chatgate.api import AccountExists, OverQuota, StoreError, StoreUnavailable

MAIL = b"Subject: one\r\n\r\nhello\r\n"
thread_id = get_original("threading", "get_ident")


class Gate:
    """Stands between the writer and its COMMITs: counts them, holds them, or lets one fail."""

    def __init__(self, writer):
        self.commits, self.fail = 0, None
        self.open, self.reached = gevent.event.Event(), gevent.event.Event()
        self.open.set()
        self._commit, writer._commit = writer._commit, self

    def __call__(self):
        self.reached.set()
        self.open.wait()
        self.commits += 1
        if self.fail:
            error, self.fail = self.fail, None
            raise error
        self._commit()


def all_asked(store, count):
    """Until so many jobs wait: greenlets that were spawned need not all have begun with the next turn."""
    while len(store.writer._queue) < count:
        gevent.sleep(0)


@pytest.fixture
def gate(store, people, monkeypatch):
    _ = people.alice, people.bob
    monkeypatch.setattr(writer_module, "_SLICE", 60.0)  # one transaction for all, also where each job takes long
    gate = Gate(store.writer)
    yield gate
    gate.open.set()


def test_the_database_is_set_up_to_survive_a_power_cut(store):
    assert store.reader.rows("PRAGMA journal_mode") == [("wal",)]
    pragmas = {}

    def work(tx):
        for pragma in ("synchronous", "foreign_keys"):
            pragmas[pragma] = tx.execute(f"PRAGMA {pragma}").fetchone()[0]

    store.writer.run(work)
    assert pragmas == {"synchronous": 2, "foreign_keys": 1}


def test_opening_writes_nothing(store, tmp_path):
    """It need not wait for a process that writes, and it works on a full disk, where `check` is wanted most."""
    before = store.reader.rows("PRAGMA data_version")
    for writing in (True, False):
        connect(tmp_path / "data", writing=writing).close()
    assert store.reader.rows("PRAGMA data_version") == before
    assert store.reader.rows("PRAGMA auto_vacuum") == [(2,)]


def test_commit_runs_off_the_hub(store, people):
    inbox, connection, threads = people.alice.inbox, store.writer._connection, []

    class Watched:
        execute = connection.execute

        def commit(self):
            threads.append(thread_id())
            connection.commit()

    store.writer._connection = Watched()
    store.store(MAIL, [inbox])
    assert len(threads) == 1 and thread_id() not in threads


def test_nobody_is_answered_or_woken_before_the_commit(gateway, store, people, gate):
    box, posts = people.alice.box, []
    gateway.board.watch(box, lambda: posts.append(1))
    gate.open.clear()
    task = gevent.spawn(store.store, MAIL, [people.alice.inbox])
    gate.reached.wait(60)
    gevent.sleep(0.02)
    assert not task.dead and posts == []
    assert store.status(box).messages == 0  # nor does anybody see it
    gate.open.set()
    assert task.get(timeout=60)[0].uid == 1
    assert posts == [1] and store.content(box, 1) == MAIL


def test_what_comes_during_a_commit_shares_the_next_one(store, people, gate):
    gate.open.clear()
    tasks = [gevent.spawn(store.store, MAIL, [people.alice.inbox])]
    gate.reached.wait(60)
    tasks += [gevent.spawn(store.store, MAIL, [people.alice.inbox]) for _ in range(50)]
    all_asked(store, 50)
    gate.open.set()
    gevent.joinall(tasks, raise_error=True)
    assert gate.commits == 2
    assert sorted(task.value[0].uid for task in tasks) == list(range(1, 52))


def test_a_failing_job_harms_nobody_in_its_transaction(store, people, gate):
    def broken(tx):
        tx.execute("UPDATE mailbox SET uidnext=1000")
        tx.dropped.append("0" * 32)
        raise OverQuota("no room")

    def wrong(tx):
        tx.execute("UPDATE mailbox SET uidnext=1000")
        tx.execute("INSERT INTO mailbox (id) VALUES (1)")

    gate.open.clear()
    first = gevent.spawn(store.store, MAIL, [people.alice.inbox])
    gate.reached.wait(60)
    jobs = [
        gevent.spawn(store.store, MAIL, [people.alice.inbox]),
        gevent.spawn(store.writer.run, broken),
        gevent.spawn(store.writer.run, wrong),
        gevent.spawn(store.store, MAIL, [people.bob.inbox]),
    ]
    all_asked(store, 4)
    gate.open.set()
    gevent.joinall([first, *jobs])
    assert gate.commits == 2
    assert (first.value[0].uid, jobs[0].value[0].uid, jobs[3].value[0].uid) == (1, 2, 1)
    assert isinstance(jobs[1].exception, OverQuota)
    assert isinstance(jobs[2].exception, StoreError) and "INSERT" not in str(jobs[2].exception)
    assert store.integrity() == []


def test_who_failed_is_answered_after_the_commit_too(store, gate):
    """Whoever hears that an account exists already finds it, though another job of that transaction made it."""

    def create(name):
        try:
            return store.create_account(f"{name}@example.org", "")
        except AccountExists:
            return store.account(f"{name}@example.org")

    gate.open.clear()
    gate.reached.clear()
    first = gevent.spawn(create, "first")
    gate.reached.wait(60)
    pool = gevent.pool.Pool()
    tasks = [pool.spawn(create, "carol") for _ in range(5)]
    all_asked(store, 5)
    gate.open.set()
    pool.join(timeout=60)
    assert first.get(timeout=60) and len({task.value for task in tasks}) == 1 and tasks[0].value is not None


def test_who_failed_in_a_transaction_that_is_lost_hears_that(store, people, gate):
    def create(tx):
        raise AccountExists("made a moment ago, by what is lost now")

    gate.fail = sqlite3.OperationalError("disk I/O error")
    with pytest.raises(StoreUnavailable):
        store.writer.run(create)


def test_a_failing_commit_is_told_to_everyone_in_it_and_survived(store, people, gate):
    gate.fail = sqlite3.OperationalError("disk I/O error")
    tasks = [gevent.spawn(store.store, MAIL, [people.alice.inbox]) for _ in range(5)]
    gevent.joinall(tasks)
    assert all(isinstance(task.exception, StoreError) for task in tasks)
    assert all("disk" not in str(task.exception) for task in tasks)
    assert store.status(people.alice.box).messages == 0
    assert store.store(MAIL, [people.alice.inbox])[0].uid == 1
    assert store.integrity() == []


def test_a_full_disk_refuses_and_is_survived(store, people):
    """SQLite ends the whole transaction then, also for jobs that had succeeded in it."""
    connection = store.writer._connection
    connection.execute(f"PRAGMA max_page_count={connection.execute('PRAGMA page_count').fetchone()[0]}")
    tasks = [gevent.spawn(store.store, MAIL * 1000, [people.alice.inbox]) for _ in range(5)]
    gevent.joinall(tasks)
    assert all(isinstance(task.exception, StoreError) for task in tasks)
    connection.execute("PRAGMA max_page_count=1000000")
    assert store.store(MAIL * 1000, [people.alice.inbox])[0].uid == 1
    assert store.integrity() == []


def test_an_interrupted_caller_takes_its_job_back(store, people, gate):
    gate.open.clear()
    first = gevent.spawn(store.store, MAIL, [people.alice.inbox])
    gate.reached.wait(60)
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
        store.store(MAIL, [people.alice.inbox])
    gate.open.set()
    first.get(timeout=60)
    store.store(MAIL, [people.bob.inbox])
    assert store.status(people.alice.box).messages == 1


def test_a_caller_interrupted_while_its_job_commits_hears_the_truth(store, people, gate):
    """Told "try again" of a message that is on disk a moment later, a client would send it twice."""

    def interrupted():
        gate.open.clear()
        gate.reached.clear()
        task = gevent.spawn(store.store, MAIL, [people.alice.inbox])
        gate.reached.wait(60)
        task.kill(gevent.Timeout(1), block=False)
        gevent.sleep(0.01)
        gate.open.set()
        return task.get(timeout=60)

    assert interrupted()[0].uid == 1
    gate.fail = sqlite3.OperationalError("disk I/O error")
    with pytest.raises(StoreError):
        interrupted()
    assert store.status(people.alice.box).messages == 1


def test_a_caller_killed_while_its_job_commits_dies_after_it(store, people, gate):
    gate.open.clear()
    task = gevent.spawn(store.store, MAIL, [people.alice.inbox])
    gate.reached.wait(60)
    task.kill(block=False)
    gevent.sleep(0.01)
    assert not task.dead
    gate.open.set()
    task.join(60)
    assert isinstance(task.value, gevent.GreenletExit) and store.status(people.alice.box).messages == 1


def test_what_may_come_later_comes_with_the_next_transaction(store, people, gate):
    box = people.alice.box
    commits = gate.commits
    store.writer.later(lambda tx: tx.execute("UPDATE account SET secret='later'"))
    gevent.sleep(0.02)
    assert gate.commits == commits and store.account("alice@example.org").secret == "secret"
    store.writer.later(lambda tx: tx.execute("nonsense"))  # harms nobody
    store.store(MAIL, [people.alice.inbox])
    assert gate.commits == commits + 1 and store.account("alice@example.org").secret == "later"
    assert store.status(box).messages == 1


def test_a_watcher_that_fails_harms_nobody(gateway, store, people):
    gateway.board.watch(people.alice.box, lambda: 1 / 0)
    assert store.store(MAIL, [people.alice.inbox])[0].uid == 1
    assert store.store(MAIL, [people.alice.inbox])[0].uid == 2


def test_close_finishes_what_was_asked_for(open_gateway):
    gateway = open_gateway()
    store, begun = gateway.store, []

    def create(number):
        begun.append(number)
        store.create_account(f"u{number}@example.org", "")

    tasks = [gevent.spawn(create, number) for number in range(10)]
    while len(begun) < 10:
        gevent.sleep(0)
    gateway.store.close()
    gevent.joinall(tasks, raise_error=True)
    with pytest.raises(StoreError):
        gateway.store.create_account("late@example.org", "")
    gateway.stop()
    assert len(open_gateway().store.accounts()) == 10


HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE account SET secret='from outside'")
print("held", flush=True)
time.sleep(float(sys.argv[2]))
connection.execute("COMMIT")
"""


def hold(tmp_path, seconds):
    """Another process that writes for so long."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "data" / "mail.db"), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    return process


def test_another_process_writes_and_the_hub_goes_on(store, people, tmp_path):
    _ = people.alice
    ticks = []

    def clock():
        while True:
            ticks.append(1)
            gevent.sleep(0.005)

    with hold(tmp_path, 1.0):
        ticking = gevent.spawn(clock)
        assert store.store(MAIL, [people.alice.inbox])[0].uid == 1
        ticking.kill()
    assert len(ticks) > 20
    assert store.account(people.alice.address).secret == "from outside"


def test_patience_with_another_process_ends(open_gateway, tmp_path):
    gateway = open_gateway(busy_seconds=0.1)
    account = gateway.store.create_account("alice@example.org", "")
    with hold(tmp_path, 2.0):
        with pytest.raises(StoreError):
            gateway.store.set_secret(account.id, "x")
    gateway.store.set_secret(account.id, "x")
    assert gateway.store.account("alice@example.org").secret == "x"


def test_two_stores_on_one_folder(open_gateway):
    """As `serve` and a command beside it."""
    one, two = open_gateway().store, open_gateway().store
    alice = one.create_account("alice@example.org", "")
    tasks = [gevent.spawn(s.create_mailbox, alice.id, f"{n}-{m}") for n in range(10) for m, s in enumerate((one, two))]
    gevent.joinall(tasks, raise_error=True)
    assert one.mailboxes(alice.id) == two.mailboxes(alice.id) and len(one.mailboxes(alice.id)) == 25
    assert len({task.value.uidvalidity for task in tasks}) == 20
    two.delete_account(alice.id)
    assert one.account("alice@example.org") is None


def test_many_writers_many_readers(store, people):
    """Everybody sees whole transactions, and counters that are right."""
    box, seen = people.alice.box, []
    stop = gevent.event.Event()

    def watch():
        since = 0
        while not stop.is_set():
            told = store.changes(box, since)
            assert all(m.uid < told.uidnext and m.modseq <= told.modseq for m in told.messages)
            seen.extend(m.uid for m in told.messages)
            since = told.modseq
            gevent.sleep(0)
        seen.extend(m.uid for m in store.changes(box, since).messages)

    watching = gevent.spawn(watch)
    tasks = [gevent.spawn(store.store, MAIL + b"%d" % n, [people.alice.inbox]) for n in range(500)]
    gevent.joinall(tasks, raise_error=True)
    stop.set()
    watching.get(timeout=60)
    assert seen == list(range(1, 501)) and store.integrity() == []
