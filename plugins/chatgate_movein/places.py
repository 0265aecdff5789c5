"""Reading a folder tree that somebody else wrote: nothing is followed out of it, and nothing in it can stop us."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Self

from chatgate_movein.records import Unreadable

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Place:
    """An open folder. Only names that are right in it can be asked for, and a symbolic link is not followed, so that
    whoever could write there cannot have us read another file of this machine. All methods raise Unreadable.
    """

    def __init__(self, path: Path, descriptor: int | None = None) -> None:
        """path: given by the operator, so that it may lead over symbolic links."""
        self.path = path
        try:
            self._descriptor = os.open(path, _FOLDER) if descriptor is None else descriptor
        except OSError as error:
            raise Unreadable(f"{path}: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._descriptor)

    def names(self) -> list[str]:
        """In order."""
        try:
            return sorted(os.listdir(self._descriptor))
        except OSError as error:
            raise Unreadable(f"{self.path}: {error.strerror}") from None

    def has(self, name: str) -> bool:
        try:
            self.stat(name)
        except Unreadable:
            return False
        return True

    def stat(self, name: str) -> os.stat_result:
        """Of the entry itself, even if it is a link."""
        try:
            return os.stat(_plain(name), dir_fd=self._descriptor, follow_symlinks=False)
        except OSError as error:
            raise Unreadable(error.strerror) from None

    def sub(self, name: str) -> Place:
        """A folder in it."""
        try:
            descriptor = os.open(_plain(name), _FOLDER | os.O_NOFOLLOW, dir_fd=self._descriptor)
        except OSError as error:
            raise Unreadable(_why(error)) from None
        return Place(self.path / name, descriptor)

    def read(self, name: str, most: int) -> bytes:
        """The whole of a file, which has `most` octets at most."""
        try:
            with open(os.open(_plain(name), _FILE, dir_fd=self._descriptor), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise Unreadable("not a file")
                content = file.read(most + 1)
        except OSError as error:
            raise Unreadable(_why(error)) from None
        if len(content) > most:
            raise Unreadable(f"larger than {most} octets")
        return content


def _plain(name: str) -> str:
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise Unreadable("not the name of a file")
    return name


def _why(error: OSError) -> str:
    link = error.errno in (40, 20)  # ELOOP, and ENOTDIR for a link where a folder was expected
    return "a symbolic link, or not what it should be" if link else error.strerror or str(error)
