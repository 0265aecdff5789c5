"""Reading a backup into an empty folder, and proving it there, before anything has its place."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote

from chatgate_filedb import LEFT_FREE

from chatgate.api import ConfigError, Gateway, KeptFiles, PluginError, Problem, free_octets
from chatgate_backup import archive, wrapping
from chatgate_backup.archive import MANIFEST, Broken, quoted
from chatgate_backup.making import BEGINNING, CONF, COUNTS, FORMAT, kept
from chatgate_backup.openpgp import Cipher

OUTSIDE = ".outside"  # in the folder that is read into: for what belongs outside the gateway's own

_MOST_TEXT = 1 << 24  # octets of what is read as a whole, and of all files of conf.d
_LOOK = 64


def _values(counts: object) -> list[object]:
    """The numbers in a part of COUNTS, or something that is none."""
    return list(counts.values()) if isinstance(counts, dict) else [None]


def _make(folder: Path) -> None:
    """For its owner alone, like those above it, which mkdir's `parents` would leave to all."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(mode=0o700)


class Restored:
    """What has been read into `folder`, an empty one, where the gateway is complete but in its name. Raises Broken,
    PluginError, OSError; what is in the folder then is of no use.
    """

    def __init__(self, folder: Path, progress: Callable[[int], object] = lambda done: None) -> None:
        self.folder, self._progress = folder, progress
        self.beginning: dict[str, Any] = {}
        self.files = self._octets = self._conf = 0
        self._counts: dict[str, dict[str, int]] = {}
        self._gateway: Gateway | None = None
        self._kept: dict[str, KeptFiles] = {}

    def read(self, file: IO[bytes], cipher: Cipher) -> None:
        """Read all of the backup, and compare it with its manifest."""
        self.folder.joinpath(CONF).mkdir(mode=0o700)
        self._room("a backup", 0)
        with ExitStack() as stack:
            met, told = (stack.enter_context(open(self.folder / f".{name}", "w+b")) for name in ("met", "told"))
            reader = archive.Reader(wrapping.unwrapped(file, cipher))
            order = self._take(reader, met, told)
            met.seek(0)
            told.seek(0)
            archive.compare(*((line.decode("ascii", "replace") for line in lines) for lines in (met, told)))
        if not order:
            raise Broken(f"{MANIFEST}: is missing")

    def _take(self, reader: archive.Reader, met: IO[bytes], told: IO[bytes]) -> bool:
        last = ""
        for name, size, pieces in reader.files():
            if last == MANIFEST:
                raise Broken(f"{name}: stands behind the manifest")
            if (name == BEGINNING) != (last == ""):
                raise Broken(f"{name}: stands where another file must be")
            if name == MANIFEST:
                self._room(name, size)
                for piece in pieces:
                    told.write(piece)
            elif name == BEGINNING:
                self.beginning = self._text(name, size, self._hashed(name, pieces, met))
                self._begins()
            elif name == COUNTS:
                self._counts = self._text(name, size, self._hashed(name, pieces, met))
                if not all(type(n) is int for each in self._counts.values() for n in _values(each)):
                    raise Broken(f"{name}: not in its form")
            else:
                self._write(name, size, self._hashed(name, pieces, met))
                self.files += 1
            last = name
        return last == MANIFEST

    def _hashed(self, name: str, pieces: Iterator[bytes], met: IO[bytes]) -> Iterator[bytes]:
        found = hashlib.sha256()
        for piece in pieces:
            found.update(piece)
            self._octets += len(piece)
            self._progress(self._octets)
            yield piece
        met.write(f"{found.hexdigest()}  {name}\n".encode())

    def _text(self, name: str, size: int, pieces: Iterator[bytes]) -> dict[str, Any]:
        if size > _MOST_TEXT:
            raise Broken(f"{name}: far too large")
        try:
            found = json.loads(b"".join(pieces))
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise Broken(f"{name}: not in its form")
        return found

    def _begins(self) -> None:
        number = self.beginning.get("format")
        words = [self.beginning.get(name, "") for name in ("made", "chatgate")]
        if type(number) is not int or number < 1 or not all(type(w) is str and w.isprintable() for w in words):
            raise Broken(f"{BEGINNING}: not in its form")
        if number > FORMAT:
            raise PluginError(
                f"the backup was made by a newer program, chatgate {self.beginning.get('chatgate')}: install that one"
            )

    def _write(self, name: str, size: int, pieces: Iterator[bytes]) -> None:
        path = self._place(name, size)
        try:
            _make(path.parent)
            file = open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb", buffering=0)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise Broken(f"{name}: is in it twice") from None
        with file:
            self._room(name, size)
            for number, piece in enumerate(pieces):
                if number % _LOOK == _LOOK - 1:
                    self._room(name, 0)
                file.write(piece)

    def _room(self, name: str, size: int) -> None:
        if free_octets(self.folder) < size + LEFT_FREE:
            raise PluginError(f"{self.folder}: the disk has no room for {name}" + f", of {size} octets" * bool(size))

    def _place(self, name: str, size: int) -> Path:
        """Where the file belongs: what keeps it says that, and never above it."""
        plain = unquote(name, errors="replace")
        if quoted(plain) != name or "\0" in plain or any(part in ("", ".", "..") for part in plain.split("/")):
            raise Broken(f"{name}: no name that a backup can have")
        first, _, rest = plain.partition("/")
        if first == CONF:
            self._conf += size
            if self._gateway is not None or self._conf > _MOST_TEXT or not rest:
                raise Broken(f"{name}: stands where another file must be")
            return self.folder / CONF / rest
        second, _, inner = rest.partition("/")
        one = self._known(f"{first}/{second}")
        try:
            path = one.place(inner)
        except ValueError:
            raise Broken(f"{name}: no file of {first}") from None
        if not path.is_relative_to(self.folder):
            raise PluginError(f"{name}: belongs to {path}, where restore writes nothing")
        return path

    def _known(self, name: str) -> KeptFiles:
        if name not in self.kept:
            plugin = name.partition("/")[0]
            raise PluginError(f"{name}: no plugin here keeps that; is {plugin} installed, in the version it was?")
        return self.kept[name]

    @property
    def kept(self) -> dict[str, KeptFiles]:
        """By the beginning of their names; known once conf.d is read."""
        if self._gateway is None:
            try:
                self._gateway = Gateway.of(self.folder, self.folder / OUTSIDE)
            except ConfigError as error:
                lines = "; ".join(line.replace(f"{self.folder}/", "") for line in error.problems)
                raise PluginError(f"the conf.d in it is bent, or does not fit the installed program: {lines}") from None
            self._kept = dict(kept(self._gateway))
        return self._kept

    def prove(self, dns: bool) -> list[Problem]:
        """What is wrong with what was read. dns: may other servers be asked?"""
        mail, found = self.beginning.get("mail") is True, []
        for name, one in self.kept.items():
            for what, count in self._counts.get(name, {}).items():
                if (there := one.counts(mail).get(what)) != count:
                    found.append(Problem("error", f"{name}: {there} {what} where there were {count}"))
            found += one.proof(mail, dns)
        return found

    def resume(self) -> None:
        """Make all of it ready to go on."""
        for one in self.kept.values():
            one.resume()

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """How many of what there are, by the beginning of names."""
        return self._counts

    def outside(self) -> list[tuple[Path, Path]]:
        """What belongs outside the gateway's folder: (where it is now, where it belongs)."""
        top = self.folder / OUTSIDE
        paths = [one.path for one in self.kept.values() if one.path.is_relative_to(top) and one.path.exists()]
        return [(path, Path("/") / path.relative_to(top)) for path in paths]
