"""Removing thousands of messages in small transactions, so that deliveries at the same time hardly have to wait.

Messages are removed in the order of their mailboxes, and so from few pages of the database; but in that order their
bodies are scattered. So the bodies are first only noted, in `released`, and later removed in their own order.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

from chatgate.api import give_turn, in_order
from chatgate_maildb import rows
from chatgate_maildb.checkpoints import Checkpoints
from chatgate_maildb.database import Reader
from chatgate_maildb.writer import Transaction, Writer

# Messages, or notes of released bodies, in one transaction. The number is adapted to the time that statements take.
_LEAST, _MOST = 20, 500
_SECONDS = 0.0003

# Notes that are collected before their bodies are removed, and read before other greenlets get a turn.
_NOTES, _READ = 20_000, 500

_NOTED = f"SELECT id, body_id FROM released WHERE id>? ORDER BY id LIMIT {_READ}"


class Removal:
    def __init__(self, reader: Reader, writer: Writer, checkpoints: Checkpoints) -> None:
        self._reader, self._writer, self._checkpoints = reader, writer, checkpoints

    def remove(self, messages: Iterable[tuple[int, int]], tell: Callable[[int], object] | None = None) -> int:
        """Removal is fastest in the order of mailbox and UID. The bodies are removed when this returns, unless it is
        interrupted: then the next `expire` removes them.
        """
        pairs, pace, removed, noted = iter(messages), _Pace(), 0, 0
        while batch := list(itertools.islice(pairs, pace.size)):
            gone = self._run(pace, _release, batch)
            removed, noted = removed + gone, noted + gone
            if tell is not None:
                tell(gone)
            if noted >= _NOTES:
                self.drop_released()
                noted = 0
        self.drop_released()
        return removed

    def drop_released(self) -> None:
        """Remove the noted bodies that no other message has."""
        pace = _Pace()
        while noted := self._noted():
            notes = in_order(noted, itemgetter(1))
            while batch := [note for note, _ in itertools.islice(notes, pace.size)]:
                self._run(pace, rows.drop_released, batch)

    def _noted(self) -> list[tuple[int, int]]:
        """The next notes, each with its body."""
        notes: list[tuple[int, int]] = []
        last = 0
        while len(notes) < _NOTES and (found := self._reader.rows(_NOTED, (last,))):
            notes += found
            last = found[-1][0]
            give_turn()
        return notes

    def _run(self, pace: _Pace, work: Callable[[Transaction, list[Any]], int], batch: list[Any]) -> int:
        # Not concurrently with a checkpoint: deliveries would find both cores of a small machine busy.
        self._checkpoints.wait()
        return self._writer.run(lambda tx: pace.timed(work, tx, batch), patient=True)


def _release(tx: Transaction, pairs: list[tuple[int, int]]) -> int:
    return rows.remove(tx, pairs, rows.release_bodies)


class _Pace:
    """How many rows to handle in a transaction, so that its statements take about `_SECONDS`."""

    def __init__(self) -> None:
        self.size = _LEAST

    def timed(self, work: Callable[[Transaction, list[Any]], int], tx: Transaction, batch: list[Any]) -> int:
        began = time.perf_counter()
        result = work(tx, batch)
        # At most doubled: a final batch of one row says little.
        share = min(2.0, _SECONDS / max(time.perf_counter() - began, 1e-9))
        self.size = max(_LEAST, min(_MOST, int(len(batch) * share)))
        return result
