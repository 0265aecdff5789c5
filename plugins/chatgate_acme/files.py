"""The files of certificates and of what is known of them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chatgate.api import replace_file

_ROOM = 65536  # octets: more than a key with its chain has


def room(folder: Path) -> None:
    """Raises OSError if a certificate could not be kept here: better found out before an authority is asked for one."""
    path = folder / ".room"
    try:
        replace_file(path, bytes(_ROOM))
    finally:
        path.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any]:
    """What `replace_file` has kept; {} if there is none, or somebody else has written something there."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def usable(path: Path) -> bool:
    """Can a listener use the key and the chain in this file? Asked where it serves, so no library parses them."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, path, password="")
    except (OSError, ValueError):
        return False
    return True


@contextlib.contextmanager
def alone(path: Path) -> Iterator[bool]:
    """False: another process is at it. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(fd)
