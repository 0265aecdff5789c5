"""From a command that changes mailboxes beside a running gateway to the sessions there that watch them.

The gateway listens on a socket in the store's folder; commands send it what they post: ids of mailboxes, and the keys
of accounts, whose sessions may have to end. These are hints, like all
on the board: when one is lost, sessions see the change at their next look.
"""

from __future__ import annotations

import contextlib
import logging
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from gevent import socket

from chatgate.api import Background, BindError

log = logging.getLogger("chatgate.maildb")

_KEY = struct.Struct("=q")
_LONGEST = 107  # octets of a socket's path (unix(7))


class Wakeups(Background):
    """folder: of the store, which nobody else may enter. post: of this process's board."""

    def __init__(self, folder: Path, post: Callable[[int], None]) -> None:
        super().__init__("maildb", self._receive)
        self._folder, self._post = folder, post
        self._sending = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sending.setblocking(False)
        self._listening: socket.socket | None = None

    def post(self, key: int) -> None:
        """Tell this process's sessions, and the gateway's where that is another process. Returns at once."""
        self._post(key)
        if self._listening is None:
            with contextlib.suppress(OSError), self._path() as path:  # nobody is there, or too much comes at once
                self._sending.sendto(_KEY.pack(key), path)

    def bind(self) -> None:
        """Raises BindError."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            with self._path() as path:
                Path(path).unlink(missing_ok=True)  # of a gateway before this one
                listening.bind(path)
        except OSError as error:
            listening.close()
            raise BindError(f"maildb: {self._folder / 'wake'} cannot be made: {error.strerror}") from error
        self._listening = listening

    def stop(self, seconds: float) -> None:
        """The socket's name stays: it may be that of a following gateway by now."""
        super().stop(seconds)
        if self._listening is not None:
            self._listening.close()

    def _receive(self) -> None:
        assert self._listening is not None
        while True:
            message = self._listening.recv(_KEY.size)
            if len(message) == _KEY.size:
                try:
                    self._post(*_KEY.unpack(message))
                except Exception as error:
                    log.error("a watcher failed: %s", type(error).__name__)

    @contextlib.contextmanager
    def _path(self) -> Iterator[str]:
        path = str(self._folder / "wake")
        if len(os.fsencode(path)) <= _LONGEST:
            yield path
            return
        descriptor = os.open(self._folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield f"/proc/self/fd/{descriptor}/wake"
        finally:
            os.close(descriptor)
