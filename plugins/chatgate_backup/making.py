"""Making a backup, beside a running gateway or one that does not run."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from chatgate_filedb import LEFT_FREE

from chatgate.api import Copy, Gateway, KeptFiles, PluginError, free_octets
from chatgate_backup import archive, wrapping
from chatgate_backup.archive import PIECE, quoted
from chatgate_backup.openpgp import Cipher
from chatgate_backup.rooms import room

FORMAT = 1
BEGINNING, CONF, COUNTS = "BACKUP", "conf.d", "COUNTS"

_WHOLE = 1 << 20  # a file up to so many octets is read at once: it may be written anew meanwhile
_LOOK = 64  # pieces between two looks at the disk


@dataclass(frozen=True)
class Made:
    """What a backup holds. counts: by plugin and name."""

    files: int
    octets: int
    counts: dict[str, dict[str, int]]


def kept(gateway: Gateway) -> list[tuple[str, KeptFiles]]:
    """All that the plugins keep, by the beginning of its names in a backup. Raises PluginError."""
    found = []
    for said in gateway.hub.backup.each(None, gateway=gateway):
        if said.failure is not None:
            raise PluginError(str(said.failure))
        found += [(f"{said.plugin}/{one.name}", one) for one in said.answer or ()]
    return found


class Making:
    """gateway: made by `Gateway.of`. mail: with messages? base: a folder with room for a copy of the databases.
    progress: called with octets read and about how many there are in all.
    """

    def __init__(
        self, gateway: Gateway, mail: bool, base: Path, progress: Callable[[int, int], object] = lambda done, all: None
    ) -> None:
        self._gateway, self._mail, self._base, self._progress = gateway, mail, base, progress
        self._files = self._done = self._all = 0

    def write(self, write: Callable[[bytes], object], cipher: Cipher | None) -> Made:
        """write: takes the octets of the backup. Raises PluginError, OSError."""
        if cipher is not None:
            cipher.recipient()  # what is wrong with the key is found before anything is copied
        with ExitStack() as stack:
            place = stack.enter_context(room(self._base, "backup"))
            copies = [
                (name, one, self._opened(stack, place / str(number), one))
                for number, (name, one) in enumerate(kept(self._gateway))
            ]
            conf = KeptFiles(CONF, self._gateway.path(CONF))
            copies.insert(0, (CONF, conf, self._opened(stack, place / CONF, conf)))
            self._all = sum(copy.octets for _, _, copy in copies)
            counts = {name: copy.counts for name, _, copy in copies if copy.counts}
            listed = stack.enter_context(open(place / archive.MANIFEST, "w+b"))
            out = stack.enter_context(wrapping.wrapped(write, cipher))
            writer = archive.Writer(out, lambda line: listed.write(line.encode()))
            self._text(writer, BEGINNING, self._beginning())
            for name, one, copy in copies:
                for inner, path in copy.files:
                    self._file(writer, f"{name}/{inner}" if inner else name, path, type(one) is KeptFiles)
            self._text(writer, COUNTS, counts)
            size = listed.tell()
            listed.seek(0)
            writer.close(size, iter(lambda: listed.read(PIECE), b""))
        return Made(self._files, self._done, counts)

    def _opened(self, stack: ExitStack, place: Path, one: KeptFiles) -> Copy:
        place.mkdir(mode=0o700)
        try:
            return stack.enter_context(one.opened(place, self._mail))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise PluginError(
                f"{error.filename}: {error.strerror}; --room names a folder on a disk with more room"
            ) from error

    def _beginning(self) -> dict[str, object]:
        made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        domains = [domain.name for domain in self._gateway.domains]
        return {
            "format": FORMAT,
            "chatgate": metadata.version("chatgate"),
            "made": made,
            "domains": domains,
            "mail": self._mail,
        }

    def _text(self, writer: archive.Writer, name: str, data: object) -> None:
        text = (json.dumps(data, indent=1) + "\n").encode()
        writer.add(name, len(text), iter([text]))

    def _file(self, writer: archive.Writer, name: str, path: Path, plain: bool) -> None:
        """plain: it may have gone since it was found, and may be written anew while it is read."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            if plain:
                return
            raise PluginError(f"{name}: is missing; 'chatgate check' tells more") from None
        with open(descriptor, "rb", buffering=0) as file:
            size = os.fstat(descriptor).st_size
            pieces = self._pieces(iter(lambda: file.read(PIECE), b""))
            if size <= _WHOLE:
                content = file.read(_WHOLE + 1)
                size, pieces = len(content), self._pieces(iter([content] if content else []))
            try:
                writer.add(quoted(name), size, pieces)
            except ValueError as error:
                raise PluginError(f"{name}: {error}") from None
        self._files += 1

    def _pieces(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._done += len(piece)
            self._progress(self._done, self._all)
            yield piece


class Roomy:
    """Writes to a file, and stops in time to leave some of its disk to others. Raises PluginError, OSError."""

    def __init__(self, descriptor: int, folder: Path) -> None:
        self._file, self._folder, self._pieces = open(descriptor, "wb", buffering=PIECE, closefd=False), folder, 0

    def write(self, octets: bytes) -> None:
        self._pieces += 1
        if self._pieces % _LOOK == 1 and free_octets(self._folder) < LEFT_FREE:
            raise PluginError(f"{self._folder}: the disk is nearly full; nothing was left there")
        self._file.write(octets)

    def close(self) -> None:
        self._file.flush()
