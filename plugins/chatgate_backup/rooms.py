"""Folders and files that are there for a while, and go when their maker has died."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chatgate.api import sync_folder


@contextmanager
def room(base: Path, kind: str) -> Iterator[Path]:
    """A new folder in `base` for its owner alone, removed at the end. kind: what its name begins with. Others of that
    kind whose makers have died are removed, too. Raises OSError.
    """
    for old in base.glob(f".{kind}-*"):
        _remove_left(old)
    made = base / f".{kind}-{secrets.token_hex(4)}"
    made.mkdir(mode=0o700)
    descriptor = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(descriptor)


@contextmanager
def part(target: Path) -> Iterator[int]:
    """The descriptor of a new file, which takes the place of `target` at the end if nothing was raised; otherwise
    nothing is left of it. Raises FileExistsError if there is something in that place, OSError.
    """
    if os.path.lexists(target):
        raise FileExistsError
    for old in target.parent.glob(f".{target.name}.*.part"):
        _remove_left(old)
    made = target.parent / f".{target.name}.{secrets.token_hex(4)}.part"
    try:
        descriptor = os.open(made, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target.parent)) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield descriptor
        os.fsync(descriptor)
        _name(made, target)
    finally:
        made.unlink(missing_ok=True)
        os.close(descriptor)
    sync_folder(target.parent)


def _name(made: Path, target: Path) -> None:
    """Give a complete file its name. A link replaces nothing, unlike renaming; but some file systems, such as those of
    USB sticks, have no links.
    """
    try:
        os.link(made, target)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        if os.path.lexists(target):
            raise FileExistsError from None
        made.rename(target)


def _remove_left(path: Path) -> None:
    """Remove a file or folder unless somebody still works with it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    except OSError:
        pass
    finally:
        os.close(descriptor)
