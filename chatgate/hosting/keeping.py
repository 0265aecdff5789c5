"""What plugins keep on disk, as a backup takes it and a restored gateway must have it again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chatgate.hosting.services import Problem


@dataclass(frozen=True)
class Copy:
    """What a backup reads of one `KeptFiles`. files: (name, file), where name is relative to its path, with "/" between
    folders, or "" for the path itself. They may be found while they are read. octets: about how many, for showing how
    far it is. counts: how many of what there are, such as accounts; the same must be found when it is restored.
    """

    files: Iterable[tuple[str, Path]]
    octets: int = 0
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """What the installed program does to the data at its next start. found, wanted: versions of their form. octets: to
    be read and written; so many must be free on the disk. rows: to be changed.
    """

    found: int
    wanted: int
    octets: int = 0
    rows: int = 0


@dataclass(frozen=True)
class WayBack:
    """How to bring the data to the form of an older program. found, wanted: versions of that form. lost: what the older
    form cannot hold and will be gone, a line each. go: does it, as a whole or not at all; raises PluginError.
    """

    found: int
    wanted: int
    lost: list[str]
    go: Callable[[], None]


class KeptFiles:
    """A file, or a folder with files, that a backup of the gateway must hold. A subclass takes what must be copied in a
    way of its own, such as a database.

    name: what it is called in a backup: small letters, digits and any of . : _ - path: where it is, and belongs. It
    need not exist.

    In a folder all files count, those behind links, too, but for names that begin with a dot.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path

    @contextmanager
    def opened(self, room: Path, mail: bool) -> Iterator[Copy]:
        """What is to be read, in a state that stays as it is while the context lasts, however much the gateway writes.
        room: an empty folder for copies. mail: with messages? Called beside a running gateway, in another process, so
        it must not keep that waiting. Raises PluginError, OSError.
        """
        found = [("", self.path)] if self.path.is_file() else list(_inside(self.path))
        yield Copy(found, sum(path.stat().st_size for _, path in found))

    def place(self, name: str) -> Path:
        """Where a file of that name belongs. Raises ValueError for a name that a backup of this cannot have."""
        return self.path / name if name else self.path

    def counts(self, mail: bool) -> dict[str, int]:
        """Of what has been restored: as in `Copy`."""
        return {}

    def proof(self, mail: bool, dns: bool) -> list[Problem]:
        """What is wrong with what has been restored: an error refuses the backup, all else is told. Nothing may be
        written. mail: was it made with messages? dns: may other servers be asked?
        """
        return []

    def resume(self) -> None:
        """Make what has been restored ready to go on. Called once all of a backup is proven, and before it has its
        place. What was given out after the backup was made is not known here, so numbers that must not be given out
        twice have to leap. Raises PluginError.
        """

    def change(self) -> Change | None:
        """What the next start will do to it; None: nothing. Nothing may be written. Raises PluginError."""
        return None

    def way_back(self, to: int | None) -> WayBack | None:
        """How it gets the form again that it had before the last change, or the one with this number; None: it has it.
        Nothing may be written yet. Raises PluginError where there is no way.
        """
        return None


def _inside(folder: Path) -> Iterator[tuple[str, Path]]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(place, name)
            if not name.startswith(".") and path.is_file():
                yield path.relative_to(folder).as_posix(), path
