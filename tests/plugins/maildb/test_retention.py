"""What the sweeper asks of the store."""

import gevent
import pytest
from chatgate_maildb import accounts, fetched, retention

from chatgate.api import Delivery, OfDomains
from chatgate.testing import until

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


@pytest.mark.parametrize(("size", "found"), [(10, "old"), (70_000, "large")])
def test_much_is_read_in_pieces(store, people, fill, monkeypatch, size, found):
    for name, bound, small in (("_LAST", "OFFSET 1000", "OFFSET 3"), ("_LARGE", "LIMIT 250", "LIMIT 3")):
        assert bound in getattr(retention, name)
        monkeypatch.setattr(retention, name, getattr(retention, name).replace(bound, small))
    placed = [fill(person, size, n // 4) for n in range(20) for person in (people.alice, people.bob)]
    turns, found = [], {"old": store.old, "large": lambda before: store.large(65_536, before)}[found]
    gevent.spawn(turns.append, 1)
    assert sorted(ids(found(100))) == sorted(placed) and turns == [1]
    # Removed while it is read: nothing is passed over.
    seen = 0
    for kept in found(100):
        assert store.remove([(kept.mailbox_id, kept.uid)]) == 1
        seen += 1
    assert seen == 40 and store.integrity() == []


def test_an_index_finds_what_may_be_due(store):
    (plan,) = store.reader.rows("EXPLAIN QUERY PLAN " + retention._LARGE, (0, 0, 0, 100))
    assert "SEARCH message USING INDEX message_large" in plan[3] and "date" in plan[3]
    for sql, parameters in ((retention._OLD, (1, 1, 2, 2, 100)), (retention._LAST, (1, 1))):
        (plan,) = store.reader.rows("EXPLAIN QUERY PLAN " + sql, parameters)
        assert "SEARCH message USING PRIMARY KEY" in plan[3]  # from where the last piece ended, and in order
    sql = "SELECT 1 FROM account WHERE max(last_login, created)<? AND disabled='' ORDER BY max(last_login, created)"
    (plan,) = store.reader.rows("EXPLAIN QUERY PLAN " + sql, (1,))
    assert "USING INDEX account_idle" in plan[3]


def test_of_some_domains_an_index_finds_it_too(store):
    assert accounts._where(5, None)[0] == f"WHERE {accounts._IDLE}"  # nobody else pays for domains
    where, parameters = accounts._where(5, OfDomains(frozenset({"b.example"})))
    sql = f"EXPLAIN QUERY PLAN SELECT * FROM account {where} ORDER BY max(last_login, created)"
    plan = [step for *_, step in store.reader.rows(sql, parameters)]
    assert "USING INDEX account_idle" in plan[0] and not any("TEMP B-TREE" in step for step in plan)
    plan = [step for *_, step in store.reader.rows("EXPLAIN QUERY PLAN " + retention._OWNERS, ("[1, 2]",))]
    assert [step for step in plan if "mailbox" in step or "account" in step] == [
        "SEARCH mailbox USING INTEGER PRIMARY KEY (rowid=?)",
        "SEARCH account USING INTEGER PRIMARY KEY (rowid=?)",
    ]


def test_whose_mail_is_due_is_asked_once_for_a_piece(store, people, fill, monkeypatch):
    for n in range(50):
        fill(people.alice, 70_000, n), fill(people.bob, 10, n)
    asked, rows = [], store.reader.rows
    monkeypatch.setattr(store.reader, "rows", lambda sql, given=(): asked.append(sql) or rows(sql, given))
    here = OfDomains(frozenset({"example.org"}))
    assert len(list(store.old(100, here))) == 100 and asked.count(retention._OWNERS) == 1
    assert len(list(store.large(65_536, 100, here))) == 50 and asked.count(retention._OWNERS) == 2
    asked.clear()
    assert len([*store.old(100), *store.large(65_536, 100)]) == 150 and retention._OWNERS not in asked


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
    assert open_gateway().store.kept(account.id)[0].fetches == 1


def test_many_notes_do_not_pile_up(store, people, monkeypatch):
    monkeypatch.setattr(fetched, "_MOST", 10)
    for n in range(11):
        store.note_fetched(people.alice.box, [n])
    until(lambda: store.fetched._noted == {})


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
    told = []
    assert store.remove([(bob.box, 1)], told.append) == 1 and store.remove([]) == 0 and store.remove(gone) == 0
    assert told == [1] and store.reader.rows("SELECT count(*) FROM body") == [(0,)]
    assert store.integrity() == []
    store.close()
    assert [path for path in (tmp_path / "data" / "blobs").rglob("*") if path.is_file()] == []


def test_free_space_goes_back_to_the_disk(store, people, tmp_path):
    for _ in range(200):
        store.store(bytes(60_000), [people.alice.inbox])
    file = tmp_path / "data" / "mail.db"
    store.checkpoints.run()
    full = file.stat().st_size
    assert full > 12_000_000
    assert store.remove([(people.alice.box, uid) for uid in range(1, 201)]) == 200
    given = store.expire(0)["octets given back"]
    assert 6_000_000 < given <= full - file.stat().st_size
