"""How often an account may send, and how long it must wait."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Turn:
    """Permission to send one message. wait: seconds until it may be sent. rest: when the account will have used up no
    part of its burst any more.
    """

    account_id: int
    wait: float
    rest: float


class Rate:
    """The generic cell rate algorithm (GCRA): `per_minute` on average, `burst` at once from rest.

    A sender above the rate waits for up to `hold` seconds rather than being refused, as apps retry after half a minute
    at the earliest. It is refused when it would have to wait longer, when it has sent a minute's worth of messages
    without a pause, and while `most` messages in all, or `most_each` of its own, are waiting already.

    For each sender it keeps the time at which the sender is at rest again, and how many of its messages in a row had to
    wait. A time in the past means nothing and is dropped, so memory is bounded by the number of recent senders.
    """

    def __init__(self, per_minute: int, burst: int, hold: float = 0.0, most: int = 0, most_each: int = 0) -> None:
        self.limit(per_minute, burst, hold, most, most_each)
        self._rest: dict[int, float] = {}
        self._in_a_row: Counter[int] = Counter()
        self._waiting: Counter[int] = Counter()
        self._sweep_at = 1024

    def limit(self, per_minute: int, burst: int, hold: float = 0.0, most: int = 0, most_each: int = 0) -> None:
        """The same as for construction, from now on."""
        self._interval = 60.0 / per_minute
        self._tolerance = self._interval * (burst - 1)
        self._hold, self._most, self._most_each = hold, most, most_each
        self._most_in_a_row = max(per_minute - burst, 1)

    def take(self, account_id: int, now: float) -> Turn | int:
        """A turn, which is counted; or, without counting, the whole seconds after which the account may try again."""
        rest = max(self._rest.get(account_id, now), now)
        wait = rest - now - self._tolerance
        if wait <= 1e-9:  # rounding of floats
            wait = 0.0
            self._in_a_row.pop(account_id, None)
        elif self._may_wait(account_id, wait):
            self._in_a_row[account_id] += 1
        else:
            return math.ceil(wait)
        turn = Turn(account_id, wait, rest + self._interval)
        self._rest[account_id] = turn.rest
        if len(self._rest) >= self._sweep_at:
            self._sweep(now)
        return turn

    def _may_wait(self, account_id: int, wait: float) -> bool:
        return (
            wait <= self._hold
            and self._in_a_row[account_id] < self._most_in_a_row
            and self._waiting[account_id] < self._most_each
            and self._waiting.total() < self._most
        )

    @contextmanager
    def waiting(self, turn: Turn) -> Iterator[None]:
        """Count the turn as waiting while the context lasts."""
        self._waiting[turn.account_id] += 1
        try:
            yield
        finally:
            self._waiting[turn.account_id] -= 1
            if not self._waiting[turn.account_id]:
                del self._waiting[turn.account_id]

    def give_back(self, turn: Turn, now: float) -> None:
        """Return the turn of a message that was not accepted. If the account has been at rest since, the turn has
        expired: nobody can save up turns for a larger burst.
        """
        rest = self._rest.get(turn.account_id)
        if rest is not None and turn.rest > now:
            self._rest[turn.account_id] = rest - self._interval

    def forget(self, account_id: int) -> None:
        self._rest.pop(account_id, None)
        self._in_a_row.pop(account_id, None)

    def _sweep(self, now: float) -> None:
        self._rest = {key: rest for key, rest in self._rest.items() if rest > now}
        self._in_a_row = Counter({key: count for key, count in self._in_a_row.items() if key in self._rest})
        self._sweep_at = max(1024, 2 * len(self._rest))
