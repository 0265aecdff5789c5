"""An empty folder becomes a gateway: everything at once, or nothing.

All is read into one folder inside it. Then what is in there is moved out, conf.d last, without which a folder is no
gateway. A note says what is being moved: when that was cut off, the next restore knows what it may remove.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chatgate.api import PluginError
from chatgate_backup.making import CONF

_INSIDE, _NOTE = ".restoring", ".placing"


@contextmanager
def emptied(folder: Path) -> Iterator[Path]:
    """A folder to read into. At the end nothing of it is left, and no `folder` if there was none before. Raises
    PluginError if `folder` is not empty, OSError.
    """
    new = not folder.exists()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    inside = folder / _INSIDE
    with contextlib.suppress(FileNotFoundError):
        for name in (inside / _NOTE).read_text().split("\n"):
            if name and not (folder / CONF).exists():
                shutil.rmtree(folder / name, ignore_errors=True)
                (folder / name).unlink(missing_ok=True)
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


def place(inside: Path) -> None:
    """Move all that was read to where it belongs. Raises OSError."""
    folder = inside.parent
    names = sorted((path.name for path in inside.iterdir() if not path.name.startswith(".")), key=lambda n: n == CONF)
    (inside / _NOTE).write_text("\n".join(names))
    os.sync()
    for name in names:
        (inside / name).rename(folder / name)
    os.sync()
