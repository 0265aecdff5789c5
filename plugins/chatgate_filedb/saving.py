"""A copy of a database from before its form is changed, beside it: `mail.db.version-4` has the form of version 4.

It is for the day on which a change proves wrong. The way back does not need it: that keeps what came since. While the
change goes on the copy is called `mail.db.changing-4`: when that was cut off between two steps, it still tells where it
began.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from chatgate.api import starting
from chatgate_filedb.copying import copy_database

_PARTS = 10  # of the whole, at which it is told how far it is
_TOLD = 10.0  # seconds after which it is told anyway, as who waits is patient for a minute only
_CHANGING, _DONE = "changing", "version"


def save(path: Path, version: int) -> None:
    """Copy the database, whose form has this version; tells how far that is. Raises sqlite3.Error, OSError; nothing is
    left of the copy then.
    """
    if any(began < version for began in _versions(path, _CHANGING)):
        return  # an earlier try was cut off after some steps
    target = _copy(path, _CHANGING, version)
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        copy_database(path, part, _told(path.name))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def changed(path: Path) -> None:
    """The database has the form that it is to have."""
    for version in _versions(path, _CHANGING):
        _copy(path, _CHANGING, version).replace(_copy(path, _DONE, version))


def saved(path: Path) -> list[int]:
    """The versions of which there is such a copy, ascending."""
    return sorted({*_versions(path, _CHANGING), *_versions(path, _DONE)})


def forget_saved(path: Path, before: float) -> int:
    """Remove the copies that were made before that time (Unix seconds); returns how many."""
    copies = [_copy(path, _DONE, version) for version in _versions(path, _DONE)]
    old = [copy for copy in copies if copy.stat().st_mtime < before]
    for copy in old:
        copy.unlink(missing_ok=True)
    return len(old)


def _versions(path: Path, state: str) -> list[int]:
    names = [one.name.removeprefix(f"{path.name}.{state}-") for one in path.parent.glob(f"{path.name}.{state}-*")]
    return [int(name) for name in names if re.fullmatch(r"[0-9]{1,6}", name)]


def _copy(path: Path, state: str, version: int) -> Path:
    return path.with_name(f"{path.name}.{state}-{version}")


def _told(name: str) -> Callable[[int, int], None]:
    told = begun = time.monotonic()
    parts = 0

    def tell(done: int, all: int) -> None:
        nonlocal parts, told
        now = time.monotonic()
        if done and (done * _PARTS // all > parts or now - told >= _TOLD):
            parts, told = done * _PARTS // all, now
            left = (now - begun) * (all - done) / done
            starting(f"{name}: copied before its form is changed: {100 * done // all} %, {left:.0f} seconds left")

    return tell
