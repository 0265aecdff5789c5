"""An empty folder becomes a gateway: everything at once, or nothing.

All is read into one folder inside it. Then what is in there is moved out, conf.d last, without which a folder is no
gateway. A note says what is being moved: when that was cut off, the next restore knows what it may remove. What belongs
outside, perhaps on another disk, first comes beside its place, under a name that the next restore knows.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from chatgate.api import PluginError
from chatgate_backup.making import CONF

_INSIDE, _NOTE = ".restoring", ".placing"


@contextmanager
def emptied(folder: Path) -> Iterator[Path]:
    """A folder to read into. At the end nothing of it is left, and no `folder` if there was none before. Raises
    PluginError if `folder` is not empty or another restore works there, OSError.
    """
    new = not folder.exists()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PluginError(f"{folder}: another restore is at work there") from None
        with _emptied(folder, new) as inside:
            yield inside
    finally:
        os.close(descriptor)


@contextmanager
def _emptied(folder: Path, new: bool) -> Iterator[Path]:
    inside = folder / _INSIDE
    with contextlib.suppress(FileNotFoundError):
        for name in (inside / _NOTE).read_text().split("\n"):
            if name and not (folder / CONF).exists():
                _remove(folder / name)
    shutil.rmtree(inside, ignore_errors=True)
    if left := sorted({path.name for path in folder.iterdir()} - {"lost+found"}):
        raise PluginError(f"{folder} is not empty: there is {left[0]}; a backup is restored into an empty folder")
    inside.mkdir(mode=0o700)
    try:
        yield inside
    finally:
        shutil.rmtree(inside, ignore_errors=True)
        if new:
            with contextlib.suppress(OSError):
                folder.rmdir()


def place(inside: Path, others: Sequence[tuple[Path, Path]] = ()) -> None:
    """Move all that was read to where it belongs. others: what belongs outside the folder, see `Restored.outside`;
    nothing may be there. Raises OSError.
    """
    folder = inside.parent
    names = sorted((path.name for path in inside.iterdir() if not path.name.startswith(".")), key=lambda n: n == CONF)
    beside = [(target.with_name(f".{target.name}.restoring"), target) for _, target in others]
    try:
        for (now, target), (near, _) in zip(others, beside, strict=True):
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _remove(near)
            shutil.move(now, near)
        (inside / _NOTE).write_text("\n".join(names))
        os.sync()
        for near, target in beside:
            near.rename(target)
    finally:
        for near, _ in beside:
            _remove(near)
    for name in names:
        (inside / name).rename(folder / name)
    os.sync()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
