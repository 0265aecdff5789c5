"""Hashes of clients' networks: equal for the same network, and saying nothing else about it.

The key of the hash changes each day, after which nobody can tell any more who was whose neighbour the day before,
whatever was written down. Processes that serve from one folder share the key through a file, so that their hashes
agree; a restart keeps the key, so that it resets no limit.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import secrets
import struct
import time
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger("chatgate.net")

_DAY = 86400
_FILE = struct.Struct("=q32s")  # the day since 1970-01-01, UTC, and the key


class Veil:
    """path: the file of the key, made if missing, readable by its owner only; None: the key is this process's own.
    wall: gives Unix seconds. If the file cannot be used, that is logged, and the day's key is this process's own.
    """

    def __init__(self, path: Path | None = None, wall: Callable[[], float] = time.time) -> None:
        self._path, self._wall = path, wall
        self._day, self._key = -1, b""

    def hidden(self, network: str) -> str:
        """16 hex digits; "" for ""."""
        if not network:
            return ""
        day = int(self._wall() // _DAY)
        if day != self._day:
            self._day, self._key = day, self._of(day)
        return hashlib.blake2b(network.encode(), key=self._key, digest_size=8).hexdigest()

    def _of(self, day: int) -> bytes:
        if self._path is not None:
            try:
                return _shared(self._path, day)
            except OSError as error:
                log.warning("the key of networks is not shared with other processes: %s", error.strerror)
        return secrets.token_bytes(32)


def _shared(path: Path, day: int) -> bytes:
    """The day's key from the file; the process that first needs it makes it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)  # for as long as these few calls take
        found = os.pread(file, _FILE.size, 0)
        if len(found) == _FILE.size:
            of, key = _FILE.unpack(found)
            # Tomorrow's key is by a process whose clock has just passed midnight; a later one is by a clock that was
            # wrong.
            if day <= of <= day + 1:
                return bytes(key)
        key = secrets.token_bytes(32)
        os.pwrite(file, _FILE.pack(day, key), 0)  # over the old one, which is gone by that
        return key
    finally:
        os.close(file)


_process = Veil()


def share(path: Path) -> None:
    """Make this process take the key from that file from now on, as all that serve from its folder do."""
    global _process
    _process = Veil(path)


def hidden(network: str) -> str:
    """As `Veil.hidden`, with the key of this process."""
    return _process.hidden(network)
