"""HTTP to the notification service: keep-alive connections with Python's own http.client.

It takes half the CPU time of a larger library and no extra memory, and logs nothing: the texts of HTTP errors may
repeat what the service said, and that may contain a token. For the same reason nothing here keeps an exception's text.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import time
from collections import deque
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

import gevent
import gevent.socket

from chatgate.api import verifying
from chatgate_push.connection import Connection

_MAX_BODY = 4096  # octets of a body that are worth reading to keep the connection
# For gevent.Timeout: end the block without raising. gevent's type stubs only allow exceptions here.
QUIETLY: Any = False
_BODY_SECONDS = 1.0  # seconds that are worth waiting for the body
# What http.client raises; the last two are for invalid numbers and too large ones.
_BROKEN = (OSError, http.client.HTTPException, ValueError, OverflowError)
_PRINTABLE = re.compile(r"[!-~]+")


class Outcome(Enum):
    """The outcome of a request. service_works: does the answer show that the service works?"""

    ACCEPTED = "accepted"
    GONE = "gone"
    REFUSED = "refused"  # an answer that may be about this token only, 4xx and 500
    ANSWER = "answer"  # any other answer, such as 503
    TIMEOUT = "timeout"
    CONNECT = "connect"
    TLS = "tls"
    BROKEN = "broken"  # connection closed during the answer, or an answer that is not HTTP

    @property
    def service_works(self) -> bool:
        return self in (Outcome.ACCEPTED, Outcome.GONE, Outcome.REFUSED)


class _Failed(Exception):
    """outcome: all that is known of the failure."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.value)
        self.outcome = outcome


class Client:
    """Requests to one URL. seconds: for a whole request. idle_seconds: how long an unused connection is kept."""

    def __init__(self, url: str, ca_file: str, seconds: float, idle_seconds: float) -> None:
        """Raises ValueError with one clear line if the URL cannot be used."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:  # an invalid port, or invalid brackets
            fit = False
        else:
            fit = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None and port != 0
        if not fit or not _PRINTABLE.fullmatch(url):
            raise ValueError("url must be https://HOST/PATH or http://HOST/PATH")
        self.secure, self.host = parts.scheme == "https", parts.hostname or ""
        self._default_port = 443 if self.secure else 80
        self._port = port or self._default_port
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._ca_file, self._seconds, self._idle_seconds = ca_file, seconds, idle_seconds
        self._idle: deque[tuple[float, Connection]] = deque()

    @property
    def context(self) -> Any:
        """The TLS context, which verifies certificate and host name. Raises OSError if `ca_file` cannot be used."""
        return verifying(self._ca_file)

    def prepare(self) -> None:
        """Load the trusted authorities now, so that nobody waits the 50 ms for it later. Raises OSError."""
        if self.secure:
            _ = self.context

    def post(self, body: bytes) -> Outcome:
        """One request, without following redirects. Blocks its greenlet until the status has arrived, for at most
        `seconds`. Only the status counts: a service that says nothing more after it has taken the request all the same.
        """
        try:
            with gevent.Timeout(self._seconds, _Failed(Outcome.TIMEOUT)):
                connection, response = self._request(body)
        except _Failed as error:
            return error.outcome
        self._finish(connection, response)
        return _outcome(response.status)

    def close(self) -> None:
        while self._idle:
            self._idle.pop()[1].close()

    def _request(self, body: bytes) -> tuple[Connection, http.client.HTTPResponse]:
        if (connection := self._kept()) is not None:
            try:
                return connection, self._exchange(connection, body)
            except (ConnectionError, ssl.SSLError):
                pass  # the service had just closed the idle connection: not a failure yet
            except _BROKEN:
                raise _Failed(Outcome.BROKEN) from None
        connection = self._connect()
        try:
            return connection, self._exchange(connection, body)
        except _BROKEN:
            raise _Failed(Outcome.BROKEN) from None

    def _kept(self) -> Connection | None:
        """The most recently used connection; those unused for too long are closed."""
        before = time.monotonic() - self._idle_seconds
        while self._idle and self._idle[0][0] < before:
            self._idle.popleft()[1].close()
        while self._idle:
            connection = self._idle.pop()[1]
            if connection.quiet():
                return connection
            connection.close()
        return None

    def _connect(self) -> Connection:
        try:
            # Try each address of the name, as the first one may be unreachable.
            sock = gevent.socket.create_connection((self.host, self._port), self._seconds / 4)
        except OSError:
            raise _Failed(Outcome.CONNECT) from None
        try:
            sock.settimeout(None)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.secure:
                sock = self.context.wrap_socket(sock, server_hostname=self.host, do_handshake_on_connect=False)
                sock.do_handshake()
        except OSError:  # includes ssl.SSLError and a missing ca_file
            sock.close()
            raise _Failed(Outcome.TLS) from None
        except BaseException:  # the time is over
            sock.close()
            raise
        return Connection(self.host, self._port, self._default_port, sock)

    def _exchange(self, connection: Connection, body: bytes) -> http.client.HTTPResponse:
        try:
            connection.request("POST", self._target, body, {"User-Agent": "chatgate"})
            return connection.getresponse()
        except BaseException:
            connection.close()
            raise

    def _finish(self, connection: Connection, response: http.client.HTTPResponse) -> None:
        """Read the body, only to keep the connection; it is closed if it cannot serve another request."""
        keep = False
        try:
            with response, gevent.Timeout(_BODY_SECONDS, QUIETLY):
                response.read(_MAX_BODY)
                keep = response.isclosed() and not response.will_close and response.status >= 200
        except _BROKEN:
            pass
        finally:
            if keep:
                self._idle.append((time.monotonic(), connection))
            else:
                connection.close()


def _outcome(status: int) -> Outcome:
    if status == 200:
        return Outcome.ACCEPTED
    if status == 410:
        return Outcome.GONE
    # 429 "too many requests" is about all tokens: the service asks for a pause. 500 is what the notification service
    # answers to a token that it cannot use, and anybody can set such a token.
    return Outcome.REFUSED if 400 <= status <= 500 and status != 429 else Outcome.ANSWER
