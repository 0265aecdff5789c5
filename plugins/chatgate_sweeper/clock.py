"""The time that decides what is deleted. A machine's clock can be wrong, and deletion cannot be undone."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from chatgate.api import replace_file

log = logging.getLogger("chatgate.sweeper")

_DAY = 86400.0

# How much faster than real time it may run to catch up with the machine's clock.
_PACE = 2.0

# Seconds for which the machine is assumed to have been off at most, if nothing tells how long it was.
_OFF = _DAY

# Seconds by which it may be behind the machine's clock before this is reported.
BEHIND = _DAY


def _boot() -> str:
    """An identifier of the machine's current boot."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


@dataclass(frozen=True)
class Seen:
    """time: the clock's last reading, in Unix seconds. ticks: seconds since the machine's boot at that moment."""

    time: float
    ticks: float
    boot: str


class Clock:
    """Follows the machine's clock, but is never ahead of it, and never runs more than twice as fast as time has passed
    since any process last read it. So it follows neither leaps of the machine's clock nor weeks in which the machine
    was off and nobody could log in. It is then behind, and takes as long again to catch up.

    path: the file that keeps the last reading. wall: Unix seconds by the machine's clock. ticks: seconds since the
    boot, including sleep, which nobody can set. witness: called if there is no readable file: Unix seconds of the
    latest time known from anything else, which is taken as the last reading; None: the machine's clock is trusted.
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
        self._seen: Seen | None = None  # used if the file cannot be written

    def now(self) -> float:
        """Unix seconds."""
        seen, wall = self._last_seen(), self._wall()
        reached = wall if seen is None else min(wall, self._furthest(seen))
        # Do not follow the machine's clock backwards: setting it right would then be a leap forward.
        self._write(Seen(reached if seen is None else max(seen.time, reached), self._ticks(), self._boot()))
        return reached

    def latest(self) -> float:
        """The latest time that `now` has returned, in Unix seconds: a machine's clock that is behind it is wrong."""
        return 0.0 if self._seen is None else self._seen.time

    def trust(self) -> float:
        """Set it to the machine's clock, which the operator says is right."""
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
        return None if time is None else Seen(time, float("inf"), "")  # not of any known boot

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
        try:
            replace_file(self._path, json.dumps(asdict(seen)).encode())
        except OSError as error:
            log.warning("the sweeper's clock cannot be written: %s: %s", self._path, error.strerror)
