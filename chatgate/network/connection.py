"""One connection of a server: its socket, who has it, and how it ends."""

from __future__ import annotations

import select
import socket as stdsocket
import time
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

from gevent import monkey, socket, ssl

from chatgate.network.contexts import local_address
from chatgate.network.logins import Logins
from chatgate.network.seats import Seat
from chatgate.network.session import Session

if TYPE_CHECKING:
    from chatgate.network.server import Server

# The system's own poll, which is not used for waiting here; gevent's replacement would make watchers.
_poll = monkey.get_original("select", "poll")

# For how long and how far we go on reading a connection that we have ended, so that the client gets our last words.
_LINGER_SECONDS = 2.0
_LINGER_CHUNKS, _CHUNK = 64, 16384


class Connection:
    """sock: the present socket, clear or with TLS. server: the one that it counts for. session: None until it is made.
    owner: for `chatgate.network.turns`: the account or, before a login, the neighbourhood.
    """

    __slots__ = ("sock", "seat", "session", "owner", "server", "_logins")

    def __init__(self, sock: Any, server: Server, logins: Logins | None) -> None:
        self.sock, self.server, self._logins = sock, server, logins
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
            self.server.seats.log_in(self.seat)
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
        self.give_up_seat()
        self.session = None

    def give_up_seat(self) -> None:
        if self.seat is not None:
            self.server.seats.leave(self.seat)
            self.seat = None

    def cut(self) -> None:
        """End the connection, whatever its greenlet waits for. (Not by close, as that greenlet is within a call.)"""
        try:
            socket.socket.shutdown(self.sock, stdsocket.SHUT_RDWR)
        except OSError:
            pass  # ended already

    def linger(self, patient: Callable[[], bool]) -> None:
        """Closing a socket with unread data resets the connection, and a reset may overtake the last words. So what has
        come is read, and what the client sends before it notices. patient: is there time to wait for those who send
        nothing? Raises OSError.
        """
        deadline = time.monotonic() + _LINGER_SECONDS
        for _ in range(_LINGER_CHUNKS):
            if patient():
                socket.wait_read(self.sock.fileno(), max(deadline - time.monotonic(), 0.001))
            if not self.sock.recv(_CHUNK):
                return

    def server_name(self) -> str:
        """What the client asked for by TLS, see `chatgate.network.contexts`, or else our address."""
        return getattr(self.sock, "server_hostname", None) or local_address(self.sock)

    def end(self) -> bool:
        """The end of TLS (close_notify, RFC 8446 §6.1: without it the client must think that somebody cut the
        connection), then that of TCP's sending side. It waits for nobody. Has the client ended its side of TLS before,
        so that nothing more can come?
        """
        ended = False
        try:
            self.sock.settimeout(0.0)
            if isinstance(self.sock, ssl.SSLSocket):
                try:
                    self.sock.unwrap()
                    ended = True
                except (OSError, ValueError):
                    pass
            self.sock.shutdown(stdsocket.SHUT_WR)
        except OSError:
            pass
        return ended

    def close(self) -> None:
        try:
            self.sock.close()
        except OSError:
            pass
