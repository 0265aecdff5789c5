"""What a server costs, read from /proc: CPU of a process with its descendants, memory, and what else ran meanwhile."""

from __future__ import annotations

import os
import resource
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True)
class Cost:
    """seconds: wall time. server, generator: CPU seconds. others: cores that everything else on the machine kept busy;
    over about 0.2 the other figures are worse than they would be on a quiet machine.
    """

    seconds: float
    server: float
    generator: float
    others: float


class Probe:
    """Of the process `pid` and its descendants; pid 0: a server that cannot be looked into (all figures 0)."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def processes(self) -> list[int]:
        if not self.pid:
            return []
        children = defaultdict(list)
        for entry in _PROC.iterdir():
            if entry.name.isdigit() and (fields := _stat(int(entry.name))):
                children[int(fields[1])].append(int(entry.name))
        found, todo = [], [self.pid]
        while todo:
            found.append(pid := todo.pop())
            todo += children[pid]
        return found

    def cpu(self) -> float:
        """CPU seconds used so far, user and system, with those of children that ended."""
        return sum(sum(map(int, fields[11:15])) for pid in self.processes() if (fields := _stat(pid))) / _TICK

    def memory(self, kind: str = "Pss:") -> int:
        """Octets. PSS counts a page that n processes share as 1/n in each, so that a sum over processes is true.
        "Rss:" counts it as whole in each.
        """
        total = 0
        for pid in self.processes():
            try:
                lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
            except OSError:
                continue  # it ended meanwhile
            total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(kind))
        return total

    def open_files_limit(self) -> int:
        """The soft limit of the server; 0 when unknown."""
        try:
            for line in (_PROC / str(self.pid) / "limits").read_text().splitlines():
                if line.startswith("Max open files"):
                    return int(line.split()[3])
        except (OSError, ValueError):
            pass
        return 0


class Meter:
    """From its making until `stop`."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._begun = (time.monotonic(), probe.cpu(), _own(), _busy())

    def stop(self) -> Cost:
        ended = (time.monotonic(), self._probe.cpu(), _own(), _busy())
        seconds, server, generator, busy = (after - before for before, after in zip(self._begun, ended, strict=True))
        return Cost(seconds, server, generator, max(0.0, (busy - server - generator) / max(seconds, 1e-9)))


def raise_open_files() -> int:
    """Allow as many open files as the hard limit does, for us and for what we start; returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from `state` on: the name before them may hold blanks and brackets."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _own() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _busy() -> float:
    """CPU seconds of the whole machine that were neither idle nor waiting for a disk."""
    ticks = [int(field) for field in (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / _TICK
