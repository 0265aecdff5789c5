"""How often an account may send, and who waits for that."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Turn:
    """Leave to send one message. wait: seconds until then. rest: when the account is at rest again after it."""

    account_id: int
    wait: float
    rest: float


class Rate:
    """The generic cell rate algorithm (GCRA): `per_minute` on average, `burst` at once from rest.

    Who is ahead of that waits for up to `hold` seconds rather than to be sent away: apps come back after half a minute
    at the earliest. Sent away is who would have to wait longer, who has sent a minute's worth without a pause, and who
    comes while `most` messages, or `most_each` of one account, wait already.

    It keeps one time for each sender, when that one is at rest again, and how many messages in a row waited. A time
    that is past says nothing and is thrown away, so the memory is bounded by the senders of the last burst's length.
    """

    def __init__(self, per_minute: int, burst: int, hold: float = 0.0, most: int = 0, most_each: int = 0) -> None:
        self._interval = 60.0 / per_minute
        self._tolerance = self._interval * (burst - 1)
        self._hold, self._most, self._most_each = hold, most, most_each
        self._most_in_a_row = max(per_minute - burst, 1)
        self._rest: dict[int, float] = {}
        self._in_a_row: Counter[int] = Counter()
        self._waiting: Counter[int] = Counter()
        self._sweep_at = 1024

    def take(self, account_id: int, now: float) -> Turn | int:
        """A turn, counted; or how many whole seconds the account shall keep away, and nothing is counted."""
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
        """While somebody waits for it."""
        self._waiting[turn.account_id] += 1
        try:
            yield
        finally:
            self._waiting[turn.account_id] -= 1
            if not self._waiting[turn.account_id]:
                del self._waiting[turn.account_id]

    def give_back(self, turn: Turn, now: float) -> None:
        """The message was not taken. A turn that the account has rested from since is nothing any more: nobody can save
        turns up for a larger burst.
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
