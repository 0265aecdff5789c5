import time
from dataclasses import replace

import gevent
import pytest
from chatgate_maildb import store as store_module

from chatgate.api import Changes, Delivery, NoSuchMailbox, OverQuota, Status, StoreError
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


def test_header_ends_with_its_empty_line(store, people):
    cases = {
        b"": b"",
        b"\r\n": b"\r\n",
        b"\r\nbody\r\n": b"\r\n",
        b"A: b\r\n": b"A: b\r\n",
        b"A: b\r\n\r\n": b"A: b\r\n\r\n",
        b"A: b\r\n\r\n\r\nx": b"A: b\r\n\r\n",
    }
    for content, header in cases.items():
        (stored,) = store.store(content, [people.alice.inbox])
        assert store.header(people.alice.box, stored.uid) == header
        assert store.content(people.alice.box, stored.uid) == content


def test_flags_and_date_of_an_append(store, people):
    store.store(MAIL, [replace(people.alice.inbox, flags=frozenset(["\\seen", "$Junk", "\\Recent"]), date=12345)])
    store.store(MAIL, [people.alice.inbox])
    first, second = store.changes(people.alice.box).messages
    assert (first.flags, first.date, first.size) == (frozenset(["\\Seen", "$Junk"]), 12345, len(MAIL))
    assert second.flags == frozenset() and abs(second.date - time.time()) < 5
    assert store.status(people.alice.box).unseen == 1


def test_nothing_is_stored_when_one_mailbox_is_missing(store, people, tmp_path):
    with pytest.raises(NoSuchMailbox):
        store.store(LARGE, [people.alice.inbox, Delivery("x@example.org", 999, 999)])
    assert store.changes(people.alice.box) == Changes(1, 1, [], None)
    with pytest.raises(StoreError):
        store.store(MAIL, [])
    assert store.integrity() == []
    store.close()
    assert [path for path in (tmp_path / "data" / "blobs").rglob("*") if path.is_file()] == []


def test_those_without_room_are_left_out(open_gateway):
    store = open_gateway(quota_bytes=100, blob_bytes=50).store
    people = [store.create_account(f"{name}@example.org", "") for name in ("alice", "bob", "carol")]
    alice, bob, carol = (Delivery(a.address, store.mailbox(a.id, "INBOX").id, a.id) for a in people)
    store.store(b"x" * 60, [bob])
    stored = store.store(b"y" * 60, [alice, bob, carol], partial=True)
    assert [(one.delivery, one.uid) for one in stored] == [(alice, 1), (carol, 1)]
    assert store.content(carol.mailbox_id, 1) == b"y" * 60
    assert store.status(bob.mailbox_id)[:3] == (1, 1, 2), "no UID was used up"
    with pytest.raises(OverQuota) as error:
        store.store(b"z" * 60, [alice, bob, carol], partial=True)
    assert error.value.full == [alice, bob, carol]
    assert [store.usage(account.id)[:2] for account in people] == [(60, 1)] * 3
    assert store.integrity() == []
    # A word of the server's own may go beyond the quota, but only so far.
    store.store(b"w" * 60, [replace(bob, beyond=20)])
    with pytest.raises(OverQuota):
        store.store(b"w", [replace(bob, beyond=20)])


def test_quota(open_gateway):
    store = open_gateway(quota_bytes=100).store
    alice, bob = (store.create_account(f"{name}@example.org", "") for name in ("alice", "bob"))
    box, trash = store.mailbox(alice.id, "INBOX"), store.mailbox(alice.id, "Trash")
    inbox = Delivery(alice.address, box.id, alice.id)
    other = Delivery(bob.address, store.mailbox(bob.id, "INBOX").id, bob.id)
    store.store(b"x" * 60, [inbox])
    with pytest.raises(OverQuota) as error:
        store.store(b"x" * 41, [other, inbox])
    assert error.value.full == [inbox]
    with pytest.raises(OverQuota):
        store.copy(box.id, [1], trash.id)
    assert store.usage(alice.id)[:2] == (60, 1) and store.usage(bob.id).messages == 0
    assert store.copy(box.id, [1], trash.id, move=True).copies[0] == 1  # needs no room
    store.store(b"x" * 40, [inbox])
    assert store.usage(alice.id).octets == 100 and store.integrity() == []


def test_quota_zero_is_no_limit(open_gateway):
    store = open_gateway(quota_bytes=0).store
    alice = store.create_account("alice@example.org", "")
    store.store(LARGE, [Delivery("", store.mailbox(alice.id, "INBOX").id, alice.id)])
    assert store.usage(alice.id) == (len(LARGE), 1, 0, 50_000)


def test_changes_tells_what_is_new_changed_and_gone(store, people):
    box = fill(store, people.alice, 4)
    start = store.changes(box)
    assert [m.uid for m in start.messages] == [1, 2, 3, 4] and start.expunged is None and start.uidnext == 5
    assert store.changes(box, start.modseq) == Changes(start.modseq, 5, [], [])
    store.set_flags(box, [2], "add", ["\\Flagged"])
    store.expunge(box, [3], only_deleted=False)
    fill(store, people.alice, 1)
    now = store.changes(box, start.modseq)
    assert [m.uid for m in now.messages] == [2, 5] and now.expunged == [3] and now.uidnext == 6
    assert max(m.modseq for m in now.messages) == now.modseq == store.status(box).modseq
    assert [m.uid for m in store.changes(box).messages] == [1, 2, 4, 5] and store.changes(box).expunged is None
    with pytest.raises(NoSuchMailbox):
        store.changes(999)


def test_every_kind_of_change_grows_modseq_and_is_told(store, people):
    box, trash = fill(store, people.alice, 3), store.mailbox(people.alice.id, "Trash").id
    doings = [
        lambda: store.set_flags(box, [1], "add", ["\\Seen"]),
        lambda: store.copy(box, [1], box),
        lambda: store.copy(box, [1], trash, move=True),
        lambda: store.expunge(box, [2], only_deleted=False),
        lambda: fill(store, people.alice, 1),
    ]
    for n, do in enumerate(doings):
        before = store.status(box).modseq
        do()
        told = store.changes(box, before)
        assert told.modseq > before and (told.messages or told.expunged), n


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
    monkeypatch.setattr(store_module, "_LAST", store_module._LAST.replace("OFFSET 1000", "OFFSET 2"))
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


def test_status(store, people):
    box = fill(store, people.alice, 3)
    store.set_flags(box, [1, 2], "add", ["\\Seen"])
    store.expunge(box, [1], only_deleted=False)
    validity = store.mailbox(people.alice.id, "INBOX").uidvalidity
    assert store.status(box) == Status(2, 1, 4, validity, 6, 2 * len(MAIL + b"1"))
    with pytest.raises(NoSuchMailbox):
        store.status(999)


def test_set_flags(store, people):
    box = fill(store, people.alice, 3)
    before = store.status(box).modseq
    done = store.set_flags(box, [3, 1, 99], "add", ["\\seen", "$Key"])
    assert done == ([before + 1], [1, 3], [])
    assert flags_of(store, box) == {1: {"\\Seen", "$Key"}, 2: set(), 3: {"\\Seen", "$Key"}}
    assert store.set_flags(box, [1, 2], "remove", ["$Key", "\\Flagged"]).changed == [1]
    assert store.set_flags(box, [1, 3], "replace", ["\\Seen"]).changed == [3]
    assert flags_of(store, box) == {1: {"\\Seen"}, 2: set(), 3: {"\\Seen"}}
    same = store.set_flags(box, [1, 3], "add", ["\\Seen"])
    assert same == ([], [], []) and store.status(box).modseq == before + 3
    store.set_flags(box, [1], "replace", [])
    assert store.status(box).unseen == 2 and store.integrity() == []


def test_set_flags_unchanged_since(store, people):
    box = fill(store, people.alice, 3)
    since = store.changes(box).modseq
    store.set_flags(box, [2], "add", ["\\Flagged"])
    done = store.set_flags(box, [1, 2, 3], "add", ["\\Seen"], unchanged_since=since)
    assert (done.changed, done.refused) == ([1, 3], [2])
    assert flags_of(store, box)[2] == {"\\Flagged"}


def test_what_is_no_flag_is_refused(store, people):
    box = fill(store, people.alice, 1)
    for flag in ("", "a b", "ä", "a\n", "x" * 1001):
        with pytest.raises(StoreError):
            store.set_flags(box, [1], "add", [flag])
        with pytest.raises(StoreError):
            store.store(MAIL, [replace(people.alice.inbox, flags=frozenset([flag]))])
    assert store.status(box).messages == 1


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


def test_expunge(store, people):
    box = fill(store, people.alice, 5)
    store.set_flags(box, [1, 2, 3], "add", ["\\DELETED"])
    assert store.expunge(box, [2, 5, 99]) == [2]
    assert store.expunge(box) == [1, 3]
    assert store.expunge(box) == []
    modseq = store.status(box).modseq
    assert store.expunge(box, [1, 2, 3]) == [] and store.status(box).modseq == modseq
    assert store.expunge(box, [5], only_deleted=False) == [5]
    assert list(flags_of(store, box)) == [4]
    assert store.expunge(box, [], only_deleted=False) == []


def test_copy_and_move(store, people):
    box = fill(store, people.alice, 4)
    trash = store.mailbox(people.alice.id, "Trash")
    store.set_flags(box, [2], "add", ["\\Seen"])
    date = store.changes(box).messages[0].date
    assert not store.copy(box, [3, 2, 99], trash.id).uids and not store.status(trash.id).messages
    copied = store.copy(box, [3, 2], trash.id)
    assert (copied.uidvalidity, list(copied.uids), list(copied.copies)) == (trash.uidvalidity, [2, 3], [1, 2])
    first, second = store.changes(trash.id).messages
    assert (first.flags, second.flags, first.date) == ({"\\Seen"}, set(), date)
    assert [store.content(trash.id, uid)[-1:] for uid in (1, 2)] == [b"1", b"2"]
    moved = store.copy(box, [1, 2], trash.id, move=True)
    assert (list(moved.uids), list(moved.copies)) == ([1, 2], [3, 4])
    assert list(flags_of(store, box)) == [3, 4] and store.status(trash.id).unseen == 2
    nothing = store.copy(box, [77], trash.id)
    assert (list(nothing.uids), list(nothing.copies)) == ([], [])
    assert store.integrity() == []


def test_move_to_the_same_mailbox_gives_new_uids(store, people):
    box = fill(store, people.alice, 2)
    moved = store.copy(box, [1], box, move=True)
    assert list(moved.copies) == [3] and list(flags_of(store, box)) == [2, 3] and store.integrity() == []


def test_more_messages_than_one_chunk(store, people):
    """Long lists are worked on in pieces; they must join well."""
    box, trash = people.alice.box, store.mailbox(people.alice.id, "Trash").id
    count = 1203
    copies = [replace(people.alice.inbox, recipient=str(n)) for n in range(count)]
    store.store(MAIL, copies)
    everything = range(1, count + 1)
    assert store.set_flags(box, everything, "add", ["\\Deleted"]).changed == list(everything)
    assert list(store.copy(box, everything, trash).copies) == list(everything)
    assert store.expunge(box) == list(everything)
    assert [m.uid for m in store.changes(trash).messages] == list(everything)
    assert store.integrity() == []
    store.delete_account(people.alice.id)
    assert store.reader.rows("SELECT count(*) FROM message") == [(0,)]


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


def test_the_board_is_posted_after_each_change(gateway, store, people):
    box, trash = people.alice.box, store.mailbox(people.alice.id, "Trash").id
    posts = []
    gateway.board.watch(box, lambda: posts.append("inbox"))
    gateway.board.watch(trash, lambda: posts.append("trash"))

    def posted():
        found, posts[:] = set(posts), []
        return found

    store.store(MAIL, [people.alice.inbox])
    assert posted() == {"inbox"}
    store.set_flags(box, [1], "add", ["\\Seen"])
    assert posted() == {"inbox"}
    store.set_flags(box, [1], "add", ["\\Seen"])
    assert posted() == set()
    store.copy(box, [1], trash)
    assert posted() == {"trash"}
    store.copy(box, [1], trash, move=True)
    assert posted() == {"inbox", "trash"}
    store.expunge(trash, None, only_deleted=False)
    assert posted() == {"trash"}
    store.delete_account(people.alice.id)
    assert posted() == {"inbox", "trash"}
