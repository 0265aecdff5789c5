"""What goes elsewhere: rows that share their body with mailboxes, within limits, claimed for a while."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from chatgate_maildb import outgoing

from chatgate.api import QUEUE, Delivery, NoSuchMailbox, Outgoing, OverQuota, Queued, QueueFull, Reply, Skip, Stored

SMALL, LARGE = b"Subject: x\r\n\r\nsmall\r\n", b"Subject: x\r\n\r\n" + bytes(100_000)

WORKER = Path(__file__).with_name("queue_worker.py")


def far(name="zoe", domain="far.test"):
    return Outgoing(f"{name}@{domain}", domain)


@pytest.fixture
def put(store, people):
    def put(*names, content=SMALL, sender="alice@example.org", **facts):
        account_id = facts.pop("account_id", people.alice.id)
        goes = [far(name) if name.islower() else getattr(people, name.lower()).inbox for name in names]
        return store.store(content, goes, True, sender, account_id)

    return put


def bodies(store):
    return store.reader.rows("SELECT count(*) FROM body")[0][0]


@pytest.mark.parametrize("content", [SMALL, LARGE])
def test_one_body_goes_with_the_last_that_refers_to_it(store, people, put, content):
    before = time.time()
    bob, zoe, yan = put("Bob", "zoe", "yan", content=content)
    assert isinstance(bob, Stored) and bodies(store) == 1
    assert (zoe.recipient, zoe.domain, zoe.sender) == ("zoe@far.test", "far.test", "alice@example.org")
    assert (zoe.account_id, zoe.size, zoe.attempts, zoe.reply) == (people.alice.id, len(content), 0, None)
    assert before <= zoe.came == zoe.due <= time.time() and zoe.expires - zoe.came == 2 * 86400
    assert zoe.message == yan.message and store.queue() == [zoe, yan] and store.count_queue() == 2
    for step in (
        lambda: store.expunge(people.bob.box, None, only_deleted=False),
        lambda: store.settle([zoe]),
    ):
        step()
        opened = store.open_queued(yan.id)
        assert opened.read(0, opened.size) == content and store.integrity() == []
        opened.close()
    assert store.settle([zoe, yan]).gone == [yan.id]
    assert (bodies(store), store.queue(), store.open_queued(yan.id), store.integrity()) == (0, [], None, [])


def test_mail_to_elsewhere_alone(store, put):
    (row,) = put("zoe", account_id=None, sender="")
    assert (row.account_id, row.sender) == (None, "") and store.settle([row]).gone == [row.id]
    assert bodies(store) == 0 and store.integrity() == []


def test_it_is_no_part_of_what_an_account_keeps(store, people, put):
    put("zoe")
    assert store.usage(people.alice.id).octets == 0
    (row,) = store.queue()
    store.delete_account(people.alice.id)
    assert store.queue() == [row], "what an account sent goes its way"


def test_nothing_is_queued_of_what_is_not_stored(store, people):
    gone = Delivery("x@example.org", 999, 9)
    with pytest.raises(NoSuchMailbox) as caught:
        store.store(LARGE, [far(), people.alice.inbox, gone], True)
    assert caught.value.gone == [gone]
    store.set_quota(people.bob.id, 5)
    with pytest.raises(OverQuota):
        store.store(LARGE, [far(), people.bob.inbox])
    assert store.count_queue() == bodies(store) == 0
    assert [type(one) for one in store.store(SMALL, [people.bob.inbox, far()], True)] == [Queued]
    assert store.integrity() == []


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        ({"queue_rows": 3}, 3),
        ({"queue_rows_per_account": 2}, 2),
        ({"queue_bytes": len(SMALL) * 3}, 3),
        ({"queue_bytes_per_account": len(SMALL) * 2}, 2),
        ({"queue_rows": 0}, 0),
    ],
)
def test_limits(open_gateway, options, taken):
    store = open_gateway(**options).store
    account = store.create_account("alice@example.org", "")
    inbox = Delivery("", store.mailbox(account.id, "INBOX").id, account.id)
    for number in range(taken):
        store.store(SMALL, [far(str(number))], account_id=account.id)
    for goes in ([far("last")], [inbox, far("last")]):
        with pytest.raises(QueueFull):
            store.store(SMALL, goes, True, "", account.id)
    assert store.count_queue() == taken and store.usage(account.id).messages == 0 and store.integrity() == []
    rows = store.queue()
    if rows:
        told = store.settle(rows[:1], (SMALL, far("notice"))).notice
        assert (told.recipient, told.sender, told.account_id) == ("notice@far.test", "", None)
        store.settle(rows)
        store.store(SMALL, [far("last")], account_id=account.id)
    others = [0] if "per_account" in str(options) else []
    for _ in others:
        store.store(SMALL, [far("others")], account_id=account.id + 1)


def test_a_claim_is_for_some_time(store, put):
    zoe, yan = put("zoe", "yan")
    (xin,) = put("xin")
    now = xin.due
    assert store.claim(10, 60, zoe.due - 1) == [] and store.claim(0, 60, now) == []
    first = store.claim(2, 60, now)
    assert first == [row._replace(attempts=1, due=now + 60) for row in (zoe, yan)]
    assert [row.id for row in store.claim(10, 60, now)] == [xin.id] and store.claim(10, 60, now) == []
    assert store.next_due() == now + 60
    again = store.claim(10, 60, now + 60)
    assert {row.id: row.attempts for row in again} == {zoe.id: 2, yan.id: 2, xin.id: 2}
    assert not store.postpone([first[0]], now + 99), "somebody else has it by now"
    assert store.settle(first).gone == [zoe.id, yan.id], "but what was handed on was handed on"
    assert not store.postpone([again[0]], now + 99) and store.count_queue() == 1


def test_nothing_is_written_when_nothing_is_due(store, put, monkeypatch):
    put("zoe")
    monkeypatch.setattr(store.writer, "run", None)
    assert store.claim(10, 60, 5.0) == []


def test_postponed(store, put):
    put("zoe")
    (row,) = store.claim(10, 60, time.time())
    later = row.came + 1000
    assert store.postpone([row], later, Reply(451, "4.7.1", "come\r\n back " + "x" * 600))
    (kept,) = store.queue()
    assert (kept.due, kept.reply.code, kept.reply.enhanced) == (later, 451, "4.7.1")
    assert kept.reply.text.startswith("come back x") and len(kept.reply.text) == 500
    (row,) = store.claim(10, 60, later)
    assert row.attempts == 2 and row.reply == kept.reply and not row.expired
    assert store.postpone([row], row.expires + 1000) and store.next_due() == row.expires
    (row,) = store.claim(10, 60, row.expires)
    assert row.expired and row.reply == kept.reply
    assert store.postpone([row], row.expires + 1000) and store.next_due() == row.expires + 1000


def test_what_is_passed_by_is_not_read(store, put, people):
    """However much waits for a domain or of an account: a claim looks at the index alone."""
    put(*(f"zoe{number}" for number in range(50)))
    now = time.time() + 1
    for skip in (Skip(domains=["far.test"]), Skip(accounts=[people.alice.id])):
        (plan,) = store.reader.rows(f"EXPLAIN QUERY PLAN {outgoing.ANY_DUE}", outgoing.wanted(now, skip))[:1]
        assert "COVERING INDEX outgoing_due" in plan[3]
        assert store.claim(10, 60, now, skip) == []


def test_many_are_delayed_in_one_transaction_that_lets_others_have_turns(store, put, monkeypatch):
    monkeypatch.setattr(outgoing, "_AT_ONCE", 10)
    put(*(f"zoe{number}" for number in range(45)))
    now, run, writes = time.time() + 1, store.writer.run, []
    monkeypatch.setattr(store.writer, "run", lambda *job, **how: writes.append(how) or run(*job, **how))
    assert store.delay("far.test", now + 60, now) == 45 and store.delay("far.test", now + 60, now) == 0
    assert writes == [{"patient": True}]


def test_a_notice_and_its_reason_go_together(store, people, put):
    (row,) = put("zoe")
    told = store.settle([row], (LARGE, people.alice.inbox))
    assert told.gone == [row.id] and store.content(people.alice.box, told.notice.uid) == LARGE
    assert store.settle([row], (LARGE, people.alice.inbox)) == ([], None), "somebody else has told"
    assert store.status(people.alice.box).messages == 1 and bodies(store) == 1 and store.integrity() == []


def test_a_notice_without_room_or_mailbox_is_left_out(store, people, put):
    rows = put("zoe", "yan", account_id=None)
    store.set_quota(people.bob.id, 5)
    assert store.settle(rows[:1], (LARGE, people.bob.inbox)) == ([rows[0].id], None)
    assert store.settle(rows[1:], (LARGE, Delivery("", 999, 9))) == ([rows[1].id], None)
    assert bodies(store) == 0 and store.integrity() == []


def test_listed_in_pages_and_dropped(store, put):
    rows = put("a", "b", "c", "d")
    assert store.queue(limit=2) == rows[:2] and store.queue(rows[1].id, 9) == rows[2:]
    assert store.drop([rows[2].id, rows[0].id, 999]) == [rows[0], rows[2]]
    assert store.count_queue() == 2 and store.integrity() == []


def test_the_queue_is_posted_when_rows_come(gateway, store, people, put):
    told = []
    gateway.board.watch(QUEUE, lambda: told.append(1))
    put("Bob")
    assert told == []
    put("Bob", "zoe")
    assert told == [1]


def test_check_sees_damage(store, put):
    put("zoe", "yan")
    store.writer.run(lambda tx: tx.execute("DELETE FROM outgoing WHERE recipient LIKE 'yan%'").rowcount)
    found = store.integrity()
    assert any(line.startswith("the queue is miscounted: rows and octets 1 ") for line in found)
    assert any(line.startswith("the copies of a body are miscounted") for line in found)


def test_kill_loses_nothing_and_hands_nothing_of_others_on(tmp_path, open_gateway):
    open_gateway().store.close()
    sent, got = set(), set()
    for turn in range(3):
        process = subprocess.Popen(
            [sys.executable, WORKER, str(tmp_path / "data"), str(turn)], stdout=subprocess.PIPE, text=True
        )
        lines = [process.stdout.readline() for _ in range(random.randint(100, 250))]
        os.kill(process.pid, signal.SIGKILL)
        lines += process.stdout.read().splitlines(keepends=True)
        process.wait()
        for line in lines:
            if not line.endswith("\n"):
                continue  # cut off by the kill
            what, _, name = line.strip().partition(" ")
            (sent if what == "sent" else got).add(name)
    store = open_gateway().store
    assert store.integrity() == []
    left = {row.recipient.partition("@")[0] for row in store.queue(limit=10**6)}
    wanted = {f"{name}-{n}" for name in sent for n in range(2)}
    assert len(sent) > 30 and wanted <= left | got
    while rows := store.claim(500, 600, time.time() + 3600):
        assert all(store.open_queued(row.id) is not None for row in rows)
        store.settle(rows)
    assert bodies(store) == 0 and store.integrity() == []
    store.close()  # files are removed in the background
    assert [path for path in Path(tmp_path, "data/blobs").rglob("*") if path.is_file()] == []
