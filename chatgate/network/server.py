"""TCP and TLS: a service's connections from accept to close, with their limits. It knows bytes, no protocol."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

import gevent
import gevent.pool
from gevent import ssl
from gevent.server import StreamServer

from chatgate import names
from chatgate.faults import raised_at
from chatgate.limits import Limit
from chatgate.network import peers
from chatgate.network.alpn import Protocols
from chatgate.network.connection import Connection
from chatgate.network.handshake import begin_tls
from chatgate.network.listeners import BindError, bind, shown
from chatgate.network.logins import Logins
from chatgate.network.passed import Passed
from chatgate.network.proxy import read_proxy_header
from chatgate.network.seats import Seat, Seats
from chatgate.network.session import Session
from chatgate.network.turns import Line, clients
from chatgate.reply import Reply

log = logging.getLogger("chatgate.net")

# Seconds for which a connection is sure to keep its place where nobody logs in: long enough for other servers to
# deliver mail and for browsers to get a page.
_PATIENCE = 30.0

# Connections that are taken between two looks at the others. gevent takes 100, which takes 10 ms and more. One at a
# time tears apart clients whose changes could be committed together: POST /new then costs a tenth more.
_ACCEPTED_AT_ONCE = 10

STOPPING = Reply(421, "4.3.2", "Shutting down, try again later", imap="UNAVAILABLE")


class Server:
    """The listeners of one service with one handler. `handle(session, sock)` speaks until the connection shall end;
    it is closed here, with the end of TLS said before the end of TCP.

    name: becomes `session.service`. addresses: as `chatgate.names.listener` reads them; none means off.
    tls: the gateway's context to wrap at once (implicit TLS), or None; a handler of STARTTLS calls `start_tls` itself.
    max_connections: open connections in total. max_unauthenticated: where people log in, the limit for connections on
    which nobody has yet; these then do not count towards max_connections. max_per_address: the limit for one client
    under each of the two. All count from accept; see `chatgate.network.seats`. A client that finds no place gets `busy`
    (bytes, may be empty) and is closed. proxies: networks whose connections begin with a PROXY protocol header.
    gateways: networks of reverse proxies of another kind; theirs are not counted by address. logins: the gateway's;
    ends sessions of people who are logged in. shared: other processes serve the same addresses. first: this is the
    process that has the unix sockets, which cannot be shared.

    alpn: the name of this protocol in TLS, by which it can be reached through listeners of other services, among
    `protocols`. by_alpn: this one's listeners are of that kind: a connection that asks for another service becomes that
    service's, with its limits. context: for a service that is reached only in that way: its own context for the host
    that a client names ("" for none), or None to refuse it.
    """

    def __init__(
        self,
        name: str,
        addresses: tuple[str, ...],
        handle: Callable[[Session, Any], None],
        *,
        tls: ssl.SSLContext | None = None,
        max_connections: int = 10000,
        max_unauthenticated: int | None = None,
        max_per_address: int = 200,
        busy: bytes = b"",
        handshake_seconds: float = 20.0,
        proxies: tuple[str, ...] = (),
        gateways: tuple[str, ...] = (),
        logins: Logins | None = None,
        shared: bool = False,
        passed: Passed | None = None,
        first: bool = True,
        protocols: Protocols | None = None,
        alpn: str = "",
        by_alpn: bool = False,
        context: Callable[[str], ssl.SSLContext | None] | None = None,
    ) -> None:
        self.name, self.addresses, self.tls = name, addresses, tls
        self._handle, self._busy = handle, busy
        self._handshakes = Limit(handshake_seconds)
        self._proxies, self._gateways = peers.Networks(proxies), peers.Networks(gateways)
        self._logins, self._shared, self._passed, self._first = logins, shared, passed, first
        patience = _PATIENCE if max_unauthenticated is None else 0.0
        self._rooms = max_unauthenticated is not None
        strangers = max_connections if max_unauthenticated is None else max_unauthenticated
        self.seats = Seats(name, strangers, max_connections, max_per_address, patience)
        self._servers: list[StreamServer] = []
        # Where it listens, with the real ports; kept while it stops, for work that is still being finished.
        self.listening: list[str] = []
        self.accepted = 0  # connections since the start, those without a place included
        self._pool = gevent.pool.Group()
        self._turns = Line()
        self._connections: dict[Any, Connection] = {}  # by greenlet
        self.stopping = False
        self.alpn, self.by_alpn, self.context = alpn, by_alpn, context
        self._protocols = protocols or Protocols()
        if alpn:
            self._protocols.add(self)

    def limit(self, max_connections: int, max_unauthenticated: int, max_per_address: int) -> None:
        """The limits, from now on. No open connection ends. max_unauthenticated: where people log in."""
        self.seats.limit(max_unauthenticated if self._rooms else max_connections, max_connections, max_per_address)

    @property
    def connections(self) -> int:
        """The number of open connections, including those still in the TLS handshake."""
        return len(self._connections)

    def bind(self) -> None:
        """Take the ports. Raises BindError."""
        for text in self.addresses:
            try:
                where = names.listener(text)
            except ValueError as error:
                raise BindError(f"cannot listen on {text}: {error}") from error
            if "decrypted" in where.words and self.tls is None:
                raise BindError(
                    f"cannot listen on {text}: {self.name} begins without TLS, so there is none to take off"
                )
            if where.host == "unix" and not self._first:
                continue
            for sock in bind(where.address, shared=self._shared, passed=self._passed):
                # spawn: our own group, so that stop() can wait for handlers after the listeners are closed
                spawn: Any = self._pool.spawn
                serve = functools.partial(self._serve, words=where.words) if where.words else self._serve
                server = StreamServer(sock, serve, spawn=spawn)
                server.max_accept = _ACCEPTED_AT_ONCE
                self._servers.append(server)
                self.listening.append(" ".join((shown(sock), *where.words)))

    def start(self) -> None:
        """Begin to accept."""
        for server in self._servers:
            server.start()

    def stop(self, seconds: float) -> None:
        """Accept no more, tell every session, give them `seconds` to finish, then cut."""
        self.stopping = True
        self._protocols.remove(self)
        for server in self._servers:
            server.close()
        for greenlet, connection in list(self._connections.items()):
            if connection.session is None:
                greenlet.kill(block=False)  # nothing is in flight there
            else:
                connection.session.end(STOPPING)
        self._pool.join(seconds)
        self._pool.kill(timeout=1)

    def start_tls(self, sock: Any, context: ssl.SSLContext) -> Any:
        """The TLS socket in place of a clear one, after the handshake. Raises OSError. To be called in the connection's
        greenlet, which must have thrown away what it had read beyond the STARTTLS command.
        """
        connection = self._connections[gevent.getcurrent()]
        self._handshakes.run(begin_tls, connection, context, self._turns)
        if connection.session is not None:
            connection.session.server_name = connection.server_name()
        return connection.sock

    # ------------------------------------------------------------------------------------------ one connection

    def _serve(self, sock: Any, address: Any, words: tuple[str, ...] = ()) -> None:
        """words: of the listener. Nothing may escape: gevent would print the greenlet with the peer's address."""
        self.accepted += 1
        greenlet = gevent.getcurrent()
        connection = self._connections[greenlet] = clients[greenlet] = Connection(sock, self, self._logins)
        ended = False
        try:
            try:
                session = self._handshakes.run(self._begin, connection, address, words)
                if session is not None:
                    connection.server._speak(session, connection)
                    self._turns.pass_by(connection.owner)  # to end TLS takes its time, too
            finally:
                ended = connection.end()
            if session is not None and not ended:
                connection.linger(lambda: not connection.server.stopping)
        except (OSError, ValueError):
            pass  # the client went away, or speaks something else
        finally:
            connection.leave()
            del connection.server._connections[greenlet], clients[greenlet]
            connection.close()

    def _begin(self, connection: Connection, address: Any, words: tuple[str, ...]) -> Session | None:
        """Take a place, do the TLS handshake, make the session; None: there is no place. Raises OSError, and ValueError
        for a bad PROXY header.
        """
        peer = peers.of(address)
        # A unix socket: whoever may write to it is trusted. So is a proxy, to send its header without delay.
        if "proxy" in words or (self._proxies and (not peer or peer in self._proxies)):
            try:
                peer = peers.normal(read_proxy_header(connection.sock)) or peer
            except ValueError as error:
                log.debug("connection refused service=%s: a proxy must say who the client is: %s", self.name, error)
                raise
        if not self._seat(connection, peer):
            if self._busy and self.tls is None:
                connection.sock.sendall(self._busy)
            return None
        if self.tls is None or "decrypted" in words:
            return self._session(connection, peer)
        if not self.by_alpn:
            begin_tls(connection, self.tls, self._turns)
            return self._session(connection, peer)
        server, host = self._protocols.before(connection)
        if server is not None:
            return server._take_over(connection, peer, host)
        begin_tls(connection, self.tls, self._turns)
        server = self._protocols.after(connection)
        if server is None or server is self:
            return self._session(connection, peer)
        return server._take_over(connection, peer)

    def _seat(self, connection: Connection, peer: str) -> bool:
        """Give the connection a place; False: there is none."""
        seat = Seat("" if peer in self._gateways else peer, connection.cut)
        if not self.seats.take(seat):
            return False
        connection.seat, connection.owner = seat, seat.network
        return True

    def _session(self, connection: Connection, peer: str) -> Session:
        connection.session = Session(
            self.name,
            peer,
            tls=self.tls is not None,
            connection=connection,
            server_name=connection.server_name(),
        )
        return connection.session

    def _take_over(self, connection: Connection, peer: str, host: str = "") -> Session | None:
        """Make a connection of another service's listener ours, in its greenlet: from now on it counts among ours,
        and it ends when we stop. host: for `context`. None: there is no place. Raises OSError.
        """
        greenlet: Any = gevent.getcurrent()
        before = connection.server
        if self.stopping:
            return None
        connection.give_up_seat()
        del before._connections[greenlet]
        before._pool.discard(greenlet)
        connection.server = self
        self._connections[greenlet] = connection
        self._pool.add(greenlet)
        if not self._seat(connection, peer):
            if self._busy and self.context is None:
                connection.sock.sendall(self._busy)
            return None
        if self.context is not None:
            try:
                context = self.context(host)
            except Exception as error:
                self._failed(connection, error)
                return None
            if context is None:
                return None
            begin_tls(connection, context, self._turns)
        return self._session(connection, peer)

    def _speak(self, session: Session, connection: Connection) -> None:
        try:
            self._handle(session, connection.sock)
        except OSError:
            pass  # the client went away
        except Exception as error:
            self._failed(connection, error)

    def _failed(self, connection: Connection, error: Exception) -> None:
        session = connection.session.id if connection.session is not None else "none"
        kind, where = type(error).__name__, raised_at(error.__traceback__)
        log.error("session failed service=%s session=%s error=%s at=%s", self.name, session, kind, where)
