"""How much an account may keep, and who is left out for want of room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from chatgate.store.contract import Store
from chatgate.store.records import Delivery, NoSuchMailbox, OverQuota, Stored
from chatgate.testing.store.kit import LARGE, NOBODY, Kit, Person, box, person, uids


def usages(store: Store, *people: Person) -> list[tuple[int, int]]:
    return [store.usage(someone.id)[:2] for someone in people]


class QuotaTests(Kit):
    def test_what_holds_for_everybody(self, opened: Callable[..., Store]) -> None:
        store = opened(octets=100, messages=3)
        alice, bob = person(store, "alice"), person(store, "bob")
        trash = box(store, alice, "Trash")
        assert store.usage(alice.id) == (0, 0, 100, 3)
        store.store(b"x" * 60, [alice.inbox])
        with pytest.raises(OverQuota) as error:
            store.store(b"x" * 41, [bob.inbox, alice.inbox])
        assert error.value.full == [alice.inbox]
        with pytest.raises(NoSuchMailbox):  # comes before OverQuota in the order of errors
            store.store(b"x" * 41, [alice.inbox, Delivery("", NOBODY, NOBODY)])
        with pytest.raises(OverQuota):
            store.copy(alice.box, [1], trash)
        with pytest.raises(OverQuota):
            store.store_all([(b"x" * 20, alice.inbox), (b"x" * 21, alice.inbox)])
        assert usages(store, alice, bob) == [(60, 1), (0, 0)] and store.status(alice.box).uidnext == 2
        assert store.copy(alice.box, [1], trash, move=True).copies[0] == 1, "a move within the account needs no room"
        store.store(b"x" * 40, [alice.inbox])
        assert usages(store, alice) == [(100, 2)]
        store.store(b"", [alice.inbox])
        with pytest.raises(OverQuota):  # a fourth message
            store.store(b"", [alice.inbox])
        store.expunge(alice.box, None, only_deleted=False)
        store.store(b"x" * 40, [alice.inbox])
        assert store.integrity() == []

    def test_a_quota_of_ones_own(self, opened: Callable[..., Store]) -> None:
        store = opened(octets=100)
        alice, bob = person(store, "alice"), person(store, "bob")
        store.set_quota(alice.id, 150)
        store.store(bytes(140), [alice.inbox])
        for size in (11, 10_000):
            with pytest.raises(OverQuota):
                store.store(bytes(size), [alice.inbox])
        with pytest.raises(OverQuota):
            store.store(bytes(101), [bob.inbox])
        store.set_quota(bob.id, 0)  # no limit
        store.store(LARGE, [bob.inbox])
        assert store.usage(bob.id) == (len(LARGE), 1, 0, 0)
        store.set_quota(alice.id, None)
        assert store.usage(alice.id) == (140, 1, 100, 0), "a smaller quota removes nothing"
        with pytest.raises(OverQuota):
            store.store(b"x", [alice.inbox])

    def test_a_quota_where_others_have_none(self, store: Store, alice: Person) -> None:
        store.store(bytes(1000), [alice.inbox])
        store.set_quota(alice.id, 1500)
        with pytest.raises(OverQuota):
            store.store(bytes(1000), [alice.inbox])
        assert store.usage(alice.id) == (1000, 1, 1500, 0)

    def test_those_without_room_are_left_out(self, opened: Callable[..., Store]) -> None:
        store = opened(octets=100)
        alice, bob, carol = (person(store, name) for name in ("alice", "bob", "carol"))
        store.store(b"x" * 60, [bob.inbox])
        stored = store.store(b"y" * 60, [alice.inbox, bob.inbox, carol.inbox], partial=True)
        told = [(one.delivery, one.uid) for one in stored if isinstance(one, Stored)]
        assert told == [(alice.inbox, 1), (carol.inbox, 1)] and store.content(carol.box, 1) == b"y" * 60
        assert store.status(bob.box)[:3] == (1, 1, 2), "a delivery that is left out uses up no UID"
        with pytest.raises(OverQuota) as error:
            store.store(b"z" * 60, [alice.inbox, bob.inbox, carol.inbox], partial=True)
        assert error.value.full == [alice.inbox, bob.inbox, carol.inbox]
        assert usages(store, alice, bob, carol) == [(60, 1)] * 3 and store.integrity() == []

    def test_nothing_is_stored_for_the_sender_alone(self, opened: Callable[..., Store]) -> None:
        store = opened(octets=100)
        alice, bob = person(store, "alice"), person(store, "bob")
        own = replace(alice.inbox, own=True)
        store.store(b"x" * 60, [bob.inbox])
        with pytest.raises(OverQuota) as error:
            store.store(b"y" * 60, [own, bob.inbox], partial=True)
        assert error.value.full == [bob.inbox] and usages(store, alice, bob) == [(0, 0), (60, 1)]
        (stored,) = store.store(b"y" * 60, [own], partial=True)
        assert isinstance(stored, Stored) and stored.delivery == own

    def test_a_word_of_the_servers_own_may_go_beyond(self, opened: Callable[..., Store]) -> None:
        store = opened(octets=100, messages=1)
        bob = person(store, "bob")
        store.store(b"x" * 60, [bob.inbox])
        beyond = replace(bob.inbox, beyond=20)
        with pytest.raises(OverQuota):
            store.store(b"w" * 61, [beyond])
        store.store(b"w" * 60, [beyond])
        with pytest.raises(OverQuota):
            store.store(b"w", [beyond])
        assert uids(store, bob.box) == [1, 2]
