"""Sizes and days as people write them, and the free space of a disk."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}

MOST = 2**62  # octets; more than any disk has, and every store can count so far


def octets(text: str) -> int:
    """The octets that "500000", "200M", "1.5 G" or "2GB" mean; units are powers of 1000. Raises ValueError."""
    text = text.strip().upper().removesuffix("B")
    unit = text[-1:] if text[-1:] in _UNITS else ""
    size = float(text.removesuffix(unit)) * _UNITS[unit]
    if not 0 <= size <= MOST:  # neither infinite nor NaN
        raise ValueError("not a size")
    return int(size)


def iso_day(day: int) -> str | None:
    """The day, given in days since 1970-01-01, as "2027-01-31"; None for 0, which is an unknown day."""
    return (datetime.date(1970, 1, 1) + datetime.timedelta(day)).isoformat() if day else None


def free_octets(folder: Path) -> int:
    """How many octets we can still write to the disk with this folder, not counting what is reserved for root. Raises
    OSError.
    """
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize
