"""TCP and TLS: listeners, limits, handshakes, the PROXY protocol, graceful stop. It knows bytes, no protocol."""

from __future__ import annotations

import ipaddress
import logging
import os
import socket as stdsocket
import stat
from collections import Counter
from collections.abc import Callable
from typing import Any

import gevent
import gevent.pool
from gevent import socket, ssl
from gevent.server import StreamServer

from chatgate.proxy import read_proxy_header
from chatgate.session import Session

log = logging.getLogger("chatgate.net")


class BindError(Exception):
    """A listener cannot be had; str() is one line for the operator."""


def bind(address: str, backlog: int = 1024) -> list[socket.socket]:
    """Listening sockets for "host:port", "[v6]:port", "*:port" (all addresses, IPv4 and IPv6) or "unix:/path".
    Port 0 takes any free port. Raises BindError.
    """
    try:
        if address.startswith("unix:"):
            return [_bind_unix(address[5:], backlog)]
        host, _, port = address.rpartition(":")
        number = int(port)
        if not host:
            raise ValueError  # the socket module would take it for every address
        if host != "*":
            host = host.strip("[]")
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            return [_bind_tcp(family, host, number, backlog)]
    except (OSError, ValueError, OverflowError) as error:
        raise BindError(f"cannot listen on {address}: {_reason(error)}") from error
    bound: list[socket.socket] = []
    for family, every in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        try:
            bound.append(_bind_tcp(family, every, number, backlog))
        except OSError as error:
            if family == socket.AF_INET6 and bound and error.errno in _NO_IPV6:
                continue
            for other in bound:
                other.close()
            raise BindError(f"cannot listen on {address}: {_reason(error)}") from error
    return bound


_NO_IPV6 = {97, 99}  # EAFNOSUPPORT, EADDRNOTAVAIL: a kernel or a container without IPv6


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "must be host:port, *:port or unix:/path"


def _bind_tcp(family: int, host: str, port: int, backlog: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
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
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def shown(sock: socket.socket) -> str:
    """The address of a listening socket, as `bind` takes it."""
    name = sock.getsockname()
    if isinstance(name, str):
        return f"unix:{name}"
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


def tls_context() -> ssl.SSLContext:
    """A server context without a certificate yet. gevent's own class: the standard one would block the hub."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Clients reconnect by a full handshake (Delta Chat keeps no tickets for long); two tickets unasked for cost
    # a write and memory on each connection.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context


class Server:
    """The listeners of one service with one handler; `handle(session, sock)` owns its socket until it returns.

    name: becomes `session.service`. addresses: as `bind` takes them; none means off.
    tls: the gateway's context to wrap at once (implicit TLS), or None; a handler of STARTTLS calls `start_tls` itself.
    max_connections, max_per_address: open connections in all and from one IPv4 address or one IPv6 /64. Over that a
    connection gets `busy` (bytes, may be empty) and is closed. Clients on this machine are not counted by address: they
    are reverse proxies that speak no PROXY protocol, or tests.
    """

    def __init__(
        self,
        name: str,
        addresses: tuple[str, ...],
        handle: Callable[[Session, Any], None],
        *,
        tls: ssl.SSLContext | None = None,
        max_connections: int = 10000,
        max_per_address: int = 200,
        busy: bytes = b"",
        handshake_seconds: float = 20.0,
        proxies: tuple[str, ...] = (),
    ) -> None:
        self.name, self.addresses, self.tls = name, addresses, tls
        self._handle, self._busy, self._handshake_seconds = handle, busy, handshake_seconds
        self._max_connections, self._max_per_address = max_connections, max_per_address
        self._proxies = [ipaddress.ip_network(text) for text in proxies]
        self._servers: list[StreamServer] = []
        self._pool = gevent.pool.Group()
        self._early: set[Any] = set()  # greenlets with a connection that is no session yet
        self._sessions: set[Session] = set()
        self._peers: Counter[str] = Counter()
        self._stopping = False

    @property
    def listening(self) -> list[str]:
        """Where it listens, with the real ports."""
        return [shown(server.socket) for server in self._servers]

    @property
    def connections(self) -> int:
        return len(self._sessions)

    def bind(self) -> None:
        """Take the ports. Raises BindError."""
        for address in self.addresses:
            for sock in bind(address):
                # spawn: our own group, so that stop() can wait for handlers after the listeners are closed
                self._servers.append(StreamServer(sock, self._serve, spawn=self._pool.spawn))

    def start(self) -> None:
        """Begin to accept."""
        for server in self._servers:
            server.start()

    def stop(self, seconds: float) -> None:
        """Accept no more, tell every session, give them `seconds` to finish, then cut."""
        self._stopping = True
        for server in self._servers:
            server.close()
        gevent.killall(list(self._early), block=False)  # nothing is in flight there
        for session in list(self._sessions):
            if session.on_stop:
                session.on_stop()
        self._pool.join(seconds)
        self._pool.kill(timeout=1)

    def _serve(self, sock: Any, address: Any) -> None:
        """One connection. Nothing may escape: gevent would print the greenlet with the peer's address."""
        greenlet = gevent.getcurrent()
        self._early.add(greenlet)
        try:
            peer = ""
            if sock.family != stdsocket.AF_UNIX:
                sock.setsockopt(stdsocket.IPPROTO_TCP, stdsocket.TCP_NODELAY, 1)
                peer = address[0]
            with gevent.Timeout(self._handshake_seconds, OSError("handshake")):
                if self._proxies and self._is_proxy(peer):
                    peer = read_proxy_header(sock) or peer
                group = _group(peer)
                if len(self._sessions) >= self._max_connections or self._peers[group] >= self._max_per_address:
                    self._turn_away(sock)
                    return
                if self.tls is not None:
                    sock = self.tls.wrap_socket(sock, server_side=True)
        except (OSError, ValueError, gevent.GreenletExit):
            _close(sock)
            return
        finally:
            self._early.discard(greenlet)
        session = Session(self.name, peer, tls=self.tls is not None)
        self._sessions.add(session)
        if group:
            self._peers[group] += 1
        try:
            self._handle(session, sock)
        except OSError:
            pass  # the client went away
        except Exception as error:
            trace = error.__traceback__
            while trace and trace.tb_next:
                trace = trace.tb_next
            where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
            log.error("session failed session=%s error=%s at=%s", session.id, type(error).__name__, where)
        finally:
            self._sessions.discard(session)
            if group:
                self._peers[group] -= 1
                if not self._peers[group]:
                    del self._peers[group]
            _close(sock)

    def start_tls(self, sock: Any, context: ssl.SSLContext) -> Any:
        """The TLS socket in place of a clear one, after the handshake. Raises OSError. The caller must have thrown
        away what it had read beyond the STARTTLS command.
        """
        with gevent.Timeout(self._handshake_seconds, OSError("handshake")):
            return context.wrap_socket(sock, server_side=True)

    def _is_proxy(self, peer: str) -> bool:
        if not peer:
            return True  # a unix socket: whoever may write to it is trusted
        return any(ipaddress.ip_address(peer) in network for network in self._proxies)

    def _turn_away(self, sock: Any) -> None:
        if self._busy and self.tls is None:
            sock.sendall(self._busy)
        _close(sock)


def _group(peer: str) -> str:
    """One client for the limit: an IPv4 address, or the /64 that one IPv6 customer has; "" for this machine."""
    if not peer or (address := ipaddress.ip_address(peer)).is_loopback:
        return ""
    return peer if address.version == 4 else str(ipaddress.ip_network((peer.partition("%")[0], 64), strict=False))


def _close(sock: Any) -> None:
    try:
        sock.close()
    except OSError:
        pass
