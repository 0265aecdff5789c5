import time
from dataclasses import replace

import gevent
import pytest
from chatgate_maildb import upkeep

from chatgate.api import Changes, Delivery, NoSuchMailbox, StoreError
from chatgate.store import rules

MAIL = b"Subject: one\r\nTo: you\r\n\r\nhello\r\n"
HEADER = b"Subject: one\r\nTo: you\r\n\r\n"
LARGE = HEADER + bytes(range(256)) * 1000


def flags_of(store, box):
    return {message.uid: set(message.flags) for message in store.changes(box).messages}


def fill(store, person, count, **delivery):
    for n in range(count):
        store.store(MAIL + b"%d" % n, [replace(person.inbox, **delivery)])
    return person.box


@pytest.mark.parametrize("mail", [MAIL, LARGE], ids=["row", "file"])
def test_one_body_for_all_recipients(store, people, mail, tmp_path):
    stored = store.store(mail, [people.alice.inbox, people.bob.inbox, people.carol.inbox])
    assert [s.uid for s in stored] == [1, 1, 1]
    assert [s.delivery.recipient for s in stored] == ["alice@example.org", "bob@example.org", "carol@example.org"]
    for s in stored:
        assert store.content(s.delivery.mailbox_id, s.uid) == mail
        assert store.header(s.delivery.mailbox_id, s.uid) == HEADER
        assert store.mailbox(s.delivery.account_id, "INBOX").uidvalidity == s.uidvalidity
    assert store.reader.rows("SELECT count(*) FROM body") == [(1,)]
    files = [path for path in (tmp_path / "data" / "blobs").rglob("*") if path.is_file()]
    assert len(files) == (mail is LARGE)
    for person in (people.alice, people.bob):
        store.expunge(person.box, None, only_deleted=False)
    assert store.content(people.carol.box, 1) == mail
    store.expunge(people.carol.box, None, only_deleted=False)
    assert store.content(people.carol.box, 1) is None and store.header(people.carol.box, 1) is None
    assert store.reader.rows("SELECT count(*) FROM body") == [(0,)]
    store.close()
    assert [path for path in (tmp_path / "data" / "blobs").rglob("*") if path.is_file()] == []


def test_nothing_is_stored_when_one_mailbox_is_missing(store, people, tmp_path):
    with pytest.raises(NoSuchMailbox):
        store.store(LARGE, [people.alice.inbox, Delivery("x@example.org", 999, 999)])
    assert store.changes(people.alice.box) == Changes(1, 1, [], None)
    with pytest.raises(StoreError):
        store.store(MAIL, [])
    assert store.integrity() == []
    store.close()
    assert [path for path in (tmp_path / "data" / "blobs").rglob("*") if path.is_file()] == []


def test_forgotten_expunges_are_told_by_what_is_left(open_gateway):
    """A session that is further behind than what is remembered must not keep a ghost."""
    store = open_gateway(expunged_kept=2).store
    alice = store.create_account("alice@example.org", "")
    box = store.mailbox(alice.id, "INBOX").id
    for _ in range(8):
        store.store(MAIL, [Delivery("", box, alice.id)])
    behind = store.status(box).modseq
    for uid in (1, 3, 4, 6):
        store.expunge(box, [uid], only_deleted=False)
        if uid == 3:
            recent = store.status(box).modseq
    assert store.changes(box, behind).expunged == [1, 3, 4, 6]
    assert store.expire(time.time()) == {"expunged messages forgotten": 2}
    assert store.changes(box, recent).expunged == [4, 6]
    told = store.changes(box, behind)
    assert told.expunged is None and [message.uid for message in told.messages] == [2, 5, 7, 8]
    store.expunge(box, [7], only_deleted=False)
    store.expire(time.time())
    assert store.changes(box, recent).expunged is None
    assert store.expire(time.time()) == {} and store.integrity() == []


def test_expunges_of_many_mailboxes_are_forgotten(open_gateway, monkeypatch):
    monkeypatch.setattr(upkeep, "_LAST", upkeep._LAST.replace("OFFSET 1000", "OFFSET 2"))
    store = open_gateway(expunged_kept=2).store
    accounts = [store.create_account(f"{n}@example.org", "") for n in range(6)]
    for n, account in enumerate(accounts):
        box = store.mailbox(account.id, "INBOX").id
        for _ in range(n):
            store.store(MAIL, [Delivery("", box, account.id)])
            store.expunge(box, None, only_deleted=False)
    assert store.expire(time.time()) == {"expunged messages forgotten": 1 + 2 + 3}
    assert store.reader.rows("SELECT count(*) FROM expunged") == [(1 + 2 + 2 + 2 + 2,)]
    assert store.expire(time.time()) == {}


def test_a_message_has_so_many_flags_and_no_more(store, people):
    box = fill(store, people.alice, 1)
    words = [f"$k{n}" for n in range(60)]
    store.set_flags(box, [1], "replace", words[:50])
    cached = rules._normal.cache_info().currsize
    for how, more in (("add", words[50:51]), ("replace", words), ("add", ["x" * 501, "y" * 501])):
        with pytest.raises(StoreError, match="Too many flags"):
            store.set_flags(box, [1], how, more)
    with pytest.raises(StoreError, match="Too many flags"):
        store.store(MAIL, [replace(people.alice.inbox, flags=frozenset(words))])
    assert flags_of(store, box) == {1: set(words[:50])}
    # What is refused takes no memory: of one octet for each flag a command can name 60 000.
    assert rules._normal.cache_info().currsize <= cached + 1


def test_a_long_job_gives_others_a_turn(store, people, short_turns):
    box, trash = people.alice.box, store.mailbox(people.alice.id, "Trash").id
    store.store(MAIL, [people.alice.inbox] * 2000)
    commit, turns, turns_before_commit = store.writer._commit, [], []
    store.writer._commit = lambda: (turns_before_commit.append(len(turns)), commit())

    def others():
        while True:
            turns.append(1)
            gevent.sleep(0)

    other = gevent.spawn(others)
    for do in (
        lambda: store.set_flags(box, range(1, 2001), "add", ["\\Seen"]),
        lambda: store.copy(box, range(1, 2001), trash),
        lambda: store.expunge(box, None, only_deleted=False),
    ):
        turns.clear()
        do()
        assert turns_before_commit[-1] >= 3
    other.kill()
