"""Notices that certificates have changed on disk, whoever wrote them, and has them loaded."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import gevent

from chatgate.api import PluginError

log = logging.getLogger("chatgate.tls")

_Seen = dict[str, tuple[int, ...]]


class Rereading:
    """files: those to look at, which may be anywhere and need not exist. folder: all files below it are looked at, too.
    reload: loads what is there; True: it was something new. Raises PluginError if it cannot be used.
    """

    def __init__(self, files: Callable[[], Iterable[Path]], folder: Path, reload: Callable[[], bool]) -> None:
        self._files, self._folder, self._reload = files, folder, reload
        self._seen = self._look()
        self._trouble = ""

    def run(self, seconds: float) -> None:
        """Look now and then, for ever."""
        while True:
            gevent.sleep(seconds)
            self.look()

    def look(self) -> None:
        """Costs one stat a file as long as nothing has changed."""
        seen = self._look()
        if seen == self._seen and not self._trouble:
            return
        self._seen = seen
        try:
            if self._reload():
                log.warning("new certificate loaded")
            self._trouble = ""
        except PluginError as error:  # perhaps one of two files is there so far: the next look tries again
            if str(error) != self._trouble:
                log.error("%s; the certificate in use is kept", error)
            self._trouble = str(error)

    def _look(self) -> _Seen:
        named = {str(path) for path in self._files()}
        return {path: _state(path) for path in named.union(_below(self._folder))}


def _below(folder: Path) -> Iterator[str]:
    for path, folders, files in os.walk(folder):
        if "challenges" in folders and Path(path) == folder:
            folders.remove("challenges")  # what comes and goes while an authority looks at us
        yield from (os.path.join(path, name) for name in files if not name.startswith("."))


def _state(path: str) -> tuple[int, ...]:
    """Differs after each change: a new file, new content, other rights to read it."""
    try:
        found = os.stat(path)
    except OSError as error:
        return (error.errno or 0,)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
