"""What new accounts are measured by: the machine's load, and a budget for an hour."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from chatgate.api import free_octets

log = logging.getLogger("chatgate.policy")

# Networks counted in one hour; more than that are not people who register.
_MOST_NETWORKS = 100_000


class Load:
    """Is the machine too busy for more people? A limit of 0 is none. A number that cannot be read is passed over, with
    one line in the log.

    load1: load average of a minute. memory, disk: octets that must be free; disk: where `folder` is.
    """

    def __init__(self, load1: float, memory: int, disk: int, folder: Path, meminfo: Path = Path("/proc/meminfo")):
        self._folder, self._meminfo = folder, meminfo
        self._limits: dict[str, tuple[bool, Callable[[], bool]]] = {
            "load": (load1 > 0, lambda: os.getloadavg()[0] > load1),
            "memory": (memory > 0, lambda: self._free_memory() < memory),
            "disk": (disk > 0, lambda: self._free_disk() < disk),
        }
        self._unreadable: set[str] = set()

    def exceeded(self) -> Iterator[str]:
        """The names of the limits that are exceeded now: "load", "memory", "disk"."""
        for name, (wanted, over) in self._limits.items():
            try:
                if wanted and over():
                    yield name
            except (OSError, ValueError) as error:
                if name not in self._unreadable:
                    self._unreadable.add(name)
                    log.warning("limit ignored, as it cannot be read limit=%s error=%s", name, type(error).__name__)

    def _free_memory(self) -> int:
        """MemAvailable (proc_meminfo(5)): what programs can have without swapping."""
        for line in self._meminfo.read_bytes().splitlines():
            if line.startswith(b"MemAvailable:"):
                return int(line.split()[1]) * 1024
        raise ValueError("no MemAvailable")

    def _free_disk(self) -> int:
        return free_octets(self._folder)


class Budget:
    """Accounts made in the current hour, in all and by network. Kept in memory and forgotten with the hour; a limit of
    0 is none.
    """

    def __init__(self, total: int, per_network: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._total, self._per_network, self._clock = total, per_network, clock
        self._hour, self._spent = -1, 0
        self._networks: Counter[str] = Counter()

    def take(self, network: str) -> int:
        """Count one attempt; the hour to name when it has to be given back."""
        hour = int(self._clock() // 3600)
        if hour != self._hour:
            self._hour, self._spent = hour, 0
            self._networks.clear()
        elif len(self._networks) > _MOST_NETWORKS:
            self._networks.clear()
        self._spent += 1
        if network and self._per_network:
            self._networks[network] += 1
        return hour

    def give_back(self, network: str, hour: int) -> None:
        """No account came of that attempt."""
        if hour == self._hour:
            self._spent = max(0, self._spent - 1)
            if self._networks[network] > 1:
                self._networks[network] -= 1
            else:
                del self._networks[network]

    def overspent(self, network: str) -> bool:
        """Are there more than there may be, with those that are being made?"""
        return bool(
            (self._total and self._spent > self._total)
            or (self._per_network and self._networks[network] > self._per_network)
        )
