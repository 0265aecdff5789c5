"""Large bodies as files: blobs/xx/<random name>. All file operations run in threads, as they wait for the disk.

A file is complete and on disk before the commit that names it, and is removed after the commit that drops the last row
naming it. A crash in between leaves a file that no row names, which `sweep` finds and removes. So files need no
temporary name and no renaming: until the commit nobody knows the name, and after a crash the sweep finds the file.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import gevent
import gevent.threadpool

from chatgate.api import Counter, StoreFull, StoreUnavailable, sync_folder
from chatgate_maildb import holding
from chatgate_maildb.reserve import is_full

log = logging.getLogger("chatgate.maildb")

HEAD = 1 << 16  # octets read when a file is opened: the header and, for most files, all that will be asked for
_ASKED_AT_ONCE = 200  # files checked in one go when looking for leftovers

_AGAIN = 5.0  # seconds until files are tried again that a backup still reads
_MOST_KEPT = 100_000  # names of such files; the sweep finds the others

NAME = re.compile(r"[0-9a-f]{32}")


class Blobs:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._threads = gevent.threadpool.ThreadPool(4)
        self.counted = Counter()  # files that were written and removed, by what was done
        self._coming: set[str] = set()  # files that no committed transaction names yet
        self._unwanted: list[str] = []
        self._removing: gevent.Greenlet | None = None
        self._kept: list[str] = []  # to be removed once no backup reads them
        self._again = gevent.Greenlet()

    def write(self, content: bytes) -> str:
        """Write the content to a new file that survives a power cut, and return its name. Call `settled` once the
        transaction that names the file is over. Raises StoreError.
        """
        name = secrets.token_hex(16)
        self._coming.add(name)
        try:
            self._threads.apply(self._write, (name, content))
        except BaseException as error:
            self._coming.discard(name)
            if not isinstance(error, OSError):
                raise
            log.error("body file not written: %s", error.strerror)
            raise (StoreFull if is_full(error) else StoreUnavailable)() from error
        self.counted.add("written")
        return name

    def settled(self, names: Iterable[str]) -> None:
        """The transactions that were to name these files are over, committed or not."""
        self._coming.difference_update(names)

    def read(self, name: str, size: int) -> bytes | None:
        """The first `size` octets; None if the file does not exist. Raises StoreError."""
        try:
            return self._threads.apply(self._read, (name, size))
        except FileNotFoundError:
            return None
        except OSError as error:
            log.error("body file not read: %s", error.strerror)
            raise StoreUnavailable() from error

    def open(self, name: str) -> tuple[int, bytes, int] | None:
        """(descriptor, the first octets, size of the file); None if the file does not exist. Raises StoreError."""
        try:
            return self._threads.apply(self._open, (name,))
        except FileNotFoundError:
            return None
        except OSError as error:
            log.error("body file not read: %s", error.strerror)
            raise StoreUnavailable() from error

    def piece(self, descriptor: int, start: int, length: int) -> bytes:
        """`length` octets from `start` on. Raises StoreError, also if the file is shorter."""
        try:
            piece = self._threads.apply(os.pread, (descriptor, length, start))
        except OSError as error:
            log.error("body file not read: %s", error.strerror)
            raise StoreUnavailable() from error
        if len(piece) != length:
            raise StoreUnavailable()
        return piece

    def release(self, descriptor: int) -> None:
        os.close(descriptor)

    def remove(self, names: list[str]) -> None:
        """Remove files in the background; after a crash the sweep removes what is left. A greenlet does it, as it may
        have to wait for a free thread, and the writer, which calls this, would keep everybody else waiting.
        """
        self._unwanted += names
        self.counted.add("removed", by=len(names))
        if not self._removing:
            self._removing = gevent.spawn(self._remove_unwanted)

    def _remove_unwanted(self) -> None:
        while self._unwanted:
            names, self._unwanted = self._unwanted, []
            left = self._threads.apply(self._remove, (names,))
            self._kept += left[: max(0, _MOST_KEPT - len(self._kept))]
        if self._kept and not self._again:
            self._again = gevent.spawn_later(_AGAIN, self._remove_kept)

    def _remove_kept(self) -> None:
        names, self._kept, self._again = self._kept, [], gevent.Greenlet()
        self.remove(names)

    def size(self, name: str) -> int | None:
        """Octets of the file, None if it does not exist."""
        try:
            return self.path(name).stat().st_size
        except FileNotFoundError:
            return None

    def sweep(self, wanted: Callable[[str], bool], age: float) -> int:
        """Remove files that are not wanted and older than `age` seconds; returns how many. Lists one folder at a time.
        Spares files that this process is just adding: after a leap of the clock they would look old.
        """
        removed = 0
        for names in self._listed(time.time() - age):
            for start in range(0, len(names), _ASKED_AT_ONCE):
                piece = names[start : start + _ASKED_AT_ONCE]
                gone = [name for name in piece if name not in self._coming and not wanted(name)]
                # In a thread even if there are no files, so that others get a turn between many folders.
                left = self._threads.apply(self._remove, (gone,))
                removed += len(gone) - len(left)
        return removed

    def finish(self) -> None:
        """Wait until all files to be removed are removed."""
        if self._removing is not None:
            self._removing.join()

    def close(self) -> None:
        self._again.kill(block=False)  # the next start finds those files
        self.finish()
        self._threads.join()
        self._threads.kill()

    def path(self, name: str) -> Path:
        return self._folder / name[:2] / name

    def _listed(self, before: float) -> Iterator[list[str]]:
        try:
            for folder in self._threads.apply(os.listdir, (self._folder,)):
                yield self._threads.apply(self._older, (self._folder / folder, before))
        except OSError as error:
            log.error("body files not looked through: %s: %s", self._folder, error.strerror)
            raise StoreUnavailable() from error

    @staticmethod
    def _older(folder: Path, before: float) -> list[str]:
        """Names of files that may be leftovers. Files whose names do not look like ours are left alone."""
        if not folder.is_dir():
            return []
        with os.scandir(folder) as entries:
            ours = [entry for entry in entries if NAME.fullmatch(entry.name)]
            return [entry.name for entry in ours if entry.stat(follow_symlinks=False).st_mtime <= before]

    def _write(self, name: str, content: bytes) -> None:
        path = self.path(name)
        try:
            path.parent.mkdir(mode=0o700)
            sync_folder(self._folder)
        except FileExistsError:
            pass
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb", buffering=0, closefd=False) as file:
                rest = memoryview(content)
                while rest:
                    rest = rest[file.write(rest) :]
            os.fsync(descriptor)
        except OSError:
            path.unlink()
            raise
        finally:
            os.close(descriptor)
        sync_folder(path.parent)

    def _read(self, name: str, size: int) -> bytes:
        with open(self.path(name), "rb", buffering=0) as file:
            return file.read(size) if size else b""

    def _open(self, name: str) -> tuple[int, bytes, int]:
        descriptor = os.open(self.path(name), os.O_RDONLY | os.O_CLOEXEC)
        try:
            return descriptor, os.pread(descriptor, HEAD, 0), os.fstat(descriptor).st_size
        except OSError:
            os.close(descriptor)
            raise

    def _remove(self, names: list[str]) -> list[str]:
        """Remove these files; returns those that must stay for now, as a backup is being made."""
        with holding.free(self._folder) as free:
            if not free:
                return names
            for name in names:
                try:
                    self.path(name).unlink(missing_ok=True)
                except OSError as error:
                    log.error("body file not removed: %s", error.strerror)
        return []
