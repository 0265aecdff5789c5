"""What new accounts are measured by: the machine's load."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from chatgate.api import free_octets

log = logging.getLogger("chatgate.policy")


class Load:
    """Is the machine too busy for more people? A limit of 0 is none. A number that cannot be read is passed over, with
    one line in the log.

    load1: load average of a minute. memory, disk: octets that must be free; disk: where `folder` is.
    """

    def __init__(self, load1: float, memory: int, disk: int, folder: Path, meminfo: Path = Path("/proc/meminfo")):
        self._folder, self._meminfo = folder, meminfo
        self._unreadable: set[str] = set()
        self.limit(load1, memory, disk)

    def limit(self, load1: float, memory: int, disk: int) -> None:
        """The same as for construction, from now on."""
        self._limits: dict[str, tuple[bool, Callable[[], bool]]] = {
            "load": (load1 > 0, lambda: os.getloadavg()[0] > load1),
            "memory": (memory > 0, lambda: self._free_memory() < memory),
            "disk": (disk > 0, lambda: self._free_disk() < disk),
        }

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
