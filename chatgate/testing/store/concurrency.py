"""Several at once: greenlets, handles on one folder, callers that are interrupted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gevent
import gevent.event
import pytest

from chatgate.store.contract import Store
from chatgate.store.records import AccountExists, Delivery, NoSuchMailbox, Stored
from chatgate.testing.store.kit import LARGE, MAIL, Kit, Person, box, flags, listed, person, uids


class Client:
    """Knows a mailbox only by asking what changed since it last looked."""

    def __init__(self, store: Store, mailbox_id: int) -> None:
        self.store, self.box, self.known = store, mailbox_id, dict[int, frozenset[str]]()
        self.since = 0

    def look(self) -> None:
        told = self.store.changes(self.box, self.since)
        assert told.modseq >= self.since
        if told.expunged is None:
            self.known.clear()
        for uid in told.expunged or ():
            self.known.pop(uid, None)
        self.known |= {message.uid: message.flags for message in told.messages}
        self.since = told.modseq


class ConcurrencyTests(Kit):
    """Many greenlets at once, and callers that are interrupted."""

    def test_many_greenlets_store_at_once(self, store: Store, alice: Person, bob: Person, posts: list[int]) -> None:
        def work(number: int) -> list[int]:
            stored = store.store(MAIL + b"%d" % number, [alice.inbox, bob.inbox])
            assert store.content(alice.box, stored[0].uid) == MAIL + b"%d" % number  # type: ignore[union-attr]
            return [one.uid for one in stored if isinstance(one, Stored)]

        tasks = [gevent.spawn(work, number) for number in range(60)]
        gevent.joinall(tasks, raise_error=True)
        for place, someone in enumerate((alice, bob)):
            given = sorted(task.get()[place] for task in tasks)
            assert given == uids(store, someone.box) == list(range(1, 61))
            modseqs = [message.modseq for message in listed(store, someone.box)]
            assert modseqs == sorted(set(modseqs)) and someone.box in posts
        assert store.usage(alice.id).messages == 60

    def test_who_asks_what_changed_misses_nothing(self, store: Store, alice: Person) -> None:
        client, trash, working = Client(store, alice.box), box(store, alice, "Trash"), True

        def look() -> None:
            while working:
                client.look()
                gevent.sleep(0)

        def work(number: int) -> None:
            for _ in range(8):
                (stored,) = store.store(MAIL, [alice.inbox])
                assert isinstance(stored, Stored)
                store.set_flags(alice.box, [stored.uid, stored.uid - 1], "add", [f"$k{number}"])
                if number % 2:
                    store.expunge(alice.box, [stored.uid - 1], only_deleted=False)
                else:
                    store.copy(alice.box, [stored.uid], trash, move=number % 4 == 0)

        watcher = gevent.spawn(look)
        gevent.joinall([gevent.spawn(work, number) for number in range(8)], raise_error=True)
        working = False
        watcher.get(timeout=60)
        client.look()
        assert {uid: set(kinds) for uid, kinds in client.known.items()} == flags(store, alice.box)

    def test_whoever_is_woken_finds_what_it_was_woken_for(self, folder: Path) -> None:
        woken, found = gevent.event.Event(), list[int]()
        store = self.open_store(folder, lambda key: woken.set())
        try:
            alice = person(store, "alice")

            def look() -> None:
                while len(found) < 20:
                    woken.wait()
                    woken.clear()
                    found.extend(uid for uid in uids(store, alice.box) if uid not in found)

            watcher = gevent.spawn(look)
            for _ in range(20):
                store.store(MAIL, [alice.inbox])
            watcher.get(timeout=60)
            assert found == list(range(1, 21))
        finally:
            store.close()

    @pytest.mark.parametrize("interruption", ["timeout", "kill"])
    def test_who_is_interrupted_has_done_it_or_not(self, store: Store, alice: Person, interruption: str) -> None:
        """Whoever hears that it was interrupted, and was not killed, has stored nothing."""
        heard: list[str] = []

        def work(number: int) -> None:
            try:
                with gevent.Timeout(number / 20_000 if interruption == "timeout" else None):
                    store.store(LARGE if number % 2 else MAIL, [alice.inbox])
                    heard.append("stored")
            except gevent.Timeout:
                heard.append("interrupted")

        tasks = [gevent.spawn(work, number) for number in range(40)]
        if interruption == "kill":
            gevent.sleep(0)
            for task in tasks[::2]:
                task.kill()
        gevent.joinall(tasks, timeout=60)
        assert all(task.dead for task in tasks)
        store.store(MAIL, [alice.inbox])  # what was under way is over
        there = len(uids(store, alice.box)) - 1
        if interruption == "timeout":
            assert there == heard.count("stored") and len(heard) == 40
        else:
            assert there >= heard.count("stored") >= 20
        sizes = {message.size for message in listed(store, alice.box)}
        assert sizes <= {len(LARGE), len(MAIL)} and store.integrity() == []

    def test_a_mailbox_may_vanish_amid_everything(self, store: Store, alice: Person) -> None:
        made = store.create_mailbox(alice.id, "Passing").id
        inbox = Delivery("", made, alice.id)
        working = True

        def work(do: Callable[[], object]) -> None:
            while working:
                try:
                    do()
                except NoSuchMailbox:
                    return
                gevent.sleep(0)

        tasks = [
            gevent.spawn(work, lambda: store.store(MAIL, [inbox])),
            gevent.spawn(work, lambda: store.set_flags(made, [1, 2], "add", ["\\Seen"])),
            gevent.spawn(work, lambda: store.copy(alice.box, [], made)),
            gevent.spawn(work, lambda: list(store.changes(made).messages)),
            gevent.spawn(work, lambda: store.status(made)),
        ]
        gevent.sleep(0.01)
        store.delete_mailbox(made)
        with gevent.Timeout(60):
            gevent.joinall(tasks, raise_error=True)
        working = False
        assert store.usage(alice.id).messages == 0 and store.mailbox(alice.id, "Passing") is None


class SharingTests(Kit):
    """Two handles on one folder, as two processes have them."""

    @pytest.fixture
    def other(self, store: Store, opened: Callable[..., Store]) -> Store:
        self.needs(persistent=True, shared=True)
        return opened()

    def test_each_sees_at_once_what_the_other_did(self, store: Store, other: Store, alice: Person) -> None:
        assert other.account(alice.address) == store.account(alice.address)
        ours, theirs = Client(store, alice.box), Client(other, alice.box)
        for number, (one, another) in enumerate([(store, other), (other, store)] * 5):
            one.store(MAIL + b"%d" % number, [alice.inbox])
            assert another.content(alice.box, number + 1) == MAIL + b"%d" % number
            another.set_flags(alice.box, [number + 1], "add", [f"$k{number}"])
            one.expunge(alice.box, [number - 1], only_deleted=False)
            ours.look()
            theirs.look()
            assert ours.known == theirs.known and set(ours.known) == set(uids(store, alice.box))
        one.set_disabled(alice.id, "no")
        told = another.account(alice.address)
        assert told is not None and told.disabled == "no"

    def test_two_at_once_give_no_uid_twice(self, store: Store, other: Store, alice: Person) -> None:
        def work(number: int) -> int:
            (stored,) = (store, other)[number % 2].store(MAIL, [alice.inbox])
            return stored.uid  # type: ignore[union-attr]

        tasks = [gevent.spawn(work, number) for number in range(40)]
        gevent.joinall(tasks, raise_error=True)
        assert sorted(task.get() for task in tasks) == list(range(1, 41)) == uids(other, alice.box)
        modseqs = [message.modseq for message in listed(store, alice.box)]
        assert modseqs == sorted(set(modseqs)) and store.usage(alice.id) == other.usage(alice.id)

    def test_one_of_two_gets_the_address(self, store: Store, other: Store) -> None:
        def work(number: int) -> bool:
            try:
                (store, other)[number % 2].create_account(f"{number // 2}@example.org", "")
            except AccountExists:
                assert (store, other)[number % 2].account(f"{number // 2}@example.org") is not None
                return False
            return True

        tasks = [gevent.spawn(work, number) for number in range(20)]
        gevent.joinall(tasks, raise_error=True)
        assert sum(task.get() for task in tasks) == 10 == store.count_accounts(), "an address has one account"
        numbers = [one.uidvalidity for account in store.accounts() for one in store.mailboxes(account.id)]
        assert len(numbers) == 50, "each account has its five mailboxes"

    def test_both_remove_and_nothing_goes_twice(self, store: Store, other: Store, alice: Person, bob: Person) -> None:
        for _ in range(30):
            store.store(MAIL, [alice.inbox, bob.inbox])
        third = box(store, bob, "Sent")
        store.copy(bob.box, range(1, 31), third)
        pairs = [(someone.box, uid) for uid in range(1, 31) for someone in (alice, bob)]
        with self.small():
            tasks = [gevent.spawn(handle.remove, list(pairs)) for handle in (store, other, store)]
            gevent.joinall(tasks, raise_error=True)
        assert sum(task.get() for task in tasks) == 60, "each message counts for the one that removed it"
        assert [store.content(third, uid) for uid in range(1, 31)] == [MAIL] * 30
