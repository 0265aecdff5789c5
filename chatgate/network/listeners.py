"""Listening sockets, by the addresses that operators write."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from gevent import socket

from chatgate.network.passed import Passed


class BindError(Exception):
    """An address cannot be listened on; str() is one line for the operator."""


def bind(address: str, backlog: int = 1024, shared: bool = False, passed: Passed | None = None) -> list[socket.socket]:
    """Listening sockets for "host:port", "[v6]:port", "*:port" (all addresses, IPv4 and IPv6) or "unix:/path".
    Port 0 takes any free port. shared: other processes of this user may listen on the same port, and the system deals
    connections out to them (SO_REUSEPORT); a unix socket cannot be shared. passed: sockets that listen already; those
    with this address are taken, and none is made in their place. Raises BindError.
    """
    passed = passed or Passed()
    try:
        if address.startswith("unix:"):
            return [passed.take(socket.AF_UNIX, address[5:]) or _bind_unix(address[5:], backlog)]
        host, _, port = address.rpartition(":")
        number = int(port)
        if not host:
            raise ValueError  # the socket module would take it for every address
        if host != "*":
            host = host.strip("[]")
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            return [_taken(passed, family, host, number) or _bind_tcp(family, host, number, backlog, shared)]
        taken = {family: _taken(passed, family, every, number) for family, every in _EVERY.items()}
    except (OSError, ValueError, OverflowError) as error:
        raise BindError(f"cannot listen on {address}: {_reason(error)}") from error
    bound: list[socket.socket] = []
    for family, every in _EVERY.items():
        try:
            bound.append(taken[family] or _bind_tcp(family, every, number, backlog, shared))
        except OSError as error:
            if family == socket.AF_INET6 and bound and error.errno in _NO_IPV6:
                continue
            for other in bound:
                other.close()
            raise BindError(f"cannot listen on {address}: {_reason(error)}") from error
    return bound


_EVERY = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}
_NO_IPV6 = {97, 99}  # EAFNOSUPPORT, EADDRNOTAVAIL: a kernel or a container without IPv6


def _reason(error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "Permission denied; ports below 1024 are for root, or for a service that was given the right to them"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, _TakesBoth):
        return "the socket passed by systemd takes IPv4, too; its unit needs BindIPv6Only=ipv6-only"
    return "must be host:port, *:port or unix:/path"


class _TakesBoth(OSError):
    """A socket for IPv6 that takes IPv4, too. There, clients by IPv4 would all be of one network, ::ffff:0:0/96, and
    share its limits.
    """


def _taken(passed: Passed, family: int, host: str, port: int) -> socket.socket | None:
    sock = passed.take(family, (host, port))
    if sock is not None:
        if family == socket.AF_INET6 and not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
            raise _TakesBoth
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _bind_tcp(family: int, host: str, port: int, backlog: int, shared: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted connections have it from here
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind_unix(path: str, backlog: int) -> socket.socket:
    try:
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.unlink(path)  # left over from a run that was killed
    except FileNotFoundError:
        pass
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
        os.chmod(path, 0o660)  # a proxy is another user, of the group
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def ports(addresses: Iterable[str]) -> list[int]:
    """The TCP ports of listeners for clients, each once: not those that are for proxies, nor any that the system is to
    choose (0).
    """
    found = [text.rpartition(":")[2] for text in addresses if not text.startswith("unix:")]
    return list(dict.fromkeys(int(port) for port in found if port.isdigit() and port != "0"))


def shown(sock: socket.socket) -> str:
    """The address of a listening socket, as `bind` takes it."""
    name = sock.getsockname()
    if isinstance(name, str):
        return f"unix:{name}"
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"
