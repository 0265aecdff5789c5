"""What the sweeper asks: old and large messages, what was fetched, removing many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import gevent
import pytest

from chatgate.store.contract import Store
from chatgate.store.records import LEAST_LARGE, Delivery, Kept, OfDomains, Stored
from chatgate.testing.store.kit import MAIL, NOBODY, Kit, Person, box, fill, person, uids

Place = tuple[int, int]


def put(store: Store, someone: Person, size: int, date: int, name: str = "INBOX", flags: Iterable[str] = ()) -> Place:
    """A message of so many octets and this date; its mailbox and UID."""
    mailbox_id = box(store, someone, name)
    (stored,) = store.store(bytes(size), [Delivery("", mailbox_id, someone.id, frozenset(flags), date)])
    assert isinstance(stored, Stored)
    return mailbox_id, stored.uid


def places(found: Iterable[Kept]) -> list[Place]:
    return [(kept.mailbox_id, kept.uid) for kept in found]


class RetentionTests(Kit):
    def test_old_are_those_of_an_earlier_date(self, store: Store, alice: Person, bob: Person) -> None:
        third = put(store, alice, 10, 300)
        first = put(store, bob, 10, 100, "Trash")
        second = put(store, alice, 100_000, 200, "Sent")
        ancient = put(store, alice, 10, -5)
        expected = [Kept(*ancient, 10, -5, 0), Kept(*second, 100_000, 200, 0), Kept(*first, 10, 100, 0)]
        assert list(store.old(300)) == sorted(expected)
        assert places(store.old(301)) == sorted([ancient, first, second, third])
        assert places(store.old(-5)) == places(store.old(-(1 << 60))) == []

    def test_large_ones_come_by_date(self, store: Store, alice: Person, bob: Person) -> None:
        second, first = put(store, alice, 100_000, 200), put(store, bob, 100_001, -9, "Trash")
        third = put(store, alice, 100_000, 300)
        put(store, alice, LEAST_LARGE, 1)
        found = list(store.large(LEAST_LARGE, 300))
        assert found == [Kept(*first, 100_001, -9, 0), Kept(*second, 100_000, 200, 0)]
        assert places(store.large(LEAST_LARGE, 301)) == [first, second, third]
        assert places(store.large(100_000, 301)) == [first]
        assert list(store.large(LEAST_LARGE, -(1 << 60))) == []

    def test_of_some_domains_only(self, store: Store) -> None:
        where = {name: person(store, "a", name) for name in ("a.example", "b.example", "a.example.org", "[192.0.2.1]")}
        small = {name: put(store, someone, 10, 1) for name, someone in where.items()}
        large = {name: put(store, someone, LEAST_LARGE + 1, 2, "Trash") for name, someone in where.items()}
        for names in ((), ("a.example",), ("b.example", "[192.0.2.1]"), ("example",), tuple(where)):
            for others in (False, True):
                only = OfDomains(frozenset(names), others)
                theirs = [name for name in where if (name in names) != others]
                expected = [found[name] for found in (small, large) for name in theirs]
                assert places(store.old(3, only)) == sorted(expected)
                assert places(store.old(2, only)) == sorted(small[name] for name in theirs)
                assert places(store.large(LEAST_LARGE, 3, only)) == sorted(large[name] for name in theirs)

    @pytest.mark.parametrize("large", [False, True])
    def test_nothing_is_passed_over_that_is_removed_meanwhile(
        self, store: Store, alice: Person, bob: Person, large: bool
    ) -> None:
        size = LEAST_LARGE + 1 if large else 10
        placed = [put(store, someone, size, number // 4) for number in range(20) for someone in (alice, bob)]
        found = store.large(LEAST_LARGE, 100) if large else store.old(100)
        seen: list[Place] = []
        for kept in found:
            seen.append((kept.mailbox_id, kept.uid))
            assert store.remove(seen[-1:]) == 1, "a message is told once"
        assert sorted(seen) == sorted(placed) and store.usage(alice.id)[:2] == (0, 0)

    def test_what_was_fetched(self, store: Store, alice: Person, bob: Person) -> None:
        read = put(store, alice, 10, 1)
        seen = put(store, alice, 10, 1, flags=("\\Seen", "a"))
        new = put(store, alice, 10, 1, flags=("x", "\\Flagged"))
        modseq = store.status(alice.box).modseq
        store.note_fetched(alice.box, [read[1], 99])
        store.note_fetched(bob.box, [1])
        store.note_fetched(NOBODY, [1])
        store.note_fetched(alice.box, [read[1]])
        kept = {(one.mailbox_id, one.uid): one.fetches for one in store.kept(alice.id)}
        assert kept == {read: 2, seen: 1, new: 0} and {k.fetches for k in store.old(2)} == {0, 1, 2}
        assert store.status(alice.box).modseq == modseq, "fetching is no change"
        trash = box(store, alice, "Trash")
        store.copy(alice.box, [1, 3], trash)
        assert [one.fetches for one in store.kept(alice.id) if one.mailbox_id == trash] == [2, 0]

    def test_kept_is_all_that_an_account_has(self, store: Store, alice: Person, bob: Person) -> None:
        mine = [put(store, alice, 10, -7), put(store, alice, 70_000, 7, "Trash"), put(store, alice, 11, 8)]
        put(store, bob, 10, 1)
        assert sorted(places(store.kept(alice.id))) == sorted(mine)

    def test_removing_is_told_as_expunging(self, store: Store, alice: Person, bob: Person, posts: list[int]) -> None:
        fill(store, alice, 3), fill(store, bob, 3)
        since = {someone.box: store.status(someone.box).modseq for someone in (alice, bob)}
        told: list[int] = []
        posts.clear()
        pairs = [(alice.box, 1), (bob.box, 3), (alice.box, 99), (NOBODY, 1), (alice.box, 1), (alice.box, 2)]
        assert store.remove(iter(pairs), told.append) == sum(told) == 3
        assert store.remove(pairs) == store.remove([]) == 0
        assert set(posts) == {alice.box, bob.box}
        assert list(store.changes(alice.box, since[alice.box]).expunged or ()) == [1, 2]
        assert list(store.changes(bob.box, since[bob.box]).expunged or ()) == [3]
        assert uids(store, alice.box) == [3] and store.usage(bob.id).messages == store.status(bob.box).messages == 2

    @pytest.mark.parametrize("where", ["tell", "messages"])
    def test_a_removal_that_is_broken_off_has_removed_what_it_told(
        self, store: Store, alice: Person, where: str
    ) -> None:
        inbox = fill(store, alice, 2000)
        told: list[int] = []

        def pairs() -> Iterable[Place]:
            for uid in range(1, 2001):
                if where == "messages" and uid > 1500:
                    raise ValueError
                yield inbox, uid

        def tell(count: int) -> None:
            told.append(count)
            if where == "tell":
                raise gevent.GreenletExit

        with pytest.raises((ValueError, gevent.GreenletExit)):
            store.remove(pairs(), tell)
        assert uids(store, inbox) == list(range(sum(told) + 1, 2001)), "what was told is removed, and nothing else"

    def test_removing_many_keeps_the_copies_of_others(self, store: Store, alice: Person, bob: Person) -> None:
        for _ in range(10):
            store.store(MAIL, [alice.inbox, bob.inbox])
        trash = box(store, bob, "Trash")
        store.copy(bob.box, [1, 2], trash)
        store.copy(bob.box, [3], trash, move=True)
        pairs: Sequence[Place] = [(someone.box, uid) for someone in (alice, bob) for uid in range(1, 11)]
        with self.small():
            assert store.remove(pairs) == 19
        assert [store.content(trash, uid) for uid in (1, 2, 3)] == [MAIL] * 3
        assert uids(store, alice.box) == uids(store, bob.box) == []
