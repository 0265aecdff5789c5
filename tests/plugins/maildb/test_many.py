"""Mailboxes with thousands of messages: there is an end to them, and others get their turns."""

from dataclasses import replace

import gevent
import pytest
from chatgate_maildb import messages as module
from chatgate_maildb import writer

from chatgate.api import Delivery, OverQuota

MAIL = b"Subject: x\r\n\r\ny"


def whole(changes):
    return changes._replace(messages=list(changes.messages))


def uids_of(store, box):
    return [message.uid for message in store.changes(box).messages]


def fill(store, inbox, count):
    """By doubling, which is quick."""
    store.store(MAIL, [inbox])
    while (there := store.status(inbox.mailbox_id).messages) < count:
        uids = uids_of(store, inbox.mailbox_id)[: count - there]
        store.copy(inbox.mailbox_id, uids, inbox.mailbox_id)


class Turns:
    """How often others had a turn meanwhile."""

    def __enter__(self):
        self.count = 0
        self.task = gevent.spawn(self._run)
        gevent.sleep(0)
        return self

    def _run(self):
        while True:
            self.count += 1
            gevent.sleep(1e-6)

    def __exit__(self, *error):
        self.task.kill()


@pytest.fixture
def few(open_gateway):
    return open_gateway(quota_messages=10).store


def account(store, name):
    made = store.create_account(f"{name}@example.org", "")
    box = store.mailbox(made.id, "INBOX").id
    return made, Delivery(made.address, box, made.id)


def test_no_more_messages_than_the_account_may_have(few):
    alice, inbox = account(few, "alice")
    fill(few, inbox, 10)
    assert few.usage(alice.id)[1:] == (10, 500_000_000, 10)
    with pytest.raises(OverQuota):
        few.store(MAIL, [inbox])
    few.expunge(inbox.mailbox_id, [1], only_deleted=False)
    assert few.store(MAIL, [inbox])


def test_copies_count_as_messages_and_as_octets(few, open_gateway):
    alice, inbox = account(few, "alice")
    fill(few, inbox, 6)
    with pytest.raises(OverQuota):
        few.copy(inbox.mailbox_id, range(1, 7), inbox.mailbox_id)
    assert few.status(inbox.mailbox_id).messages == 6, "nothing is copied"
    drafts = few.mailbox(alice.id, "Drafts")
    with pytest.raises(OverQuota):
        few.copy(inbox.mailbox_id, range(1, 7), drafts.id)
    few.copy(inbox.mailbox_id, range(1, 7), drafts.id, move=True)
    few.set_quota(alice.id, 7 * len(MAIL))
    with pytest.raises(OverQuota):
        few.copy(drafts.id, [1, 2], drafts.id)
    few.copy(drafts.id, [1], drafts.id)


def test_those_with_room_get_it(few):
    _, full = account(few, "alice")
    _, other = account(few, "bob")
    fill(few, full, 10)
    assert [one.delivery for one in few.store(MAIL, [full, other], partial=True)] == [other]


def test_no_limit(open_gateway):
    store = open_gateway(quota_messages=0).store
    made, inbox = account(store, "alice")
    fill(store, inbox, 50)
    assert store.usage(made.id).message_limit == 0


def test_accounts_with_many_messages_are_crowded(few):
    alice, inbox = account(few, "alice")
    account(few, "bob")
    fill(few, inbox, 8)
    assert [one.id for one in few.crowded_accounts(0.75)] == [alice.id]
    assert few.crowded_accounts(0.9) == []


def test_a_large_mailbox_is_read_in_pieces_and_as_it_is(store, people, monkeypatch):
    box = people.alice.box
    fill(store, people.alice.inbox, 2500)
    in_pieces = whole(store.changes(box))
    assert [message for page in store.pages(box, in_pieces.uidnext) for message in page] == in_pieces.messages
    monkeypatch.setattr(module, "_AT_ONCE", 10**6)
    assert whole(store.changes(box)) == in_pieces
    assert [message.uid for message in in_pieces.messages] == list(range(1, 2501))


def test_many_changes_are_read_in_pieces(store, people, monkeypatch):
    box = people.alice.box
    fill(store, people.alice.inbox, 2500)
    before = store.changes(box).modseq
    store.expunge(box, [7, 8, 2400], only_deleted=False)
    store.set_flags(box, range(1, 2501, 2), "add", ["\\Seen"])
    in_pieces = whole(store.changes(box, before))
    monkeypatch.setattr(module, "_AT_ONCE", 10**6)
    assert whole(store.changes(box, before)) == in_pieces
    assert in_pieces.expunged == [7, 8, 2400]
    assert len(in_pieces.messages) == 1249


def test_what_comes_and_goes_while_it_is_read_is_told_the_next_time(store, people, monkeypatch):
    alice = people.alice
    fill(store, alice.inbox, 2500)
    rows, calls = store.reader.rows, []

    def reading(sql, parameters=()):
        found = rows(sql, parameters)
        if "LIMIT 1000" in sql:
            calls.append(1)
            if len(calls) == 1:
                store.expunge(alice.box, [1, 2000], only_deleted=False)
                store.store(MAIL, [alice.inbox])
                store.set_flags(alice.box, [2, 2001], "add", ["\\Seen"])
        return found

    monkeypatch.setattr(store.reader, "rows", reading)
    first = whole(store.changes(alice.box))
    monkeypatch.undo()
    known = {message.uid: message for message in first.messages}
    then = store.changes(alice.box, first.modseq)
    known |= {message.uid: message for message in then.messages}
    for uid in then.expunged:
        known.pop(uid, None)
    assert list(known.values()) == list(store.changes(alice.box).messages)


def test_others_have_their_turns(store, people, short_turns):
    alice = people.alice
    fill(store, alice.inbox, 5000)
    for work in (
        lambda: whole(store.changes(alice.box)),
        lambda: store.set_flags(alice.box, range(1, 5001), "add", ["\\Seen"]),
        lambda: store.copy(alice.box, range(1, 5001), alice.box),
        lambda: store.expunge(alice.box, range(5001, 10_001), only_deleted=False),
        lambda: store.expunge(alice.box, None, only_deleted=False),
    ):
        with Turns() as turns:
            work()
        assert turns.count >= 3


def test_a_delivery_amid_a_large_expunge_does_not_wait_for_all_of_it(store, people):
    alice, bob = people.alice, people.bob
    fill(store, alice.inbox, 5000)
    expunging = gevent.spawn(store.expunge, alice.box, None, False)
    gevent.sleep(1e-6)
    store.store(MAIL, [bob.inbox])
    assert not expunging.ready()
    assert len(expunging.get()) == 5000 and store.status(alice.box).messages == 0


def with_flags_of_their_own(store, inbox, count, keywords=8):
    """Messages of which no two have the same flags."""
    bits = [[f"$k{bit}" for bit in range(12) if number >> bit & 1] for number in range(count)]
    more = [f"$more{number}" for number in range(keywords)]
    kinds = [frozenset([*own, *more]) for own in bits]
    store.store_all([(MAIL, replace(inbox, flags=kind)) for kind in kinds])


def test_others_have_their_turns_where_each_message_has_flags_of_its_own(store, people, monkeypatch):
    monkeypatch.setattr(writer, "_TURN", 0.0)  # a turn wherever there may be one
    with_flags_of_their_own(store, people.alice.inbox, 1000)
    statements, most = 0, 0

    class Counting(writer.Transaction):
        __slots__ = ()

        def __init__(self, database):
            super().__init__(database)
            execute = self.execute

            def counted(*arguments):
                nonlocal statements, most
                statements += 1
                most = max(most, statements)
                return execute(*arguments)

            self.execute = counted

        def breathe(self):
            nonlocal statements
            statements = 0
            super().breathe()

    monkeypatch.setattr(writer, "Transaction", Counting)
    done = store.set_flags(people.alice.box, range(1, 1001), "add", ["\\Seen"])
    assert len(done.changed) == 1000 and most < 10
    assert store.integrity() == [] and store.status(people.alice.box).unseen == 0


@pytest.mark.parametrize("name", ["set_flags", "copy", "move", "expunge", "rename", "store_all"])
def test_who_stores_one_message_waits_for_one_large_job_at_most(store, people, name):
    """However many of them an account has begun."""
    alice, bob = people.alice, people.bob
    boxes = [store.create_mailbox(alice.id, f"box{number}").id for number in range(6)]
    fill(store, alice.inbox, 200)
    for box in boxes:
        store.copy(alice.box, range(1, 201), box)
    large = {
        "set_flags": lambda box: store.set_flags(box, range(1, 201), "add", ["\\Flagged"]),
        "copy": lambda box: store.copy(box, range(1, 201), box),
        "move": lambda box: store.copy(box, range(1, 201), alice.box, True),
        "expunge": lambda box: store.expunge(box, None, False),
        "rename": lambda box: store.rename_mailbox(alice.id, "INBOX", f"other{box}"),
        "store_all": lambda box: store.store_all([(MAIL, replace(alice.inbox, mailbox_id=box))] * 200),
    }[name]
    tasks = [gevent.spawn(large, box) for box in boxes]
    gevent.sleep(1e-6)
    store.store(MAIL, [bob.inbox])
    assert sum(task.ready() for task in tasks) <= 2
    gevent.joinall(tasks, raise_error=True)
    assert store.integrity() == []


def test_what_is_flagged_in_several_transactions_is_told_as_one(store, people):
    fill(store, people.alice.inbox, 2500)
    box = people.alice.box
    since = store.status(box).modseq
    done = store.set_flags(box, range(2500, 0, -1), "add", ["\\Seen"])
    assert done.changed == list(range(1, 2501))
    changes = store.changes(box, since)
    assert {message.modseq for message in changes.messages} == set(done.modseqs)
    assert max(done.modseqs) == changes.modseq
