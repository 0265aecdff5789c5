"""Remembers for some minutes which accounts had no room for a message, and how large it was."""

from __future__ import annotations

import time

_MOST = 10_000  # accounts


class TooMuch:
    """seconds: how long it is remembered."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._noted: dict[int, tuple[int, float]] = {}

    def note(self, account_id: int, octets: int) -> None:
        """The account had no room for so many octets."""
        now = time.monotonic()
        if len(self._noted) >= _MOST:
            self._noted = {key: noted for key, noted in self._noted.items() if noted[1] > now}
        if len(self._noted) < _MOST:
            self._noted[account_id] = octets, now + self.seconds

    def octets(self, account_id: int) -> int:
        """The size of the message that the account recently had no room for; 0 if there was none."""
        octets, until = self._noted.get(account_id, (0, 0.0))
        return octets if until > time.monotonic() else 0
