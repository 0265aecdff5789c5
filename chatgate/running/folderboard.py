"""Wake-ups for every process that serves the folder, sent by the process that changed something: another one of them,
or a command.

Each serving process has a datagram socket of its own in a folder beside the database. A process that posts tells its
own watchers and sends the keys, ids of mailboxes and accounts, to all other sockets. They are hints, like everything on
the board: if one is lost, sessions see the change the next time they look.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import struct
import time
from collections.abc import Callable
from pathlib import Path

import gevent
from gevent import socket

from chatgate.network.listeners import BindError
from chatgate.running.background import Background
from chatgate.running.sockets import SocketFolder
from chatgate.store.board import LocalBoard

log = logging.getLogger("chatgate.board")

_KEY = struct.calcsize("=q")
_AT_ONCE = 1000  # keys in a datagram
_MOST = 10_000  # keys kept for a process whose socket is full
_AGAIN = 0.01  # seconds until a full socket is tried again
_SETTLED = 1_000_000_000  # nanoseconds: a folder changed twice within them may show the time of the first change only


class FolderBoard(LocalBoard):
    """For a store on this machine: answer `chatgate_board` with one, and `chatgate_services` with its `others`, which
    listens.

    folder: the store's, which no other user may enter.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.others = Others(folder, super().post)

    def post(self, key: int) -> None:
        """As `Board.post`, and the watchers of every other process."""
        super().post(key)
        self.others.tell(key)


class Others(Background):
    """The other processes. heard: called in the hub's thread with each key that one of them sends. Sending also works
    without `bind`, as commands do not listen.
    """

    def __init__(self, folder: Path, heard: Callable[[int], None]) -> None:
        super().__init__("board", self._receive)
        self._store, self._folder, self._heard = folder, folder / "awake", heard
        self._watched = str(self._folder)
        self._sending = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sending.setblocking(False)
        self._listening: socket.socket | None = None
        self._own = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._names: list[str] = []
        self._listed = -1  # time of the folder's last change when we listed it
        self._unsent: dict[str, set[int]] = {}
        self._scheduled = False
        self._sockets = SocketFolder(self._folder)

    def tell(self, key: int) -> None:
        """Returns at once. Keys of one turn of the hub are sent together at its end."""
        for name in self._there():
            keys = self._unsent.setdefault(name, set())
            if len(keys) < _MOST:
                keys.add(key)
        if self._unsent and not self._scheduled:
            self._scheduled = True
            # Ahead of the greenlets that are woken now: a command may end as soon as it runs again.
            gevent.get_hub().loop.run_callback(self._send)

    def _there(self) -> list[str]:
        """The names of the others' sockets. While none comes or goes this takes one system call: two microseconds."""
        try:
            changed = os.stat(self._watched).st_mtime_ns
            if changed != self._listed:
                self._names = [name for name in os.listdir(self._watched) if name != self._own]
                self._listed = changed if abs(time.time_ns() - changed) > _SETTLED else -1
        except OSError:
            self._names, self._listed = [], -1
        return self._names

    def _send(self) -> None:
        self._scheduled = False
        for name, keys in list(self._unsent.items()):
            batch = list(keys)
            for start in range(0, len(batch), _AT_ONCE):
                some = batch[start : start + _AT_ONCE]
                if not self._sent(name, struct.pack(f"={len(some)}q", *some)):
                    break
                keys.difference_update(some)
            else:
                del self._unsent[name]
        if self._unsent and not self._scheduled:
            self._scheduled = True
            gevent.spawn_later(_AGAIN, self._send)

    def _sent(self, name: str, datagram: bytes) -> bool:
        """Send a datagram. False: the socket is full, try again."""
        try:
            self._sending.sendto(datagram, self._sockets.path(name))
        except BlockingIOError:
            return False
        except ConnectionRefusedError:  # the socket of a process that died
            with contextlib.suppress(OSError):
                os.unlink(self._folder / name)
        except OSError:
            pass  # it has just gone, or is not one of ours
        return True

    def bind(self) -> None:
        """Make this process's own socket. Raises BindError."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            with contextlib.suppress(OSError):
                os.unlink(self._store / "wake")  # the one socket of earlier versions
            listening.bind(self._sockets.path(self._own))
        except OSError as error:
            listening.close()
            raise BindError(f"maildb: a socket in {self._folder} cannot be made: {error.strerror}") from error
        self._listening = listening
        for name in list(self._there()):
            self._sent(name, b"")  # removes the sockets of dead processes

    def stop(self, seconds: float) -> None:
        super().stop(seconds)
        if self._listening is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._folder / self._own)
            self._listening.close()
            self._listening = None

    def _receive(self) -> None:
        assert self._listening is not None
        while True:
            message = self._listening.recv(_KEY * _AT_ONCE)
            for (key,) in struct.iter_unpack("=q", message[: len(message) // _KEY * _KEY]):
                try:
                    self._heard(key)
                except Exception as error:
                    log.error("a watcher failed: %s", type(error).__name__)
