"""Leases: one holder at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent

from chatgate.store.contract import Store
from chatgate.testing.store.kit import Kit

LONG = 600.0
_QUIETLY: Any = False


def _waits(condition: Callable[[], bool]) -> bool:
    """For up to a minute."""
    with gevent.Timeout(60, _QUIETLY):
        while not condition():
            gevent.sleep(0.01)
        return True
    return False


class LeaseTests(Kit):
    def test_one_has_it_and_renews_it(self, store: Store) -> None:
        assert store.lease("cleaning", "one", LONG)
        assert not store.lease("cleaning", "two", LONG)
        assert store.lease("cleaning", "one", LONG) and not store.lease("cleaning", "two", LONG)
        assert [tuple(lease) for lease in store.leases()] == [("cleaning", "one")]

    def test_each_name_for_itself(self, store: Store) -> None:
        assert store.lease("a.b-1", "one", LONG) and store.lease("c" * 64, "two", LONG)
        assert [tuple(lease) for lease in store.leases()] == [("a.b-1", "one"), ("c" * 64, "two")]

    def test_given_back_it_is_free_at_once(self, store: Store) -> None:
        assert store.lease("cleaning", "one", LONG)
        store.release("cleaning", "one")
        assert store.leases() == []
        assert store.lease("cleaning", "two", LONG) and not store.lease("cleaning", "one", LONG)

    def test_only_the_holder_gives_it_back(self, store: Store) -> None:
        assert store.lease("cleaning", "one", LONG)
        store.release("cleaning", "two")
        store.release("washing", "one")
        assert not store.lease("cleaning", "two", LONG)

    def test_its_time_ends(self, store: Store) -> None:
        assert store.lease("cleaning", "one", 0.05)
        assert _waits(lambda: store.lease("cleaning", "two", LONG))
        assert not store.lease("cleaning", "one", LONG), "the lease of the first holder is over"
        assert [lease.holder for lease in store.leases()] == ["two"]

    def test_renewed_it_does_not_end(self, store: Store) -> None:
        assert store.lease("cleaning", "one", 0.05)
        if not store.lease("cleaning", "one", LONG):
            return  # on a machine this slow the lease was over before it could be renewed
        gevent.sleep(0.2)
        assert not store.lease("cleaning", "two", LONG)

    def test_of_many_who_ask_one_gets_it(self, store: Store) -> None:
        asked = [gevent.spawn(store.lease, "cleaning", f"greenlet {number}", LONG) for number in range(20)]
        gevent.joinall(asked, raise_error=True)
        assert sum(bool(one.value) for one in asked) == 1, "a lease has one holder"

    def test_it_holds_for_all_who_have_the_store_open(self, opened: Callable[..., Store]) -> None:
        self.needs(shared=True)
        one, two = opened(), opened()
        assert one.lease("cleaning", "one", LONG) and not two.lease("cleaning", "two", LONG)
        assert [lease.holder for lease in two.leases()] == ["one"]
        two.release("cleaning", "two")
        assert not two.lease("cleaning", "two", LONG)
        one.release("cleaning", "one")
        assert two.lease("cleaning", "two", LONG) and not one.lease("cleaning", "one", LONG)
