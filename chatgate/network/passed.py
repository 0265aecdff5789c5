"""Listening sockets that systemd made before it started the gateway, by its protocol (sd_listen_fds(3))."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Self

from gevent import socket

_FIRST = 3  # SD_LISTEN_FDS_START


class Passed:
    """Descriptors of sockets that wait for the listener whose address they have. They are numbers until then, so that
    a process that opens nothing can hand them on to those that it forks.
    """

    def __init__(self, *descriptors: int) -> None:
        self._waiting = list(descriptors)

    @classmethod
    def received(cls) -> Self:
        """Those that were passed to this process. No program that it runs gets them, nor hears of them. To be called
        before anything is opened.
        """
        process, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
        os.environ.pop("LISTEN_FDNAMES", None)
        if process != str(os.getpid()) or not count.isdecimal():
            return cls()
        found = []
        try:
            for number in range(_FIRST, _FIRST + int(count)):
                os.set_inheritable(number, False)
                found.append(number)
        except OSError:
            pass  # fewer than was said
        return cls(*found)

    def take(self, family: int, name: str | tuple[str, int]) -> socket.socket | None:
        """The stream socket that listens there, if it was passed and nobody has taken it. name: a path, or an address
        and a port; an address may also be a name that has one.
        """
        for number in self._waiting:
            if (sock := _opened(number)) is None:
                continue
            if sock.family == family and _listens(sock) and _is_at(sock, name):
                self._waiting.remove(number)
                return sock
            sock.detach()
        return None

    def left(self, shown: Callable[[socket.socket], str]) -> list[str]:
        """The addresses of those that nobody has taken. shown: how they are written."""
        found = []
        for number in self._waiting:
            sock = _opened(number)
            found.append(f"descriptor {number}" if sock is None or not _listens(sock) else shown(sock))
            if sock is not None:
                sock.detach()
        return found


def _opened(number: int) -> socket.socket | None:
    try:
        return socket.socket(fileno=number)
    except OSError:
        return None


def _is_at(sock: socket.socket, name: str | tuple[str, int]) -> bool:
    bound = sock.getsockname()
    if isinstance(name, str):
        return bool(bound == name)
    try:
        return any(bound[:2] == found[4][:2] for found in socket.getaddrinfo(*name, sock.family, socket.SOCK_STREAM))
    except OSError:
        return False


def _listens(sock: socket.socket) -> bool:
    return sock.type == socket.SOCK_STREAM and bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
