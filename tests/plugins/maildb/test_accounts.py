import os
import time

import gevent
import pytest
from chatgate_maildb import accounts

from chatgate.api import AddressGone

DAY = 86400
MAIL = b"Subject: one\r\n\r\nhello\r\n"


def test_a_deleted_account_leaves_nothing(store, people, tmp_path):
    alice, bob = people.alice, people.bob
    store.store(MAIL, [alice.inbox, bob.inbox])
    store.store(MAIL + bytes(100_000), [alice.inbox])
    store.expunge(alice.box, [1], only_deleted=False)
    store.store(MAIL * 2, [alice.inbox] * 3)
    store.subscribe(alice.id, "x", True)
    store.annotate(alice.id, "", {"/private/a": b"1"})
    store.delete_account(alice.id)
    assert store.account(alice.address) is None and store.mailboxes(alice.id) == []
    assert store.subscriptions(alice.id) == [] and store.annotations(alice.id, "") == {}
    assert store.content(bob.box, 1) == MAIL
    for table, left in {"account": 1, "mailbox": 5, "message": 1, "body": 1, "expunged": 0, "annotation": 0}.items():
        assert store.reader.rows(f"SELECT count(*) FROM {table}") == [(left,)], table
    assert store.integrity() == []
    store.close()
    assert [files for _, _, files in os.walk(tmp_path / "data" / "blobs") if files] == []


def test_what_is_left_of_a_deletion_is_cleaned_up_later(store, people):
    """As after a crash amid `delete_account`."""
    store.store(MAIL, [people.alice.inbox])
    store.writer.run(lambda tx: tx.execute("UPDATE mailbox SET account_id=NULL WHERE account_id=?", (people.alice.id,)))
    assert store.expire(time.time()) == {"deleted mailboxes": 5}
    assert store.reader.rows("SELECT count(*) FROM body") == [(0,)]


def test_a_tombstone_does_not_say_whose_it_is(open_gateway, tmp_path):
    """Neither as text nor as a hash that somebody else could compute."""
    hashes = []
    for name in ("one", "two"):
        gateway = open_gateway(folder=str(tmp_path / name))
        gateway.store.delete_account(gateway.store.create_account("alice@example.org", "secret").id)
        hashes += gateway.store.reader.rows("SELECT hash FROM tombstone")
    assert len(set(hashes)) == 2 and all(b"alice" not in digest for (digest,) in hashes)


def test_tombstones_survive_a_restart_and_end_when_the_operator_says_so(open_gateway):
    gateway = open_gateway()
    gateway.store.delete_account(gateway.store.create_account("alice@example.org", "").id)
    gateway.stop()
    store = open_gateway(tombstone_days=30).store
    assert store.expire(time.time() + 30 * DAY) == {}
    with pytest.raises(AddressGone):
        store.create_account("alice@example.org", "")
    assert store.expire(time.time() + 31 * DAY) == {"tombstones": 1}
    assert store.create_account("alice@example.org", "")


def test_looking_for_crowded_accounts_lets_others_have_their_turns(store, monkeypatch):
    monkeypatch.setattr(accounts, "_WITH_USAGE", accounts._WITH_USAGE.replace("LIMIT 500", "LIMIT 3"))
    for n in range(10):
        store.create_account(f"{n}@example.org", "")
    turns = []
    gevent.spawn(turns.append, 1)
    assert len(store.crowded_accounts(0.0)) == 10 and turns == [1]
