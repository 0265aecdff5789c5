"""What the sweeper asks of the store."""

import gevent
import pytest
from chatgate_maildb import retention

from chatgate.api import Delivery, Kept

LARGE = 100_000


@pytest.fixture
def fill(store, people):
    """Stores a message of so many octets and this date, for one person."""

    def fill(person, size, date, mailbox="INBOX", flags=()):
        box = store.mailbox(person.id, mailbox).id
        (stored,) = store.store(bytes(size), [Delivery("", box, person.id, frozenset(flags), date)])
        return box, stored.uid

    return fill


def ids(found):
    return [(kept.mailbox_id, kept.uid) for kept in found]


def test_due_are_those_older_by_date(store, people, fill):
    third = fill(people.alice, 10, 300)
    first = fill(people.bob, 10, 100, "Trash")
    second = fill(people.alice, LARGE, 200, "Sent")
    ancient = fill(people.alice, 10, -5)
    assert list(store.due(300)) == [
        Kept(*ancient, 10, -5, False),
        Kept(*first, 10, 100, False),
        Kept(*second, LARGE, 200, False),
    ]
    assert ids(store.due(301))[-1] == third
    assert ids(store.due(1000, larger=9)) == [ancient, first, second, third]
    assert ids(store.due(1000, larger=10)) == ids(store.due(1000, larger=LARGE - 1)) == [second]
    assert ids(store.due(1000, larger=LARGE)) == []
    assert ids(store.due(300, account_id=people.alice.id)) == [ancient, second]
    assert ids(store.due(1000, larger=10, account_id=people.alice.id)) == [second]


def test_due_in_many_batches(store, people, fill, monkeypatch):
    for name in ("_DUE_OF_ALL", "_DUE_LARGE", "_OF_MAILBOX"):
        monkeypatch.setattr(retention, name, getattr(retention, name).replace("LIMIT 250", "LIMIT 3"))
    placed = [fill(person, 10, n // 4) for n in range(20) for person in (people.alice, people.bob)]
    turns = []
    gevent.spawn(turns.append, 1)
    found = ids(store.due(100))
    assert sorted(found) == sorted(placed) and turns == [1]
    assert [kept.date for kept in store.due(100)] == sorted(n // 4 for n in range(20) for _ in range(2))
    assert len(ids(store.due(100, account_id=people.alice.id))) == 20
    # Removed while it is read: nothing is passed over.
    seen = 0
    for kept in store.due(100):
        assert store.remove([(kept.mailbox_id, kept.uid)]) == 1
        seen += 1
    assert seen == 40 and store.integrity() == []


def test_an_index_finds_what_is_due(store):
    for sql, index in ((retention._DUE_OF_ALL, "message_date"), (retention._DUE_LARGE, "message_large")):
        (plan,) = store.reader.rows("EXPLAIN QUERY PLAN " + sql, (0, 0, 0, 100))
        assert f"SEARCH message USING INDEX {index}" in plan[3] and "date" in plan[3]
    sql = "SELECT 1 FROM account WHERE max(last_login, created)<? AND disabled='' ORDER BY max(last_login, created)"
    (plan,) = store.reader.rows("EXPLAIN QUERY PLAN " + sql, (1,))
    assert "USING INDEX account_idle" in plan[3]


def test_fetched_is_what_a_client_read_or_has_seen(store, people, fill):
    read, seen, new = (fill(people.alice, 10, 1, flags=flags) for flags in ((), ("\\Seen", "a"), ("x", "\\Flagged")))
    store.note_fetched(people.alice.box, [read[1], 99])
    store.note_fetched(people.bob.box, [1])
    kept = {(k.mailbox_id, k.uid): k.fetched for k in store.kept(people.alice.id)}
    assert kept == {read: True, seen: True, new: False}
    assert ids(store.due(100, fetched=True)) == [read, seen]
    copied = store.copy(people.alice.box, [1, 3], store.mailbox(people.alice.id, "Trash").id)
    trash = [k.fetched for k in store.kept(people.alice.id) if k.mailbox_id != people.alice.box]
    assert trash == [True, False] and len(copied.copies) == 2


def test_noting_what_was_fetched_costs_no_commit_and_no_modseq(store, people, fill, monkeypatch):
    fill(people.alice, 10, 1), fill(people.bob, 10, 1)
    commits, commit = [], store.writer._commit
    monkeypatch.setattr(store.writer, "_commit", lambda: (commits.append(1), commit()))
    modseq = store.status(people.alice.box).modseq
    store.note_fetched(people.alice.box, [1])
    gevent.sleep(0.02)
    assert commits == []
    fill(people.bob, 10, 1)
    assert commits == [1] and store.reader.rows("SELECT fetched FROM message WHERE mailbox_id=1") == [(1,)]
    assert store.status(people.alice.box).modseq == modseq


def test_what_was_noted_is_kept_when_the_gateway_stops(open_gateway):
    gateway = open_gateway()
    account = gateway.store.create_account("alice@example.org", "")
    box = gateway.store.mailbox(account.id, "INBOX").id
    gateway.store.store(b"x", [Delivery("", box, account.id)])
    gateway.store.note_fetched(box, [1])
    gateway.stop()
    assert open_gateway().store.kept(account.id)[0].fetched


def test_many_notes_do_not_pile_up(store, people, monkeypatch):
    monkeypatch.setattr(retention, "_NOTES", 10)
    for n in range(11):
        store.note_fetched(people.alice.box, [n])
    gevent.sleep(0.05)
    assert store._fetched == {}


def test_remove_takes_messages_of_many_mailboxes_at_once(gateway, store, people, fill, tmp_path):
    alice, bob = people.alice, people.bob
    shared = store.store(bytes(200_000), [alice.inbox, bob.inbox])
    one, two, three = fill(alice, 10, 1), fill(alice, 20, 2, flags=["\\Seen"]), fill(bob, 30, 3, "Sent")
    before, posts = store.status(alice.box), []
    for box in (alice.box, bob.box, three[0]):
        gateway.board.watch(box, lambda box=box: posts.append(box))
    gone = [one, two, three, (alice.box, shared[0].uid), (alice.box, 77), (999, 1)]
    assert store.remove(gone) == 4
    assert sorted(posts) == sorted([alice.box, three[0]])
    status = store.status(alice.box)
    assert (status.messages, status.unseen, status.size, status.uidnext) == (0, 0, 0, before.uidnext)
    assert store.changes(alice.box, before.modseq).expunged == [1, 2, 3]
    assert status.modseq == before.modseq + 1
    assert store.content(bob.box, 1) == bytes(200_000)  # the other copy
    assert store.remove([(bob.box, 1)]) == 1 and store.remove([]) == 0 and store.remove(gone) == 0
    assert store.integrity() == []
    store.close()
    assert [path for path in (tmp_path / "data" / "blobs").rglob("*") if path.is_file()] == []


def test_remove_passes_over_mailboxes_that_are_being_deleted(store, people, fill):
    box, uid = fill(people.alice, 10, 1, "Sent")
    store.writer.run(lambda tx: tx.execute("UPDATE mailbox SET account_id=NULL WHERE id=?", (box,)))
    assert store.remove([(box, uid)]) == 0
    store.expire(0)
    assert store.integrity() == []


def test_free_space_goes_back_to_the_disk(store, people, tmp_path):
    for _ in range(200):
        store.store(bytes(60_000), [people.alice.inbox])
    file = tmp_path / "data" / "mail.db"
    full = file.stat().st_size
    assert full > 8_000_000
    assert store.remove([(people.alice.box, uid) for uid in range(1, 201)]) == 200
    given = store.expire(0)["octets given back"]
    store.store(bytes(60_000) * 100, [people.bob.inbox])
    store.close()
    assert 6_000_000 < given <= full and file.stat().st_size < full - 6_000_000
