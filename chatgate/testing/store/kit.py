"""The common base of the kit's tests: the stores they open, and people with mailboxes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chatgate.store.contract import Store
from chatgate.store.records import Delivery, Message

MAIL = b"Subject: one\r\nTo: you\r\n\r\nhello\r\n"
HEADER = b"Subject: one\r\nTo: you\r\n\r\n"
LARGE = HEADER + bytes(range(256)) * 1000
NOBODY = (1 << 30) + 7  # an id that no test reaches


@dataclass(frozen=True)
class Person:
    """id: of the account. box: of its INBOX. inbox: the destination for a message to it."""

    id: int
    address: str
    box: int
    inbox: Delivery


def person(store: Store, name: str, domain: str = "example.org") -> Person:
    """The account of this name at the domain, which is made when it is not there."""
    address = f"{name}@{domain}"
    account = store.account(address) or store.create_account(address, "secret")
    inbox = store.mailbox(account.id, "INBOX")
    assert inbox is not None
    return Person(account.id, address, inbox.id, Delivery(address, inbox.id, account.id))


def box(store: Store, someone: Person, name: str) -> int:
    """The id of a mailbox that is there."""
    found = store.mailbox(someone.id, name)
    assert found is not None, f"no mailbox {name}"
    return found.id


def fill(store: Store, someone: Person, count: int) -> int:
    """Messages in INBOX, each with its number at the end, from 0 on; the id of INBOX."""
    store.store_all([(MAIL + b"%d" % number, someone.inbox) for number in range(count)])
    return someone.box


def listed(store: Store, mailbox_id: int) -> list[Message]:
    """All messages of a mailbox, after a look at what holds for any of them."""
    told = store.changes(mailbox_id)
    messages = list(told.messages)
    known = [message.uid for message in messages]
    assert known == sorted(set(known)), "messages come by ascending UID, each once"
    assert all(0 < uid < told.uidnext for uid in known), "UIDs are below UIDNEXT"
    assert all(0 < message.modseq <= told.modseq for message in messages), "no modseq is above that of the mailbox"
    return messages


def uids(store: Store, mailbox_id: int) -> list[int]:
    return [message.uid for message in listed(store, mailbox_id)]


def flags(store: Store, mailbox_id: int) -> dict[int, set[str]]:
    return {message.uid: set(message.flags) for message in listed(store, mailbox_id)}


class Kit:
    """The base of the kit's test classes: the attributes and methods by which an author describes a store.

    persistent: what was stored is still there when the folder is opened again. False only for a store in memory: tests
    of restarts and crashes are skipped.
    shared: the folder may be open several times at once, in this process and in others.
    """

    persistent = True
    shared = True

    def open_store(self, folder: Path, post: Callable[[int], None], octets: int = 0, messages: int = 0) -> Store:
        """Open the store in this folder, which is made if missing; the same one that was open there before.

        post: what `gateway.board.post` is. octets, messages: what an account may keep that has no quota of its own; 0:
        no limit.
        """
        raise NotImplementedError

    def inspect(self, store: Store, folder: Path) -> None:
        """What else must hold in a store of this kind when nothing is under way; asked after `expire` by the tests that
        do much, which compare everything that the contract tells. Raises AssertionError.
        """

    def full_disk(self, store: Store, folder: Path) -> AbstractContextManager[Any] | None:
        """While this is entered, there is no room on the disk of the open store. None: the tests of it are skipped."""
        return None

    def broken_disk(self, store: Store, folder: Path) -> AbstractContextManager[Any] | None:
        """While this is entered, nothing can be written to the disk of the open store. None: the tests of it are
        skipped.
        """
        return None

    def small(self) -> AbstractContextManager[Any]:
        """While this is entered, work that is done in pieces should be done in very small ones, so that a handful of
        messages takes several. For the model and, never left there, in the process that is killed.
        """
        return nullcontext()

    @pytest.fixture
    def posts(self) -> list[int]:
        """What the stores of this test have posted."""
        return []

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "store"

    @pytest.fixture
    def opened(self, folder: Path, posts: list[int]) -> Iterator[Callable[..., Store]]:
        """Opens the store of this test, with `octets` and `messages` of `open_store`. What is still open afterwards is
        closed.
        """
        stores: list[Store] = []

        def make(**limits: int) -> Store:
            stores.append(self.open_store(folder, posts.append, **limits))
            return stores[-1]

        yield make
        for store in stores:
            store.close()

    @pytest.fixture
    def store(self, opened: Callable[..., Store]) -> Iterator[Store]:
        """Afterwards it must be sound."""
        store = opened()
        yield store
        assert store.integrity() == []

    @pytest.fixture
    def alice(self, store: Store) -> Person:
        return person(store, "alice")

    @pytest.fixture
    def bob(self, store: Store) -> Person:
        return person(store, "bob")

    @pytest.fixture
    def carol(self, store: Store) -> Person:
        return person(store, "carol")

    def needs(self, **wanted: bool) -> None:
        """Skip the test unless these attributes of the class have these values."""
        for name in wanted:
            if not getattr(self, name):
                pytest.skip(f"this store is not {name}")
