"""While the store works, others get turns; and a large message is read without taking memory for all of it."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent
import pytest

from chatgate.store.contract import Store
from chatgate.testing.store.kit import HEADER, LARGE, MAIL, Kit, Person, box, fill

HUGE = HEADER + bytes(8_000_000)


class Turns:
    """Counts how often somebody else got a turn."""

    def __init__(self) -> None:
        self.count = 0

    def run(self) -> None:
        while True:
            self.count += 1
            gevent.sleep(0)


@contextmanager
def allocating_less_than(octets: int) -> Iterator[None]:
    """What Python allocates meanwhile. What libraries in C allocate is not seen."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < octets, f"{peak - before} octets of memory were needed"


class WaitingTests(Kit):
    @pytest.fixture
    def turns(self) -> Iterator[Turns]:
        counted = Turns()
        greenlet = gevent.spawn(counted.run)
        yield counted
        greenlet.kill()

    def test_others_get_turns_while_one_waits_for_the_disk(self, store: Store, alice: Person, turns: Turns) -> None:
        """A store that waits for the disk in the hub's thread would keep all clients waiting."""
        self.needs(persistent=True)
        changes: dict[str, Callable[[], object]] = {
            "store": lambda: store.store(MAIL, [alice.inbox]),
            "store, large": lambda: store.store(LARGE, [alice.inbox]),
            "store_all": lambda: store.store_all([(MAIL, alice.inbox)]),
            "set_flags": lambda: store.set_flags(alice.box, [1], "add", ["\\Seen"]),
            "copy": lambda: store.copy(alice.box, [1], alice.box),
            "expunge": lambda: store.expunge(alice.box, [1], only_deleted=False),
            "create_account": lambda: store.create_account("bob@example.org", "s"),
            "set_secret": lambda: store.set_secret(alice.id, "another"),
            "annotate": lambda: store.annotate(alice.id, "", {"/private/a": b"1"}),
        }
        for name, change in changes.items():
            before = turns.count
            change()
            assert turns.count > before, f"nobody got a turn during {name}"

    def test_others_get_turns_during_long_work(self, store: Store, alice: Person, turns: Turns) -> None:
        count, trash = 2500, box(store, alice, "Trash")
        everything = range(1, count + 1)
        inbox = fill(store, alice, count)
        works: dict[str, tuple[bool, Callable[[], object]]] = {
            # Is it long only in a store that waits for a disk? And the work.
            "set_flags": (True, lambda: store.set_flags(inbox, everything, "add", ["$a"])),
            "copy": (True, lambda: store.copy(inbox, everything, trash)),
            "integrity": (True, store.integrity),
            "old": (False, lambda: list(store.old(1 << 40))),
            "remove": (False, lambda: store.remove([(trash, uid) for uid in everything])),
            "expunge": (True, lambda: store.expunge(inbox, None, only_deleted=False)),
        }
        for name, (disk, work) in works.items():
            before = turns.count
            work()
            assert turns.count > before or (disk and not self.persistent), f"nobody got a turn during {name}"
        store.expire(time.time())

    def test_what_is_opened_is_not_read_as_a_whole(self, store: Store, alice: Person) -> None:
        store.store(HUGE, [alice.inbox])
        with allocating_less_than(len(HUGE) // 4):
            content = store.open(alice.box, 1)
            assert content is not None and content.size == len(HUGE)
            for start in (0, 5_000_000, len(HUGE) - 1000):
                assert len(content.read(start, 1000)) == 1000
            content.close()
            assert store.header(alice.box, 1) == HEADER
