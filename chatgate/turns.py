"""Giving others a turn amid long work in the hub's thread."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import gevent

T = TypeVar("T")

# Items from one turn to the next: about a millisecond, for what costs some microseconds each.
_AT_ONCE = 500


def give_turn() -> None:
    """Let everybody else run who can. Not sleep(0): after that gevent looks at sockets, timers and threads that have
    finished only once for every fifty turns.
    """
    gevent.sleep(1e-6)


def in_turns(items: Iterable[T]) -> Iterator[T]:
    """The items, with a turn for everybody else now and then."""
    left = iter(items)
    while piece := list(itertools.islice(left, _AT_ONCE)):
        yield from piece
        if len(piece) == _AT_ONCE:
            give_turn()


def in_order(items: Iterable[T], key: Callable[[T], Any]) -> Iterator[T]:
    """Like sorted(items, key=key), which stops the hub for a second where there are some 100 000."""
    left, pieces = in_turns(items), []
    while piece := sorted(itertools.islice(left, _AT_ONCE), key=key):
        pieces.append(piece)
    return in_turns(heapq.merge(*pieces, key=key))
