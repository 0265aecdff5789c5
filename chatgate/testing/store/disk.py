"""A disk that is full, and one that fails. Skipped for a store that does not say how to make it so (see `Kit`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chatgate.store.contract import Store
from chatgate.store.records import Outgoing, StoreError, StoreFull, StoreUnavailable
from chatgate.testing.store.kit import LARGE, MAIL, Kit, Person, box, fill, listed, uids

MEDIUM = MAIL + bytes(3000)  # a database may still have room for some of these


class DiskTests(Kit):
    @contextmanager
    def without_room(self, store: Store, folder: Path) -> Iterator[None]:
        made = self.full_disk(store, folder)
        if made is None:
            pytest.skip("this store does not say how its disk becomes full")
        with made:
            yield

    @contextmanager
    def out_of_order(self, store: Store, folder: Path) -> Iterator[None]:
        made = self.broken_disk(store, folder)
        if made is None:
            pytest.skip("this store does not say how its disk fails")
        with made:
            yield

    def test_on_a_full_disk_mail_is_refused_and_can_be_deleted(self, store: Store, alice: Person, folder: Path) -> None:
        inbox, trash = fill(store, alice, 5), box(store, alice, "Trash")
        with self.without_room(store, folder):
            for _ in range(1000):
                try:
                    store.store(MEDIUM, [alice.inbox, Outgoing("a@b.example", "b.example")])
                except StoreFull:
                    break
            else:
                pytest.fail("the disk is full, and the store takes mail")
            before = uids(store, inbox), store.status(inbox), store.count_queue(), store.mailboxes(alice.id)
            with pytest.raises(StoreFull):
                store.store(LARGE, [alice.inbox])
            with pytest.raises(StoreFull):
                store.store_all([(MAIL, alice.inbox), (LARGE, alice.inbox)])
            after = uids(store, inbox), store.status(inbox), store.count_queue(), store.mailboxes(alice.id)
            assert after == before, "what is refused leaves nothing"
            assert store.content(inbox, 1) == MAIL + b"0", "what is there can be read"
            # Whoever deletes makes room.
            assert store.expunge(inbox, [2], only_deleted=False) == [2]
            assert store.remove([(inbox, 3)]) == 1
            store.drop([row.id for row in store.queue()])
        store.store(LARGE, [alice.inbox])
        assert store.content(inbox, uids(store, inbox)[-1]) == LARGE, "there is room again"
        assert list(store.copy(inbox, [1], trash).copies) == [1]
        store.expire(0.0)
        self.inspect(store, folder)

    def test_what_takes_up_space_is_done_or_refused(self, store: Store, alice: Person, folder: Path) -> None:
        """There may still be room for a few octets. What is refused is not half done, and raises StoreFull."""
        with self.without_room(store, folder):
            for name in ("one", "two", "three"):
                address, note = f"{name}@example.org", f"/private/{name}"
                assert refused(store.create_mailbox, alice.id, name) != bool(store.mailbox(alice.id, name))
                assert refused(store.subscribe, alice.id, name, True) != (name in store.subscriptions(alice.id))
                assert refused(store.annotate, alice.id, "", {note: bytes(16384)}) != (
                    note in store.annotations(alice.id, "")
                )
                assert refused(store.create_account, address, "s") != bool(store.account(address))

    def test_a_disk_that_fails_is_no_secret_and_no_crash(self, store: Store, alice: Person, folder: Path) -> None:
        """Each change raises StoreUnavailable, never an error of a driver, and afterwards the store goes on."""
        inbox = fill(store, alice, 3)
        before = listed(store, inbox)
        changes: list[Callable[[], object]] = [
            lambda: store.store(MAIL, [alice.inbox]),
            lambda: store.store(LARGE, [alice.inbox]),
            lambda: store.store_all([(MAIL, alice.inbox)]),
            lambda: store.set_flags(inbox, [1], "add", ["\\Seen"]),
            lambda: store.expunge(inbox, [1], only_deleted=False),
            lambda: store.copy(inbox, [1], inbox),
            lambda: store.create_account("bob@example.org", "s"),
            lambda: store.set_secret(alice.id, "another"),
            lambda: store.create_mailbox(alice.id, "another"),
            lambda: store.annotate(alice.id, "", {"/private/a": b"1"}),
            lambda: store.subscribe(alice.id, "another", True),
        ]
        with self.out_of_order(store, folder):
            for number, change in enumerate(changes):
                with pytest.raises(StoreUnavailable):
                    change()
                    pytest.fail(f"change {number} was reported as done")
        # StoreUnavailable leaves open what is on the disk, so only what no change was about is sure to be there.
        assert {message.uid for message in before} <= {1, *uids(store, inbox)}
        store.store(MAIL, [alice.inbox])
        store.create_account("carol@example.org", "s")
        store.expire(0.0)
        self.inspect(store, folder)


def refused(change: Callable[..., object], *arguments: object) -> bool:
    try:
        change(*arguments)
    except StoreError as error:
        assert isinstance(error, StoreFull), f"a full disk is StoreFull, not {type(error).__name__}"
        return True
    return False
