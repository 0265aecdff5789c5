"""Notifications that are waiting to be sent: one entry per token, in memory. Nothing here waits or writes; the sender
saves what `changed` names.
"""

from __future__ import annotations

import heapq
import itertools
import random

from chatgate_push.options import PushOptions

_FACTOR = 4  # 2, 8, 32, 128, 512, 1800 … seconds with the defaults: soon at first, as most failures are short


class Entry:
    """A notification. Times are Unix seconds.

    stored: when the first message came that it is about. latest: when the last one came. due: when it may be sent.
    tries: how often it failed. started: when the current request began. again: when the first message came after that,
    for which the request may be too early. busy: the sender has it at the moment.
    """

    __slots__ = ("again", "busy", "digest", "due", "latest", "started", "stored", "tries")

    def __init__(self, digest: bytes, stored: float, latest: float, due: float, tries: int = 0) -> None:
        self.digest, self.stored, self.latest, self.due, self.tries = digest, stored, latest, due, tries
        self.busy = False
        self.started: float | None = None
        self.again: float | None = None


class Queue:
    def __init__(self, options: PushOptions) -> None:
        self._options = options
        self._entries: dict[bytes, Entry] = {}
        # (due, tie-breaker, entry). An entry whose time changes is pushed again; the old item is skipped later.
        self._heap: list[tuple[float, int, Entry]] = []
        self._order = itertools.count()
        self.changed: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, digest: bytes) -> Entry | None:
        return self._entries.get(digest)

    def load(self, entry: Entry, now: float) -> None:
        """Add an entry that was waiting before a restart. The clock may have been set back meanwhile."""
        entry.due = min(entry.due, now + self._options.max_retry_seconds)
        entry.stored, entry.latest = min(entry.stored, now), min(entry.latest, now)
        self._entries[entry.digest] = entry
        self._schedule(entry, entry.due)

    def add(self, digest: bytes, first: float, last: float) -> str:
        """Messages came between these times for the device with this token. Returns what became of them: "queued",
        "coalesced" with others, or "dropped" as too many notifications wait.
        """
        entry = self._entries.get(digest)
        if entry is None:
            if len(self._entries) >= self._options.max_waiting:
                return "dropped"
            entry = self._entries[digest] = Entry(digest, first, last, first + self._options.coalesce_seconds)
            self._schedule(entry, entry.due)
            return "queued"
        entry.latest = max(entry.latest, last)
        if not entry.busy:
            self.changed.add(digest)
            soon = last + self._options.first_retry_seconds
            if entry.tries and soon < entry.due:  # new mail is a reason to try again soon
                self._schedule(entry, soon)
        elif entry.started is not None and last > entry.started and entry.again is None:
            entry.again = first
        return "coalesced"

    def next_due(self) -> float | None:
        """When the next entry is due; None if nothing waits."""
        while self._heap and self._stale(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: float, limit: int) -> tuple[list[Entry], int]:
        """Up to `limit` entries that are due; each must be returned by `done`, `failed`, `put_back` or `remove`. And
        how many were given up, as their time ran out during a pause of the service.
        """
        taken: list[Entry] = []
        given_up = 0
        while len(taken) < limit:
            due = self.next_due()
            if due is None or due > now:
                break
            entry = heapq.heappop(self._heap)[2]
            if now > self._deadline(entry):
                self.remove(entry)
                given_up += 1
            else:
                entry.busy = True
                taken.append(entry)
        return taken, given_up

    def done(self, entry: Entry) -> bool:
        """Accepted. True: messages that came during the request begin a new notification."""
        if entry.again is None:
            self.remove(entry)
            return False
        entry.stored, entry.tries = entry.again, 0
        self._back(entry, entry.again + self._options.coalesce_seconds)
        return True

    def failed(self, entry: Entry, now: float) -> bool:
        """Schedule the next try. False: its time is over, so it is given up."""
        options = self._options
        entry.tries += 1
        power = min(entry.tries - 1, 30) if entry.again is None else 0  # new mail is a reason to try again soon
        delay = min(options.first_retry_seconds * _FACTOR**power, options.max_retry_seconds)
        due = now + delay * random.uniform(0.8, 1.2)  # entries that failed together should not be retried together
        if due > self._deadline(entry):
            self.remove(entry)
            return False
        self._back(entry, due)
        return True

    def put_back(self, entry: Entry, due: float) -> None:
        """The entry was not sent after all."""
        self._back(entry, due)

    def remove(self, entry: Entry) -> None:
        entry.busy = True  # no item in the heap refers to it any more
        self._entries.pop(entry.digest, None)
        self.changed.add(entry.digest)

    def hurry(self, now: float) -> None:
        """The service works again: everything that waits becomes due."""
        for entry in self._entries.values():
            if not entry.busy and entry.tries and entry.due > now:
                self._schedule(entry, now)

    def _deadline(self, entry: Entry) -> float:
        return entry.latest + self._options.give_up_hours * 3600

    def _back(self, entry: Entry, due: float) -> None:
        entry.busy, entry.started, entry.again = False, None, None
        self._schedule(entry, due)

    def _schedule(self, entry: Entry, due: float) -> None:
        entry.due = due
        self.changed.add(entry.digest)
        heapq.heappush(self._heap, (due, next(self._order), entry))
        if len(self._heap) > 2 * len(self._entries) + 1000:
            self._heap = [item for item in self._heap if not self._stale(item)]
            heapq.heapify(self._heap)

    @staticmethod
    def _stale(item: tuple[float, int, Entry]) -> bool:
        due, _, entry = item
        return entry.busy or entry.due != due
