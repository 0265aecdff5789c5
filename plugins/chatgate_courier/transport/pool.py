"""Connections kept for the next message, and seats: how many there may be to one host."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import gevent.lock
import gevent.pool

from chatgate_courier.transport.https import HttpsConnection
from chatgate_courier.transport.options import TransportOptions
from chatgate_courier.transport.smtp import SmtpConnection

Connection = SmtpConnection | HttpsConnection

_SESSIONS = 1000
_SESSION_SECONDS = 3600.0  # so that a certificate that was good once is looked at again
_SWEEP = 1.0  # seconds between two looks for connections that nobody used
_LAST_WORDS = 2.0  # seconds that all connections together get to say goodbye when the gateway stops


class Pool:
    """Unused connections by a key that says all that makes two of them alike: host, port, kind, trust …"""

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        # The one longest unused first, over all keys.
        self._idle: OrderedDict[Connection, tuple[Hashable, float]] = OrderedDict()
        self._by_key: dict[Hashable, list[Connection]] = {}
        self._sessions: OrderedDict[Hashable, tuple[Any, float]] = OrderedDict()
        self._seats: dict[str, list[Any]] = {}
        self._sweeper: Any = None
        self._leaving = gevent.pool.Group()

    def __len__(self) -> int:
        """How many unused connections are kept."""
        return len(self._idle)

    @contextmanager
    def seat(self, host: str) -> Iterator[None]:
        """Wait until one more connection to this host is allowed."""
        seats = self._seats.get(host)
        if seats is None:
            seats = self._seats[host] = [gevent.lock.BoundedSemaphore(self._options.connections_per_host), 0]
        seats[1] += 1  # who sits there or waits
        try:
            with seats[0]:
                yield
        finally:
            seats[1] -= 1
            if not seats[1]:
                self._seats.pop(host, None)

    def take(self, key: Hashable) -> Connection | None:
        """The connection used last, if there is one that still works."""
        while kept := self._by_key.get(key):
            connection = kept[-1]
            self._forget(connection)
            if connection.wire.quiet():
                return connection
            connection.close()
        return None

    def give(self, key: Hashable, connection: Connection) -> None:
        """It has done its work: keep it for the next, or close it."""
        self._keep_session(key, connection)
        if not connection.reusable or not self._options.idle_connections:
            self._dismiss(connection)
            return
        while len(self._idle) >= self._options.idle_connections:
            self._dismiss(self._forget(next(iter(self._idle))))
        seconds = (
            self._options.smtp_idle_seconds
            if isinstance(connection, SmtpConnection)
            else self._options.https_idle_seconds
        )
        self._idle[connection] = (key, time.monotonic() + seconds)
        self._by_key.setdefault(key, []).append(connection)
        if self._sweeper is None:
            self._sweeper = gevent.spawn(self._sweep)

    def session(self, key: Hashable) -> Any:
        """The TLS session of an earlier connection, which spares both sides half of the next handshake."""
        session, until = self._sessions.get(key, (None, 0.0))
        return session if time.monotonic() < until else None

    def close(self) -> None:
        """Say goodbye on all connections that are kept. Further ones may be made."""
        for connection in list(self._idle):
            self._dismiss(self._forget(connection))
        self._leaving.join(_LAST_WORDS)
        self._leaving.kill()
        if self._sweeper is not None:
            self._sweeper.kill()

    def _keep_session(self, key: Hashable, connection: Connection) -> None:
        if connection.sent == 1:
            session = getattr(connection.wire.sock, "session", None)
            if session is not None:
                self._sessions[key] = (session, time.monotonic() + _SESSION_SECONDS)
                self._sessions.move_to_end(key)
                if len(self._sessions) > _SESSIONS:
                    self._sessions.popitem(last=False)

    def _forget(self, connection: Connection) -> Connection:
        key, _ = self._idle.pop(connection)
        kept = self._by_key[key]
        kept.remove(connection)
        if not kept:
            del self._by_key[key]
        return connection

    def _dismiss(self, connection: Connection) -> None:
        """Close it politely, without waiting for that."""
        if isinstance(connection, SmtpConnection):
            self._leaving.spawn(connection.quit)
        else:
            connection.close()

    def _sweep(self) -> None:
        try:
            while self._idle:
                gevent.sleep(_SWEEP)
                now = time.monotonic()
                for connection in [one for one, (_, until) in self._idle.items() if now >= until]:
                    self._dismiss(self._forget(connection))
        finally:
            self._sweeper = None
