"""What goes elsewhere: stored together with what stays here, claimed, postponed, settled, dropped."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent
import pytest

from chatgate.reply import Reply
from chatgate.store.board import QUEUE
from chatgate.store.contract import Store
from chatgate.store.records import (
    Delivery,
    Destination,
    NoSuchMailbox,
    Outgoing,
    OverQuota,
    Queued,
    Skip,
    Stored,
)
from chatgate.store.rules import kept_reply
from chatgate.testing.store.kit import LARGE, MAIL, NOBODY, Kit, Person, fill, uids

FIRST = Outgoing("Eve@Elsewhere.example", "elsewhere.example")
SECOND = Outgoing("mallory@[192.0.2.1]", "[192.0.2.1]")
THIRD = Outgoing("peggy@other.example", "elsewhere.example")
LATER = Reply(451, "4.3.0", "come again\r\nlater")
AGO = 1_000.0  # seconds that a lease lasts


def send(store: Store, *to: Destination, content: bytes = MAIL, sender: str = "a@example.org") -> list[Queued]:
    """The rows of the queue that a message gets."""
    stored = store.store(content, to or [FIRST], sender=sender)
    return [one for one in stored if isinstance(one, Queued)]


def octets(store: Store, row: Queued) -> bytes | None:
    content = store.open_queued(row.id)
    if content is None:
        return None
    try:
        assert content.size == row.size
        return content.read(0, content.size)
    finally:
        content.close()


def ids(rows: list[Queued]) -> list[int]:
    return [row.id for row in rows]


def settled(store: Store, rows: list[Queued], notice: tuple[bytes, Destination] | None = None) -> list[int]:
    """Settle, and return which rows were removed. No notice may have been stored."""
    told = store.settle(rows, notice)
    assert told.notice is None
    return list(told.gone)


class QueueTests(Kit):
    @pytest.mark.parametrize("mail", [MAIL, LARGE], ids=["small", "large"])
    def test_a_message_goes_here_and_elsewhere(
        self, store: Store, alice: Person, bob: Person, posts: list[int], mail: bytes
    ) -> None:
        before = time.time() - 1
        posts.clear()
        to: list[Destination] = [FIRST, alice.inbox, SECOND]
        first, here, second = store.store(mail, to, sender="Bob@example.org", account_id=bob.id, trace="a1b2")
        assert set(posts) == {QUEUE, alice.box}
        assert isinstance(here, Stored) and here.delivery == alice.inbox
        assert isinstance(first, Queued) and isinstance(second, Queued)
        assert first.id != second.id and first.message == second.message
        for row, destination in ((first, FIRST), (second, SECOND)):
            assert (row.recipient, row.domain) == (destination.recipient, destination.domain)
            assert (row.sender, row.account_id, row.size) == ("Bob@example.org", bob.id, len(mail))
            assert (row.attempts, row.reply, row.trace, row.held, row.expired) == (0, None, "a1b2", False, False)
            assert before <= row.came <= row.due <= time.time() + 1 and row.expires > row.came
            assert octets(store, row) == mail
        assert store.usage(bob.id).messages == 0, "what goes elsewhere is no part of what an account keeps"
        store.expunge(alice.box, None, only_deleted=False)
        assert octets(store, first) == mail
        assert store.queue() == [first, second] and store.count_queue() == 2
        (another,) = send(store)
        assert another.message != first.message

    def test_all_of_it_or_nothing(self, store: Store, alice: Person) -> None:
        with pytest.raises(NoSuchMailbox):
            store.store(MAIL, [FIRST, Delivery("", NOBODY, NOBODY)])
        store.set_quota(alice.id, 5)
        with pytest.raises(OverQuota) as error:
            store.store(MAIL, [FIRST, alice.inbox])
        assert error.value.full == [alice.inbox]
        assert store.count_queue() == 0 and store.next_due() is None
        (row,) = store.store(MAIL, [FIRST, alice.inbox], partial=True)
        assert isinstance(row, Queued) and store.queue() == [row]

    def test_what_is_due_is_claimed_by_one(self, store: Store) -> None:
        rows = send(store, FIRST, SECOND, THIRD)
        now = time.time() + 1
        assert store.claim(10, AGO, rows[0].due - 10) == []
        claimed = store.claim(2, AGO, now)
        assert ids(claimed) == ids(rows[:2])
        for row, kept in zip(claimed, rows, strict=False):
            assert row == kept._replace(due=now + AGO, attempts=1)
        assert ids(store.claim(10, AGO, now)) == [rows[2].id] and store.claim(10, AGO, now) == []
        assert store.next_due() == now + AGO
        again = store.claim(10, AGO, now + AGO)
        assert sorted(ids(again)) == ids(rows) and {row.attempts for row in again} == {2}
        assert store.queue() == sorted(again) and all(octets(store, row) == MAIL for row in rows)

    def test_those_due_first_come_first(self, store: Store) -> None:
        rows = [send(store)[0] for _ in range(3)]
        now = time.time() + 1
        for row, due in zip(store.claim(10, AGO, now), (30, 10, 20), strict=True):
            assert store.postpone([row], now + due)
        assert store.next_due() == now + 10
        assert ids(store.claim(10, AGO, now + 15)) == [rows[1].id] and store.next_due() == now + 20
        assert ids(store.claim(10, AGO, now + 40)) == [rows[2].id, rows[0].id]

    def test_rows_of_a_message_that_are_due_together_come_together(self, store: Store) -> None:
        first, second = send(store, FIRST, SECOND, THIRD), send(store, FIRST, SECOND, THIRD)
        now = time.time() + 1
        claimed = {row.id: row for row in store.claim(10, AGO, now)}
        for pair in zip(first, second, strict=True):
            for row in pair:
                store.postpone([claimed[row.id]], now + 60)
        messages = [row.message for row in store.claim(10, AGO, now + 60)]
        assert len(messages) == 6 and messages[:3] == [messages[0]] * 3 and messages[3:] == [messages[3]] * 3

    def test_a_row_outlives_its_account(self, store: Store, alice: Person) -> None:
        """What was accepted is handed on; only a notice has nowhere to go any more."""
        rows = store.store(MAIL, [FIRST, SECOND], sender=alice.address, account_id=alice.id)
        store.delete_account(alice.id)
        store.expire(time.time())
        claimed = store.claim(10, AGO, time.time() + 1)
        assert ids(claimed) == [row.id for row in rows if isinstance(row, Queued)]
        assert {row.account_id for row in claimed} == {alice.id} and octets(store, claimed[0]) == MAIL
        assert settled(store, claimed[:1], (b"notice", alice.inbox)) == ids(claimed[:1])
        assert octets(store, claimed[1]) == MAIL

    def test_postponing(self, store: Store) -> None:
        (kept,) = send(store)
        now = time.time() + 1
        (first,) = store.claim(1, 5, now)
        assert store.postpone([first], now + 60, LATER)
        (told,) = store.queue()
        assert told == kept._replace(due=now + 60, attempts=1, reply=Reply(451, "4.3.0", "come again later"))
        (second,) = store.claim(1, 5, now + 60)
        assert second.attempts == 2 and second.reply == told.reply
        assert not store.postpone([first], now + 999), "somebody else has claimed it since"
        assert store.postpone([second], now + 120)
        (told,) = store.queue()
        assert (told.due, told.reply) == (now + 120, second.reply)
        store.drop([kept.id])
        assert not store.postpone([second], now) and store.count_queue() == 0

    def test_several_are_postponed_at_once(self, store: Store) -> None:
        rows = send(store, FIRST, SECOND, THIRD)
        now = time.time() + 1
        claimed = store.claim(10, AGO, now)
        store.drop([rows[1].id])
        assert store.postpone(claimed, now + 60, LATER) == [rows[0].id, rows[2].id] and store.postpone([], now) == []
        assert [(row.due, row.reply) for row in store.queue()] == [(now + 60, kept_reply(LATER))] * 2

    def test_a_claim_passes_by_what_the_worker_does_not_want(self, store: Store, alice: Person, bob: Person) -> None:
        (first,) = send(store, FIRST)
        (second,) = send(store, SECOND)
        (third,) = (row for row in store.store(MAIL, [FIRST], account_id=bob.id) if isinstance(row, Queued))
        now = time.time() + 1
        assert store.claim(10, AGO, now, Skip([FIRST.domain, SECOND.domain])) == []
        assert store.claim(10, AGO, now, Skip([SECOND.domain], [bob.id, alice.id]))[0].id == first.id
        assert ids(store.claim(10, AGO, now, Skip(accounts=[bob.id]))) == [second.id]
        assert store.queue()[2] == third and ids(store.claim(10, AGO, now, Skip(["no.example"]))) == [third.id]

    def test_the_next_after_those_that_are_due(self, store: Store) -> None:
        rows = send(store, FIRST, SECOND)
        now = time.time() + 1
        (claimed,) = store.claim(1, 50, now)
        assert store.next_due() == rows[1].due and store.next_due(now) == now + 50 == claimed.due
        assert store.next_due(now + 50) is None

    def test_a_domain_that_is_down_is_delayed_at_once(self, store: Store) -> None:
        rows = send(store, FIRST, SECOND, THIRD)
        now = time.time() + 1
        (claimed,) = store.claim(1, AGO, now)
        assert store.delay(FIRST.domain, now + 60, rows[0].due - 1) == 0, "none was due then"
        assert store.delay(FIRST.domain, now + 60, now) == 1, "one is claimed, and one is of another domain"
        due = {row.id: row.due for row in store.queue()}
        assert due == {rows[0].id: claimed.due, rows[1].id: rows[1].due, rows[2].id: now + 60}
        assert store.delay(FIRST.domain, rows[0].expires + 60, now + 60) == 1
        assert store.queue()[2].due == rows[2].expires
        assert store.delay(FIRST.domain, rows[0].expires + 60, rows[0].expires) == 0, "what is too old stays due"
        store.postpone([claimed], now)
        assert store.delay(FIRST.domain, now - 5, now) == 0, "that is no delay"

    def test_what_is_held_is_not_offered(self, store: Store, posts: list[int]) -> None:
        rows = send(store, FIRST, SECOND, THIRD)
        now = time.time() + 1
        (claimed,) = store.claim(1, AGO, now)
        posts.clear()
        held = store.hold([rows[1].id, rows[0].id, NOBODY])
        assert [(row.id, row.held, row.due) for row in held] == [(row.id, True, row.expires) for row in rows[:2]]
        assert held == store.queue()[:2] and posts == []
        assert ids(store.claim(10, AGO, now)) == [rows[2].id] and store.claim(10, AGO, now + 2 * AGO) != []
        store.postpone([claimed], now, LATER)
        assert store.queue()[0] == held[0]._replace(reply=kept_reply(LATER)), (
            "the worker that had it lets go, and it stays held"
        )
        (first, *_) = store.offer([rows[0].id, NOBODY], now)
        assert (first.due, first.held, first.attempts) == (now, False, 1) and posts == [QUEUE]
        assert ids(store.claim(10, AGO, now)) == [rows[0].id]
        late = {row.id: row.expired for row in store.claim(10, AGO, rows[1].expires)}
        assert late[rows[1].id], "what is held is offered again when it expires"
        assert store.offer([], now) == store.hold([]) == []

    def test_what_waits_is_offered_now(self, store: Store) -> None:
        (row,) = send(store)
        now = time.time() + 1
        (claimed,) = store.claim(1, AGO, now)
        store.postpone([claimed], now + 600, LATER)
        assert store.claim(1, AGO, now) == []
        store.offer([row.id], now)
        (again,) = store.claim(1, AGO, now)
        assert again.attempts == 2 and again.reply == kept_reply(LATER)

    def test_what_is_too_old_comes_as_expired(self, store: Store) -> None:
        (kept,) = send(store)
        (row,) = store.claim(1, 5, kept.due)
        assert store.postpone([row], kept.expires + 500) and store.next_due() == kept.expires
        assert store.claim(1, 5, kept.expires - 1) == []
        (row,) = store.claim(1, 5, kept.expires)
        assert row.expired and not store.queue()[0].expired
        assert store.postpone([row], kept.expires + 500) and store.next_due() == kept.expires + 500

    def test_settling(self, store: Store, alice: Person) -> None:
        rows = send(store, FIRST, SECOND, THIRD, alice.inbox)
        claimed = store.claim(10, AGO, time.time() + 1)
        assert settled(store, claimed[:1]) == [rows[0].id]
        assert store.open_queued(rows[0].id) is None and octets(store, rows[1]) == MAIL
        assert list(store.settle(claimed[:2]).gone) == [rows[1].id]
        store.claim(10, AGO, time.time() + 2 * AGO)  # by somebody else, after the lease: it counts all the same
        assert list(store.settle(claimed).gone) == [rows[2].id]
        assert settled(store, claimed) == settled(store, []) == []
        assert store.count_queue() == 0 and store.content(alice.box, 1) == MAIL

    def test_a_notice_comes_with_it(self, store: Store, alice: Person, posts: list[int]) -> None:
        rows = send(store, FIRST, SECOND, THIRD)
        posts.clear()
        told = store.settle(rows[:1], (b"notice", alice.inbox))
        assert list(told.gone) == [rows[0].id] and isinstance(told.notice, Stored) and alice.box in posts
        assert store.content(alice.box, told.notice.uid) == b"notice"
        told = store.settle(rows[1:2], (b"notice", SECOND))
        assert isinstance(told.notice, Queued) and told.notice.sender == "" and QUEUE in posts
        assert told.notice.trace == rows[1].trace
        assert octets(store, told.notice) == b"notice" and told.notice.account_id is None
        for again in (rows[:1], rows[:2]):
            assert settled(store, again, (b"notice", alice.inbox)) == [], "it has been settled before"
        assert uids(store, alice.box) == [1] and store.count_queue() == 2

    def test_a_notice_for_which_there_is_no_room_is_left_out(self, store: Store, alice: Person) -> None:
        rows = send(store, FIRST, SECOND)
        fill(store, alice, 1)
        store.set_quota(alice.id, 5)
        assert settled(store, rows[:1], (b"notice", alice.inbox)) == [rows[0].id]
        assert settled(store, rows[1:], (b"notice", Delivery("", NOBODY, NOBODY))) == [rows[1].id]
        assert store.count_queue() == 0 and uids(store, alice.box) == [1]

    def test_listing_and_dropping(self, store: Store) -> None:
        rows = [send(store)[0] for _ in range(7)]
        store.claim(3, AGO, time.time() + 1)
        seen: list[int] = []
        while page := store.queue(seen[-1] if seen else 0, 3):
            assert len(page) <= 3
            seen += ids(page)
            assert len(seen) <= 7, "a page begins behind `after`"
        assert seen == ids(rows) == sorted(seen) and store.count_queue() == 7
        dropped = store.drop([rows[4].id, rows[0].id, NOBODY, rows[4].id])
        assert ids(dropped) == [rows[0].id, rows[4].id] and store.drop([rows[0].id]) == [] == store.drop([])
        assert store.open_queued(rows[0].id) is None and store.count_queue() == 5
        assert send(store)[0].id > rows[-1].id, "no id is given again"

    def test_an_opened_content_is_read_to_its_end(self, store: Store) -> None:
        (row,) = send(store, content=LARGE)
        content = store.open_queued(row.id)
        assert content is not None
        store.drop([row.id])
        assert content.read(len(LARGE) - 5, 10) == LARGE[-5:] and content.read(10, 20) == LARGE[10:30]
        content.close()

    def test_the_queue_survives_a_restart(self, opened: Callable[..., Store]) -> None:
        self.needs(persistent=True)
        store = opened()
        rows = send(store, FIRST, SECOND, content=LARGE)
        (claimed,) = store.claim(1, AGO, time.time() + 1)
        store.postpone([claimed], time.time() + 60, LATER)
        before = store.queue()
        store.close()
        store = opened()
        assert store.queue() == before and [octets(store, row) for row in rows] == [LARGE] * 2
        store.drop(ids(rows))
        store.close()
        store = opened()
        assert store.count_queue() == 0 and send(store)[0].id > rows[-1].id and store.integrity() == []

    def test_several_workers_claim_each_row_once(self, opened: Callable[..., Store]) -> None:
        store = opened()
        other = opened() if self.persistent and self.shared else store
        rows = [row for _ in range(20) for row in send(store, FIRST, SECOND)]
        now, taken = time.time() + 1, list[int]()

        def work(handle: Store) -> None:
            while claimed := handle.claim(3, AGO, now):
                taken.extend(ids(claimed))
                assert len(taken) <= len(rows), "what was claimed is offered again"
                gevent.sleep(0)
                assert list(handle.settle(claimed).gone) == sorted(ids(claimed))

        tasks = [gevent.spawn(work, (store, other)[number % 2]) for number in range(6)]
        gevent.joinall(tasks, raise_error=True)
        assert sorted(taken) == ids(rows) and store.count_queue() == 0 == other.count_queue()
