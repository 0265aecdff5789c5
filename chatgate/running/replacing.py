"""Writing small files so that a crash or a full disk leaves the old one or the new one, and never half of it."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import time
from pathlib import Path

# Seconds after which nobody writes a small file any more: what has that age was left by a crash.
_LEFT = 3600.0


def replace_file(
    path: Path, content: bytes, *, mode: int = 0o600, durable: bool = True, only_new: bool = False
) -> None:
    """Write a file as a whole: others find the one that was there or the new one, also if several write it at once.

    mode: the most that others may do with it, at any moment; what the umask takes away stays away. durable: it is on
    disk on return, as is its name; False: for what says nothing after a power cut. only_new: raises FileExistsError if
    there is one. A folder that is missing is made, for its owner alone. Raises OSError; nothing is left then.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove_left(path)
    # Of a backup of the folder it is no part, as its name begins with a dot.
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(descriptor)
        if only_new:
            os.link(fresh, path)
        else:
            os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the names of its files on disk: a new file survives a power cut only with the entry for it. Raises
    OSError.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # which says that a file system has no such thing
            raise
    finally:
        os.close(descriptor)


def _remove_left(path: Path) -> None:
    """What writers of this file left that were killed."""
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if entry.name.startswith(f".{path.name}.") and entry.name.endswith(".new"):
                with contextlib.suppress(OSError):
                    if abs(time.time() - entry.stat(follow_symlinks=False).st_mtime) > _LEFT:
                        os.unlink(entry)
