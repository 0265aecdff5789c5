"""Which nameservers are asked."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from chatgate.api import ip

RESOLV_CONF = Path("/etc/resolv.conf")
_MOST = 8
_LARGEST_FILE = 65536


class Nameserver(NamedTuple):
    """text: as it is written for people. address: as sockets take it."""

    text: str
    family: int
    address: tuple[Any, ...]

    @property
    def on_loopback(self) -> bool:
        address = ip(self.address[0])
        return address is not None and address.is_loopback


def nameserver(text: str) -> Nameserver:
    """For "192.0.2.1", "192.0.2.1:5353", "2001:db8::1" or "[2001:db8::1]:5353". Raises ValueError."""
    host, port = text, "53"
    if ip(text) is None:
        host, _, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            host = ""
    if ip(host) is None or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} must be an IP address, or one with a port such as 192.0.2.1:5353")
    try:
        # Nothing is looked up: this only finds what an IPv6 zone ("%eth0") means.
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
    except OSError as error:
        raise ValueError(f"{text!r} cannot be asked: {error.strerror}") from None
    family, _, _, _, address = found[0]
    return Nameserver(text, family, address)


class Nameservers:
    """The nameservers to ask, first choice first: those named, else those of resolv.conf, which is read again when it
    has changed.
    """

    def __init__(self, named: Sequence[str], path: Path = RESOLV_CONF) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._named = tuple(map(nameserver, named))
        self._found: tuple[Nameserver, ...] = ()

    def __call__(self) -> tuple[Nameserver, ...]:
        return self._named or self._from_file()

    def _from_file(self) -> tuple[Nameserver, ...]:
        try:
            stat = os.stat(self._path)
            seen = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        except OSError:
            seen = None
        if not self._found or seen != self._seen:
            self._found, self._seen = tuple(_read(self._path)), seen
        return self._found


def _read(path: Path) -> list[Nameserver]:
    """As the C library does, this machine is asked where the file names nobody."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read(_LARGEST_FILE).splitlines()
    except OSError:
        lines = []
    found = []
    for words in map(str.split, lines):
        if len(words) > 1 and words[0] == "nameserver":
            try:
                found.append(nameserver(words[1]))
            except ValueError:
                continue
    return found[:_MOST] or [nameserver("127.0.0.1")]
