"""What is wrong with a gateway that serves, in words for the person who looks after it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

_KEY = re.compile(r"[!-~]{1,200}")
_LONGEST = 500


@dataclass(frozen=True)
class Trouble:
    """Something that is wrong now and that the operator should know of.

    key: tells this trouble from all others, and stays the same while it lasts, whatever its words: "disk",
    "certificate:example.org". Up to 200 characters of ASCII without blanks. what: what happened, one sentence that
    begins with a small letter and has no full stop. since: Unix seconds at which it began; 0 if that is not known. do:
    what to type or to look at, in the same form. blocks: mail does not flow while it lasts, or clients refuse the
    gateway: it is not ready. No account, IP address of a client or secret is named.
    """

    key: str
    what: str
    since: float
    do: str
    blocks: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError."""
        if not _KEY.fullmatch(self.key):
            raise ValueError("key: up to 200 characters of ASCII without blanks")
        for name in ("what", "do"):
            text = getattr(self, name)
            if not 0 < len(text) <= _LONGEST or not text.isprintable():
                raise ValueError(f"{name}: one line of up to {_LONGEST} characters")


def ticks() -> float:
    """Seconds by a clock that nobody can set, and that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Episode:
    """Something that goes wrong now and then: when that began, and how often it did since. It is over when all went
    well for `quiet` seconds. Times are by a clock that does not leap.
    """

    __slots__ = ("count", "_quiet", "_began", "_last")

    def __init__(self, quiet: float = 900.0) -> None:
        self.count, self._quiet = 0, quiet
        self._began = self._last = 0.0

    def happened(self) -> None:
        """It went wrong just now."""
        now = ticks()
        if not self.count or now - self._last > self._quiet:
            self.count, self._began = 0, now
        self.count += 1
        self._last = now

    def ended(self) -> None:
        """It is over, as something that can only go right or wrong went right."""
        self.count = 0

    def since(self) -> float | None:
        """Unix seconds at which it began; None while all is well."""
        now = ticks()
        if not self.count or now - self._last > self._quiet:
            return None
        return time.time() - (now - self._began)
