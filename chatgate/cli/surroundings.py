"""What `chatgate init` looks at: can the ports be had, and do the names lead here?"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import gevent

from chatgate import names
from chatgate.hosting.confd import Config
from chatgate.hosting.options import is_listener
from chatgate.network.listeners import BindError, bind

_SECONDS = 5.0


def ports(config: Config) -> Iterator[str]:
    """A line for each listener that could not be had now."""
    for plugin in config.plugins:
        for field in dataclasses.fields(plugin.options):
            for address in getattr(plugin.options, field.name) if is_listener(field) else ():
                if why := _why_not(address):
                    yield f"{plugin.name}: {field.name}: {address} {why}"


def _why_not(address: str) -> str:
    if address.startswith("unix:"):
        return ""
    try:
        for sock in bind(address):
            sock.close()
        return ""
    except BindError as error:
        cause = error.__cause__
        number = cause.errno if isinstance(cause, OSError) else 0
        port = address.rpartition(":")[2]
        if number == errno.EADDRINUSE:
            return f"is taken{_whose(int(port))}"
        if number in (errno.EACCES, errno.EPERM):
            return "needs a privilege that this user has not; the unit in contrib/systemd gives it to the gateway"
        return str(error)


def _whose(port: int) -> str:
    """By which process, as far as this user may see: proc_net_tcp(5), proc_pid_fd(5)."""
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = [line.split() for line in Path(table).read_text().splitlines()[1:]]
        except OSError:
            continue
        sockets |= {
            f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port
        }
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if not sockets.isdisjoint(_open(folder)):
                return f" by {(folder.parent / 'comm').read_text().strip()} (process {folder.parent.name})"
        except OSError:  # of another user, or over
            continue
    return ""


def _open(folder: Path) -> Iterator[str]:
    """What a process has open. Descriptors come and go while they are listed."""
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            yield os.readlink(f"{folder}/{name}")


def name(host: str) -> str:
    """Why this host may not lead here; "" if it does, or is an IP address of this machine."""
    try:
        with gevent.Timeout(_SECONDS, TimeoutError()):
            found = {str(one[4][0]) for one in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except TimeoutError:
        return f"{host}: the DNS does not answer"
    except (OSError, UnicodeError):
        return f"{host} has no address in the DNS yet"
    away = sorted(address for address in found if not _ours(address))
    if not away:
        return ""
    return f"{host} leads to {', '.join(away)}, which this machine does not have itself (behind NAT that may be right)"


def _ours(address: str) -> bool:
    kind = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(kind, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((names.bare(address), 0))
            return True
        except OSError:
            return False
