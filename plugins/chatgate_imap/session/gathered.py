"""Limits for what connections keep of mailboxes in memory: the messages of open ones, and the keys of SORT and THREAD.

The account determines how much that is: 50 connections may open 50 000 messages each. There is a limit for each account
and one for all together. Beyond the latter, accounts that hold more than a little get no more, so that a few cannot
keep the others from their mail.
"""

from __future__ import annotations

from collections import Counter

from ..syntax.answers import No

_LITTLE = 1_000_000  # octets that every account may have in any case: some 20 000 messages


class Gathered:
    """account_limit: octets for one account. limit: octets in all."""

    def __init__(self, account_limit: int, limit: int) -> None:
        self._account_limit, self._limit = account_limit, limit
        self._held: Counter[int] = Counter()
        self._total = 0

    def limit(self, account_limit: int, limit: int) -> None:
        """The same as for construction, from now on; nothing is closed before it grows."""
        self._account_limit, self._limit = account_limit, limit

    @property
    def total(self) -> int:
        """Octets held by all accounts."""
        return self._total

    def add(self, account_id: int, octets: int) -> None:
        """Hold so many octets more, or fewer if negative. Raises No."""
        held = self._held[account_id] + octets
        full = self._total + octets > self._limit and held > _LITTLE
        if octets > 0 and (full or held > self._account_limit):
            raise No("Too many messages are open or being sorted at once, please close a connection", "LIMIT")
        self._total += octets
        if held:
            self._held[account_id] = held
        else:
            del self._held[account_id]


class Share:
    """What one open mailbox or one command of an account holds. octets: the current amount."""

    __slots__ = ("octets", "_gathered", "_account_id")

    def __init__(self, gathered: Gathered, account_id: int) -> None:
        self.octets = 0
        self._gathered, self._account_id = gathered, account_id

    def hold(self, octets: int) -> None:
        """Set the total to so many octets. Raises No."""
        if octets != self.octets:
            self._gathered.add(self._account_id, octets - self.octets)
            self.octets = octets

    def more(self, octets: int) -> None:
        """Hold so many octets more. Raises No."""
        self.hold(self.octets + octets)

    def release(self) -> None:
        """Hold nothing any more."""
        self.hold(0)
