"""How many accounts the site gives away, counted in memory."""

from __future__ import annotations

import ipaddress
import time
from collections import Counter
from collections.abc import Callable


class Budget:
    """Counts by the minute, in total and for one network. Networks are forgotten every minute and never written down;
    there are never more of them than `total`.
    """

    def __init__(self, total: int, per_network: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.total, self.per_network, self._clock = total, per_network, clock
        self._minute, self._spent = -1, 0
        self._networks: Counter[str] = Counter()

    def take(self, peer: str) -> bool:
        """Spend one for a client at this IP address; False when there is none left."""
        minute = int(self._clock() // 60)
        if minute != self._minute:
            self._minute, self._spent = minute, 0
            self._networks.clear()
        network = _network(peer)
        if self._spent >= self.total or (network and self._networks[network] >= self.per_network):
            return False
        self._spent += 1
        if network:
            self._networks[network] += 1
        return True


def _network(peer: str) -> str:
    """An IPv4 address, or the /64 that one IPv6 customer has; "" for this machine: reverse proxies, tests."""
    if not peer or (address := ipaddress.ip_address(peer.partition("%")[0])).is_loopback:
        return ""
    return peer if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))
