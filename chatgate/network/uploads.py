"""Memory for uploads: a budget that fills with the octets that have arrived, and a pace that senders must keep."""

from __future__ import annotations

import heapq
import math
import time
from collections import Counter
from collections.abc import Callable, Hashable

# Seconds over which the present pace of an upload is measured.
_PACE_SECONDS = 5.0


class Uploads:
    """The memory that all unfinished uploads of one kind may use together. Each kind has a budget of its own, so that
    mail from strangers leaves room for mail from accounts.

    octets: the whole budget. free: what is left of it. min_rate: octets per second that an upload must bring;
    slack_seconds: how far it may fall behind that, at the beginning and whenever it stands still.

    When the memory is full, an upload whose owner holds much while it brings little is dropped first: the one that, at
    its present pace, would need the longest for what its owner holds. So clients that send half a message and then next
    to nothing, or many messages at once, lose theirs before anybody else does.
    """

    def __init__(
        self, octets: int, min_rate: float, slack_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.free = self._octets = octets
        self.min_rate, self.slack_seconds, self.clock = min_rate, slack_seconds, clock
        self._unfinished: set[Upload] = set()
        self._owners: Counter[Hashable] = Counter()

    def limit(self, octets: int, min_rate: float, slack_seconds: float) -> None:
        """The same as for construction, from now on; nothing is dropped before more arrives."""
        self.free += octets - self._octets
        self._octets, self.min_rate, self.slack_seconds = octets, min_rate, slack_seconds

    def begin(self, owner: Hashable, drop: Callable[[], None]) -> Upload:
        """Begin an upload. owner: who sends it, such as an account or `Session.network`. drop: releases all that is
        held, at once and without blocking; then tell the client that it may try again later.
        """
        return Upload(self, owner, drop)

    def _hold(self, upload: Upload, octets: int) -> None:
        more, upload.held = octets - upload.held, octets
        self.free -= more
        self._owners[upload.owner] += more
        if not self._owners[upload.owner]:
            del self._owners[upload.owner]
        if octets and not upload.finished:
            self._unfinished.add(upload)
        else:
            self._unfinished.discard(upload)
        if self.free < 0 and more > 0:
            self._make_room()

    def _make_room(self) -> None:
        """Many that hold next to nothing may have to go, so they are not gone through for each: what changes with each
        that goes is the place of its owner, and of those of one owner the one with the lowest pace is first.
        """
        owners: dict[Hashable, list[Upload]] = {}
        for upload in sorted(self._unfinished, key=Upload.pace, reverse=True):
            owners.setdefault(upload.owner, []).append(upload)
        line = [(-self._seconds(theirs[-1]), number, theirs) for number, theirs in enumerate(owners.values())]
        heapq.heapify(line)
        while self.free < 0 and line:
            _, number, theirs = heapq.heappop(line)
            slowest = theirs.pop()
            slowest.dropped = True
            self._hold(slowest, 0)
            slowest.drop()
            if theirs:
                heapq.heappush(line, (-self._seconds(theirs[-1]), number, theirs))

    def _seconds(self, upload: Upload) -> float:
        return self._owners[upload.owner] / max(upload.pace(), 1.0)


class Upload:
    """One message, or other large input, on its way in; the memory it holds is given back at the end of the `with`, or
    by `close`.

    held: octets in memory. dropped: the memory was needed for others, and `drop` has been called. deadline: the time
    (of the clock) from which it counts as too slow if nothing arrives until then.
    """

    __slots__ = ("owner", "drop", "held", "dropped", "finished", "deadline", "_uploads", "_pace", "_began", "_at")

    def __init__(self, uploads: Uploads, owner: Hashable, drop: Callable[[], None]) -> None:
        self._uploads, self.owner, self.drop = uploads, owner, drop
        self.held = 0
        self.dropped = self.finished = False
        self._pace = 0.0
        self._began = self._at = uploads.clock()
        self.deadline = self._at + uploads.slack_seconds

    def came(self, octets: int, held: int) -> None:
        """octets: how many have just arrived. held: how many it holds now. This or other uploads may be dropped to make
        room.
        """
        uploads = self._uploads
        now = uploads.clock()
        self._pace = self._pace * math.exp((self._at - now) / _PACE_SECONDS) + octets / _PACE_SECONDS
        self._at = now
        self.deadline = min(self.deadline + octets / uploads.min_rate, now + uploads.slack_seconds)
        if not self.dropped and held != self.held:
            uploads._hold(self, held)

    def pace(self) -> float:
        """Octets per second, averaged over the last few seconds, or since it began if that is more recent."""
        now = self._uploads.clock()
        measured = 1.0 - math.exp(-max(now - self._began, 1.0) / _PACE_SECONDS)
        return self._pace * math.exp((self._at - now) / _PACE_SECONDS) / measured

    def finish(self) -> None:
        """All of it has arrived: from here on it is not dropped, as it is being processed."""
        self.finished = True
        self._uploads._hold(self, self.held)

    def close(self) -> None:
        """Nothing is held any more. May be called twice."""
        self._uploads._hold(self, 0)
        # Whoever held what came has this upload, too: as a circle, megabytes would wait for the collector.
        self.drop = _nothing

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _nothing() -> None:
    pass
