"""Networks of clients, hidden: the same for the same network, and nothing else to be read from it.

They are hashed under a key that is a day old at most: the next day's is another, and then nobody can tell any more who
was whose neighbour the day before, whatever was written down meanwhile. Processes that serve from one folder share the
key by a file, so that what they count together means the same; a restart keeps it, so that it resets no limit.
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
    """path: of the file, made when missing, for its owner alone; None: the key is this process's own. wall: Unix
    seconds. What is wrong with the file is a line in the log, and the key of that day is this process's own.
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
    """Whoever needs the day's key first makes it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)  # for as long as these few calls take
        found = os.pread(file, _FILE.size, 0)
        if len(found) == _FILE.size:
            of, key = _FILE.unpack(found)
            # Tomorrow's is that of a process which has just come to midnight. Any later one, of a clock that was wrong.
            if day <= of <= day + 1:
                return bytes(key)
        key = secrets.token_bytes(32)
        os.pwrite(file, _FILE.pack(day, key), 0)  # over the old one, which is gone by that
        return key
    finally:
        os.close(file)


_process = Veil()


def share(path: Path) -> None:
    """From now on this process takes the key from that file, as all that serve from its folder do."""
    global _process
    _process = Veil(path)


def hidden(network: str) -> str:
    """By the key of this process."""
    return _process.hidden(network)
