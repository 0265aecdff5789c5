"""How much the site gives away, counted in memory."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable


class Budget:
    """Counts by the minute, in total and for one client. Clients are forgotten every minute and never written down;
    there are never more of them than `total`.
    """

    def __init__(self, total: int, per_client: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.total, self.per_client, self._clock = total, per_client, clock
        self._minute, self._spent = -1, 0
        self._clients: Counter[str] = Counter()

    def take(self, client: str) -> bool:
        """Spend one for a client, see `Session.client`; False when there is none left."""
        minute = int(self._clock() // 60)
        if minute != self._minute:
            self._minute, self._spent = minute, 0
            self._clients.clear()
        if self._spent >= self.total or (client and self._clients[client] >= self.per_client):
            return False
        self._spent += 1
        if client:
            self._clients[client] += 1
        return True
