"""TCP and TLS: a service's connections from accept to close, with their limits. It knows bytes, no protocol."""

from __future__ import annotations

import logging
import select
import socket as stdsocket
import time
from collections.abc import Callable, Hashable
from typing import Any

import gevent
import gevent.pool
from gevent import monkey, socket, ssl
from gevent.server import StreamServer

from chatgate.faults import raised_at
from chatgate.limits import Limit
from chatgate.network import peers
from chatgate.network.listeners import bind, shown
from chatgate.network.logins import Logins
from chatgate.network.proxy import read_proxy_header
from chatgate.network.seats import Seat, Seats
from chatgate.network.session import Session
from chatgate.network.sni import local_address
from chatgate.network.turns import Line, clients
from chatgate.reply import Reply

log = logging.getLogger("chatgate.net")

# The system's own poll, which is not used for waiting here; gevent's replacement would make watchers.
_poll = monkey.get_original("select", "poll")

# Seconds for which a connection is sure to keep its place where nobody logs in: long enough for other servers to
# deliver mail and for browsers to get a page.
_PATIENCE = 30.0

# Connections that are taken between two looks at the others. gevent takes 100, which takes 10 ms and more. One at a
# time tears apart clients whose changes could be committed together: POST /new then costs a tenth more.
_ACCEPTED_AT_ONCE = 10

# For how long and how far we go on reading a connection that we have ended, so that the client gets our last words.
_LINGER_SECONDS = 2.0
_LINGER_CHUNKS, _CHUNK = 64, 16384

STOPPING = Reply(421, "4.3.2", "Shutting down, try again later", imap="UNAVAILABLE")


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
    """The listeners of one service with one handler. `handle(session, sock)` speaks until the connection shall end;
    it is closed here, with the end of TLS said before the end of TCP.

    name: becomes `session.service`. addresses: as `chatgate.network.listeners.bind` takes them; none means off.
    tls: the gateway's context to wrap at once (implicit TLS), or None; a handler of STARTTLS calls `start_tls` itself.
    max_connections: open connections in total. max_unauthenticated: where people log in, the limit for connections on
    which nobody has yet; these then do not count towards max_connections. max_per_address: the limit for one client
    under each of the two. All count from accept; see `chatgate.network.seats`. A client that finds no place gets `busy`
    (bytes, may be empty) and is closed. proxies: networks whose connections begin with a PROXY protocol header.
    gateways: networks of reverse proxies of another kind; theirs are not counted by address. logins: the gateway's;
    ends sessions of people who are logged in. shared: other processes serve the same addresses. first: this is the
    process that has the unix sockets, which cannot be shared.
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
        first: bool = True,
    ) -> None:
        self.name, self.addresses, self.tls = name, addresses, tls
        self._handle, self._busy = handle, busy
        self._handshakes = Limit(handshake_seconds)
        self._proxies, self._gateways = peers.Networks(proxies), peers.Networks(gateways)
        self._logins, self._shared, self._first = logins, shared, first
        patience = _PATIENCE if max_unauthenticated is None else 0.0
        strangers = max_connections if max_unauthenticated is None else max_unauthenticated
        self._seats = Seats(name, strangers, max_connections, max_per_address, patience)
        self._servers: list[StreamServer] = []
        # Where it listens, with the real ports; kept while it stops, for work that is still being finished.
        self.listening: list[str] = []
        self._pool = gevent.pool.Group()
        self._turns = Line()
        self._connections: dict[Any, _Connection] = {}  # by greenlet
        self._stopping = False

    @property
    def connections(self) -> int:
        """The number of open connections, including those still in the TLS handshake."""
        return len(self._connections)

    def bind(self) -> None:
        """Take the ports. Raises BindError."""
        for address in self.addresses:
            if address.startswith("unix:") and not self._first:
                continue
            for sock in bind(address, shared=self._shared):
                # spawn: our own group, so that stop() can wait for handlers after the listeners are closed
                spawn: Any = self._pool.spawn
                server = StreamServer(sock, self._serve, spawn=spawn)
                server.max_accept = _ACCEPTED_AT_ONCE
                self._servers.append(server)
                self.listening.append(shown(sock))

    def start(self) -> None:
        """Begin to accept."""
        for server in self._servers:
            server.start()

    def stop(self, seconds: float) -> None:
        """Accept no more, tell every session, give them `seconds` to finish, then cut."""
        self._stopping = True
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
        self._handshakes.run(self._wrap, connection, context)
        if connection.session is not None:
            connection.session.server_name = _server_name(connection.sock)
        return connection.sock

    def _wrap(self, connection: _Connection, context: ssl.SSLContext) -> None:
        """TLS with its handshake. Each step costs about a millisecond, and strangers may have hundreds ready: one
        is done between two looks at the other sockets, and neighbourhoods have theirs by turns.
        """
        owner = connection.owner
        self._turns.pass_by(owner)  # making the TLS socket takes its time, too
        sock = connection.sock = context.wrap_socket(connection.sock, server_side=True, do_handshake_on_connect=False)
        sock.settimeout(0.0)
        wait = socket.wait_read  # the client speaks first
        while True:
            wait(sock.fileno())
            self._turns.pass_by(owner)
            try:
                sock.do_handshake()
                break
            except ssl.SSLWantReadError:
                wait = socket.wait_read
            except ssl.SSLWantWriteError:
                wait = socket.wait_write
        sock.settimeout(None)

    # ------------------------------------------------------------------------------------------ one connection

    def _serve(self, sock: Any, address: Any) -> None:
        """Nothing may escape: gevent would print the greenlet with the peer's address."""
        greenlet = gevent.getcurrent()
        connection = self._connections[greenlet] = clients[greenlet] = _Connection(sock, self._seats, self._logins)
        ended = False
        try:
            try:
                session = self._handshakes.run(self._begin, connection, address)
                if session is not None:
                    self._speak(session, connection)
                    self._turns.pass_by(connection.owner)  # to end TLS takes its time, too
            finally:
                ended = _end(connection.sock)
            if session is not None and not ended:
                self._linger(connection.sock)
        except (OSError, ValueError):
            pass  # the client went away, or speaks something else
        finally:
            connection.leave()
            del self._connections[greenlet], clients[greenlet]
            _close(connection.sock)

    def _begin(self, connection: _Connection, address: Any) -> Session | None:
        """Take a place, do the TLS handshake, make the session; None: there is no place. Raises OSError, and ValueError
        for a bad PROXY header.
        """
        peer = ""
        if isinstance(address, tuple):  # else it came by a unix socket
            peer = address[0]
            if ":" in peer:  # IPv4 is written as `peers.normal` does it
                peer = peers.normal(peer)
        # A unix socket: whoever may write to it is trusted. So is a proxy, to send its header without delay.
        if self._proxies and (not peer or peer in self._proxies):
            try:
                peer = peers.normal(read_proxy_header(connection.sock)) or peer
            except ValueError as error:
                log.debug("connection refused service=%s: a proxy must say who the client is: %s", self.name, error)
                raise
        seat = Seat("" if peer in self._gateways else peer, connection.cut)
        if not self._seats.take(seat):
            if self._busy and self.tls is None:
                connection.sock.sendall(self._busy)
            return None
        connection.seat, connection.owner = seat, seat.network
        if self.tls is not None:
            self._wrap(connection, self.tls)
        connection.session = Session(
            self.name,
            peer,
            tls=self.tls is not None,
            connection=connection,
            server_name=_server_name(connection.sock),
        )
        return connection.session

    def _speak(self, session: Session, connection: _Connection) -> None:
        try:
            self._handle(session, connection.sock)
        except OSError:
            pass  # the client went away
        except Exception as error:
            where = raised_at(error.__traceback__)
            log.error("session failed session=%s error=%s at=%s", session.id, type(error).__name__, where)

    def _linger(self, sock: Any) -> None:
        """Closing a socket with unread data resets the connection, and a reset may overtake the last words. So what has
        come is read, and what the client sends before it notices. Raises OSError.
        """
        deadline = time.monotonic() + _LINGER_SECONDS
        for _ in range(_LINGER_CHUNKS):
            if not self._stopping:  # else nobody has time to wait for those who send nothing
                socket.wait_read(sock.fileno(), max(deadline - time.monotonic(), 0.001))
            if not sock.recv(_CHUNK):
                return


class _Connection:
    """sock: the present socket, clear or with TLS. session: None until it is made. owner: for `chatgate.network.turns`:
    the account or, before a login, the neighbourhood.
    """

    __slots__ = ("sock", "seat", "session", "owner", "_seats", "_logins")

    def __init__(self, sock: Any, seats: Seats, logins: Logins | None) -> None:
        self.sock, self._seats, self._logins = sock, seats, logins
        self.seat: Seat | None = None
        self.session: Session | None = None
        self.owner: Hashable = None

    def gone(self) -> bool:
        """Has the client closed its side, or has ours been cut? A client that closes its side of TLS, or of a mail
        protocol, does not wait for anything any more.
        """
        poll = _poll()
        try:
            poll.register(self.sock, select.POLLRDHUP)
            return bool(poll.poll(0))
        except (OSError, ValueError):  # closed
            return True

    def logged_in(self) -> None:
        if self.seat is not None:
            self._seats.log_in(self.seat)
        if self.session is not None and self.session.account is not None:
            self.owner = self.session.account.id
            if self._logins is not None:
                self._logins.enter(self.session)

    def leave(self) -> None:
        """The connection is over. Its memory is freed now, not when Python's garbage collector finds the reference
        cycles.
        """
        if self.session is not None:
            if self._logins is not None:
                self._logins.leave(self.session)
            self.session.on_stop = None
        if self.seat is not None:
            self._seats.leave(self.seat)
        self.session = self.seat = None

    def cut(self) -> None:
        """End the connection, whatever its greenlet waits for. (Not by close, as that greenlet is within a call.)"""
        try:
            socket.socket.shutdown(self.sock, stdsocket.SHUT_RDWR)
        except OSError:
            pass  # ended already


def _server_name(sock: Any) -> str:
    """What the client asked for by TLS, see `chatgate.network.sni`, or else our address to which it has connected."""
    return getattr(sock, "server_hostname", None) or local_address(sock)


def _end(sock: Any) -> bool:
    """The end of TLS (close_notify, RFC 8446 §6.1: without it the client must think that somebody cut the connection),
    then that of TCP's sending side. It waits for nobody. Has the client ended its side of TLS before, so that nothing
    more can come?
    """
    ended = False
    try:
        sock.settimeout(0.0)
        if isinstance(sock, ssl.SSLSocket):
            try:
                sock.unwrap()
                ended = True
            except (OSError, ValueError):
                pass
        sock.shutdown(stdsocket.SHUT_WR)
    except OSError:
        pass
    return ended


def _close(sock: Any) -> None:
    try:
        sock.close()
    except OSError:
        pass
