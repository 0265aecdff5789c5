"""Removing many messages beside deliveries: in small batches, with a pause after each."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import gevent

from chatgate.api import Kept, Store

# Messages taken together and sorted by mailbox, so that a batch touches few pages of the database: what is due comes by
# date, from a different mailbox each, and in that order four times as much is written. Some 6 MB of memory.
_WINDOW = 30_000

# Messages in one transaction. The number follows the time a batch takes: deliveries wait for so long.
_LEAST, _MOST = 50, 500
_SECONDS = 0.025


@dataclass
class Count:
    messages: int = 0
    octets: int = 0
    accounts: int = 0


class Batches:
    """dry_run: only count. tell: called with the number of messages after each batch."""

    def __init__(self, store: Store, dry_run: bool, tell: Callable[[int], object]) -> None:
        self._store, self._dry_run, self._tell = store, dry_run, tell
        self._size = _LEAST

    def remove(self, messages: Iterable[Kept], count: Count) -> None:
        """Raises StoreError."""
        for window in _windows(messages):
            window.sort()
            while window:
                batch = window[-self._size :]
                del window[-len(batch) :]
                count.messages += len(batch) if self._dry_run else self._removed(batch)
                count.octets += sum(kept.size for kept in batch)
                self._tell(len(batch))

    def _removed(self, batch: list[Kept]) -> int:
        began = time.monotonic()
        removed = self._store.remove([(kept.mailbox_id, kept.uid) for kept in batch])
        took = time.monotonic() - began
        if took > _SECONDS:
            self._size = max(_LEAST, self._size // 2)
        elif took < _SECONDS / 2:
            self._size = min(_MOST, self._size + _LEAST)
        gevent.sleep(took / 4)
        return removed


def _windows(messages: Iterable[Kept]) -> Iterator[list[Kept]]:
    iterator = iter(messages)
    while window := list(itertools.islice(iterator, _WINDOW)):
        yield window
