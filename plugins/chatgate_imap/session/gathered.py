"""What connections keep in memory of mailboxes: the messages of those that are open, what a SORT or THREAD compares.

The size of it is up to the account: 50 connections may look at 50 000 messages each. One account may have so much, and
all together so much; past the latter those who hold more than a little get no more, so that a few cannot keep the
others from their mail.
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

    @property
    def total(self) -> int:
        """Octets that are held."""
        return self._total

    def add(self, account_id: int, octets: int) -> None:
        """Hold so much more, or less. Raises No."""
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
    """What one open mailbox or one command of an account holds. octets: at present."""

    __slots__ = ("octets", "_gathered", "_account_id")

    def __init__(self, gathered: Gathered, account_id: int) -> None:
        self.octets = 0
        self._gathered, self._account_id = gathered, account_id

    def hold(self, octets: int) -> None:
        """So much in all. Raises No."""
        if octets != self.octets:
            self._gathered.add(self._account_id, octets - self.octets)
            self.octets = octets

    def more(self, octets: int) -> None:
        """So much more. Raises No."""
        self.hold(self.octets + octets)

    def release(self) -> None:
        """Nothing any more."""
        self.hold(0)
