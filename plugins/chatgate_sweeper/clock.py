"""The time by which things are deleted. A machine's clock can be wrong, and what is deleted is gone."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

log = logging.getLogger("chatgate.sweeper")

_DAY = 86400.0

# So much faster than time passes it may go, to catch up with the machine's clock.
_PACE = 2.0

# Seconds for which the machine may have been off, where nothing tells how long it was.
_OFF = _DAY

# Seconds by which it may be behind the machine's clock before anybody needs to know.
BEHIND = _DAY


def _boot() -> str:
    """Which boot of the machine this is."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


@dataclass(frozen=True)
class Seen:
    """time: what the clock said last, Unix seconds. ticks: of the machine since its boot, at that moment."""

    time: float
    ticks: float
    boot: str


class Clock:
    """Goes with the machine's clock, never ahead of it, and never more than twice as fast as time has passed since it
    was last looked at, by whatever process: leaps of the machine's clock do not move it, nor do weeks in which the
    machine was off and nobody could log in. Then it is behind, and catches up in as long a time.

    path: of the file that keeps what was seen. wall: Unix seconds, by the machine's clock. ticks: seconds since the
    boot, sleep included, which nobody can set. witness: asked where there is no such file that can be read: Unix
    seconds of the last time that anything else tells of, as if it had been looked at then; None: the machine's clock
    is taken as it is.
    """

    def __init__(
        self,
        path: Path,
        wall: Callable[[], float] = time.time,
        ticks: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
        boot: Callable[[], str] = _boot,
        witness: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._path, self._wall, self._ticks, self._boot, self._witness = path, wall, ticks, boot, witness
        self._seen: Seen | None = None  # for when the file cannot be written

    def now(self) -> float:
        """Unix seconds."""
        seen, wall = self._last_seen(), self._wall()
        reached = wall if seen is None else min(wall, self._furthest(seen))
        # Not back with the machine's clock: once that is set right there would be a leap.
        self._write(Seen(reached if seen is None else max(seen.time, reached), self._ticks(), self._boot()))
        return reached

    def latest(self) -> float:
        """Unix seconds, the latest that it has reached up to the last call of `now`: a machine's clock that is behind
        that is wrong.
        """
        return 0.0 if self._seen is None else self._seen.time

    def trust(self) -> float:
        """Take the machine's clock as it is: somebody has looked."""
        wall = self._wall()
        self._write(Seen(wall, self._ticks(), self._boot()))
        return wall

    def behind(self) -> float:
        """Seconds by which it is behind the machine's clock. Nothing is written."""
        seen = self._last_seen()
        return 0.0 if seen is None else max(0.0, self._wall() - self._furthest(seen))

    def _last_seen(self) -> Seen | None:
        if seen := self._read() or self._seen:
            return seen
        time = self._witness()
        return None if time is None else Seen(time, float("inf"), "")  # of no boot that we know

    def _furthest(self, seen: Seen) -> float:
        lived = self._ticks() - seen.ticks
        known = lived >= 0 and self._boot() == seen.boot
        return seen.time + (lived * _PACE if known else _OFF)

    def _read(self) -> Seen | None:
        try:
            seen = Seen(**json.loads(self._path.read_text()))
            return Seen(float(seen.time), float(seen.ticks), str(seen.boot))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            log.warning("the sweeper's clock cannot be read: %s: %s", self._path, type(error).__name__)
            return None

    def _write(self, seen: Seen) -> None:
        self._seen = seen
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")  # others write, too
        try:
            with open(new, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                file.write(json.dumps(asdict(seen)))
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError as error:
            log.warning("the sweeper's clock cannot be written: %s: %s", self._path, error.strerror)
