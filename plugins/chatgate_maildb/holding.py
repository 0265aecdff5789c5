"""While a backup is made, no body file is removed: what a copy of the database names must be there until it is read.

A file goes only after the commit that drops its last row. So a backup first takes a lock, then copies the database:
whatever that copy names is removed after the lock was taken, and whoever removes files looks at the lock. The system
releases it when the process of the backup dies; files that had to stay go a little later.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAME = ".held"


@contextmanager
def held(blobs: Path) -> Iterator[None]:
    """No file in the folder `blobs` is removed meanwhile. May wait for a moment. Raises OSError."""
    descriptor = os.open(blobs / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def free(blobs: Path) -> Iterator[bool]:
    """May files be removed? If so, nobody can begin to hold them meanwhile. Another process that removes files counts
    as one that holds them.
    """
    try:
        descriptor = os.open(blobs / _NAME, os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # there was never a backup
        yield True
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken = True
        except BlockingIOError:
            taken = False
        yield taken
    finally:
        os.close(descriptor)
