"""The form of a backup inside its wrapping: a tar file in which nothing is left to choice.

Each file has one 512-octet header of the "ustar" kind (POSIX; for 8 GiB and more with GNU's form of the size), zeros in
whatever is not its name and size, and the end is two blocks of zeros. A reader makes the header anew from the name and
the size that it finds and compares, so there are no links, owners, dates or extensions to be tricked by. Any tar reads
it. The last file, MANIFEST, has the SHA-256 and the name of each file before it, in order, as `sha256sum -c` reads it.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import tarfile
from collections.abc import Callable, Iterator
from urllib.parse import quote

BLOCK = 512
PIECE = 1 << 18  # octets in memory at a time
MANIFEST = "MANIFEST"

_LARGE = 1 << 33  # octets from which a size has GNU's form
_SAFE = "/._-@+=:~[],"
_PART = r"[A-Za-z0-9_@+=:~\[\],%-][A-Za-z0-9._@+=:~\[\],%-]*"  # none begins with a dot
_NAME = re.compile(rf"{_PART}(?:/{_PART})*")
_LINE = re.compile(r"([0-9a-f]{64})  ([!-~]+)")


class Broken(Exception):
    """The backup is not as it was written. str(): what is broken, one line."""


def quoted(name: str) -> str:
    """A name as it stands in an archive: printable, and the same back by `urllib.parse.unquote`."""
    return quote(name, safe=_SAFE)


def header(name: str, size: int) -> bytes:
    """Raises ValueError for a name that cannot be in an archive: too long, or one that leads elsewhere."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name[:80]!r} is no name of a file in a backup")
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    block = info.tobuf(tarfile.GNU_FORMAT if size >= _LARGE else tarfile.USTAR_FORMAT, "ascii", "strict")
    if len(block) != BLOCK:
        raise ValueError(f"the name {name[:80]!r} is too long")
    return block


class Writer:
    """write: takes the octets of the archive. listed: called with each line of the manifest, to be given to `close`
    again: a list of millions of files has its place on disk.
    """

    def __init__(self, write: Callable[[bytes], object], listed: Callable[[str], object]) -> None:
        self._write, self._listed = write, listed

    def add(self, name: str, size: int, pieces: Iterator[bytes]) -> None:
        """Add a file. Raises ValueError when there is less or more of it than `size`, or for its name."""
        self._write(header(name, size))
        found, left = hashlib.sha256(), size
        for piece in pieces:
            left -= len(piece)
            if left < 0:
                break
            found.update(piece)
            self._write(piece)
        if left:
            raise ValueError("its size changed while it was read")
        self._write(bytes(-size % BLOCK))
        self._listed(f"{found.hexdigest()}  {name}\n")

    def close(self, size: int, manifest: Iterator[bytes]) -> None:
        """Add the manifest and the end. size: its octets."""
        self._listed = lambda line: None
        self.add(MANIFEST, size, manifest)
        self._write(bytes(2 * BLOCK))


class Reader:
    """pieces: the octets of the archive. Raises Broken, always with the name of the file that it is in."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._held = pieces, b""
        self.where = "its beginning"

    def files(self) -> Iterator[tuple[str, int, Iterator[bytes]]]:
        """(name, octets, the octets in pieces) of each file. All pieces must be taken before the next file."""
        while True:
            block = self._exactly(BLOCK)
            if block == bytes(BLOCK):
                break
            name, size = self._known(block)
            self.where = name
            yield name, size, self._content(size)
            if any(self._exactly(-size % BLOCK)):
                raise Broken(f"{name}: something stands behind its end")
            self.where = f"what comes after {name}"
        self.where = "the end"
        if any(self._exactly(BLOCK)) or self._held or self._next():
            raise Broken("something stands behind the end")

    def _known(self, block: bytes) -> tuple[str, int]:
        try:
            info = tarfile.TarInfo.frombuf(block, "ascii", "strict")
            if block == header(info.name, info.size):
                return info.name, info.size
        except (tarfile.TarError, ValueError, UnicodeError, OverflowError):
            pass
        raise Broken(f"{self.where}: not the header of a file as backups have it")

    def _content(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self._exactly(min(PIECE, size))
            size -= len(piece)
            yield piece

    def _next(self) -> bytes | None:
        """The next octets, None at the end. What those that bring them find is told with the place."""
        try:
            return next(filter(None, self._pieces), None)
        except Broken as error:
            raise Broken(f"{self.where}: {error}") from None

    def _exactly(self, count: int) -> bytes:
        parts, have = [self._held], len(self._held)
        while have < count:
            piece = self._next()
            if piece is None:
                raise Broken(f"{self.where}: cut off there")
            parts.append(piece)
            have += len(piece)
        joined = b"".join(parts)
        self._held = joined[count:]
        return joined[:count]


def compare(met: Iterator[str], told: Iterator[str]) -> None:
    """Compare what a reader has met with what the manifest says, both as lines of a manifest. Raises Broken with the
    name of the first file that differs.
    """
    for ours, theirs in itertools.zip_longest(met, told):
        if ours != theirs:
            found = _LINE.fullmatch((theirs or "").rstrip("\n"))
            name = (ours or "").rstrip("\n").partition("  ")[2]
            if found and found[2] == name:
                raise Broken(f"{name}: its content is not what was backed up")
            if ours is None:
                raise Broken(f"{found[2] if found else MANIFEST}: missing or damaged")
            raise Broken(f"{name}: stands where the manifest has another file, or none")
