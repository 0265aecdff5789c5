"""HTTP/1.1 by gevent's pywsgi on the gateway's own listeners, which provide TLS, the PROXY protocol, connection limits
and a graceful stop. This module adds what a server on the open Internet needs: limits of time and size, strict framing,
and logs without addresses or anything a client sent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import Any, Protocol

import gevent
from gevent import socket
from gevent.pywsgi import WSGIHandler, WSGIServer

from chatgate.api import Domains, Gateway, Limiter, Server, Session, Work, raised_at
from chatgate_site.fields import Fields
from chatgate_site.forwarded import Forwarded
from chatgate_site.options import SiteOptions
from chatgate_site.places import host_of

log = logging.getLogger("chatgate.site")

# Octets read of an unwanted body before the connection is cut, so that the client gets to see the answer.
_DISCARD = 262144

# Octets of a body that go out together with the header.
_TOGETHER = 16384


class Application(Protocol):
    """A WSGI application, and what a server must know of it. uncounted: paths whose requests do not count towards the
    limit for a client.
    """

    @property
    def uncounted(self) -> Collection[str]: ...

    def enter(self, environ: dict[str, Any]) -> None:
        """Called for each request before all else, to change its path."""
        ...

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any: ...


def server(
    gateway: Gateway,
    options: SiteOptions,
    name: str,
    addresses: tuple[str, ...],
    app: Application,
    requests: Limiter,
    *,
    tls: bool = False,
    alpn: bool = False,
) -> Server:
    """A service of this name that answers with this application. tls: by HTTPS. alpn: other services may share its
    port, and clients say which they want.
    """
    # Not used for listening: it holds what all connections have in common.
    common = WSGIServer(
        ("127.0.0.1", 0),
        app,
        log=None,
        error_log=None,
        environ={"SERVER_NAME": gateway.domains.first.hostname, "SERVER_PORT": ""},
    )

    forwarded = Forwarded(options.forwarded_for_from)

    def handle(session: Session, sock: Any) -> None:
        _Connection(common, options, gateway.domains, session, sock, forwarded, requests, app).handle()

    return gateway.server(
        name,
        addresses,
        handle,
        implicit_tls=tls,
        alpn="http/1.1" if addresses and alpn else "",
        by_alpn=alpn,
        max_connections=options.max_connections,
        max_per_address=options.max_per_address,
        gateways=forwarded.networks,
    )


REQUESTS_PER_MINUTE = 300_000  # from everybody: more than this program can answer

_TOO_MANY = b"HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n"


class _TooLarge(ValueError):
    pass


class _Connection(WSGIHandler):
    # None where there is none at the moment, but not where they are read here.
    environ: Any
    headers: Any
    socket: Any
    wsgi_input: Any

    def __init__(
        self,
        common: WSGIServer,
        options: SiteOptions,
        domains: Domains,
        session: Session,
        sock: Any,
        forwarded: Forwarded,
        requests: Limiter,
        site: Application,
    ) -> None:
        # No client address: it would become REMOTE_ADDR and appear in pywsgi's logs.
        nobody: Any = None
        super().__init__(sock, nobody, common)
        self._options, self._session, self._domains = options, session, domains
        self._server_name = session.server_name
        self._forwarded, self._requests, self._site = forwarded, requests, site
        self._work = Work()
        self._idle, self._stopping = False, False
        self._held: bytearray | None = None
        session.on_stop = self._stop

    def _stop(self) -> None:
        """The gateway stops: end now if no request is being handled, else after its answer."""
        self._stopping = True
        if self._idle:
            # Shut down only TCP: the greenlet that waits in TLS then sees the end and leaves by itself.
            socket.socket.shutdown(self.socket, socket.SHUT_RD)

    def handle_one_request(self) -> Any:
        self._timer = gevent.Timeout.start_new(self._options.idle_seconds, TimeoutError())
        try:
            result = super().handle_one_request()
        finally:
            self._timer.close()
            self._idle = False
        if result is True and not self._stopping:
            return True
        if isinstance(result, tuple):
            self.socket.sendall(result[1])
        self.socket = None  # the core closes it properly; pywsgi would end TCP but not TLS
        return None

    def read_requestline(self) -> str:
        self._idle = True
        line = super().read_requestline()
        self._idle = False
        return line

    def MessageClass(self, rfile: Any, *_: Any) -> Any:  # noqa: N802 (pywsgi's name)
        """Read the header of a request, which must arrive completely and in time."""
        lines: list[bytes] = []
        left = self._options.max_header
        while not lines or lines[-1] not in (b"\r\n", b"\n", b""):
            lines.append(rfile.readline(left + 1))
            left -= len(lines[-1])
            if left < 0:
                raise _TooLarge
        self._work.turn()  # hundreds of clients may finish their headers at the same moment
        return Fields(lines[:-1])

    def read_request(self, raw_requestline: str) -> Any:
        """Raises ValueError for requests that two HTTP programs could frame differently (RFC 9112 §6)."""
        super().read_request(raw_requestline)
        fields: Any = self.headers  # a `Fields`
        lengths, encodings, hosts = map(fields.get_all, ("content-length", "transfer-encoding", "host"))
        if (
            self.request_version == "HTTP/0.9"
            or len(lengths) > 1
            or not all(length.isdecimal() and length.isascii() for length in lengths)
            or (encodings and [e.lower() for e in encodings] != ["chunked"])
            or len(hosts) > 1
            or (self.request_version == "HTTP/1.1" and not hosts)  # RFC 9112 §3.2
        ):
            raise ValueError
        return True

    def get_environ(self) -> dict[str, Any]:
        environ = super().get_environ()
        session = self._session
        # pywsgi joins fields of the same name in their order.
        peer = self._forwarded.client(session.peer, environ.get("HTTP_X_FORWARDED_FOR", ""))
        if peer != session.peer:  # a proxy's connection carries requests of many clients
            tls = session.tls or environ.get("HTTP_X_FORWARDED_PROTO", "").rpartition(",")[2].strip() == "https"
            session = Session(session.service, peer, tls=tls)
        # The Host field says which site is meant; if a proxy has replaced it, the server name of TLS does.
        host = host_of(environ.get("HTTP_HOST", ""))
        session.server_name = host if self._domains.at(host) else self._server_name
        environ["chatgate.session"] = session
        environ["wsgi.url_scheme"] = "https" if session.tls else "http"
        self._site.enter(environ)
        return environ

    def handle_one_response(self) -> None:
        self._timer.close()
        self._timer = gevent.Timeout.start_new(self._options.request_seconds, TimeoutError())
        self._work.begin()
        self._work.turn()  # a client may send many requests at once, and reading the next ones never yields
        counted = self.environ["PATH_INFO"] not in self._site.uncounted
        if not counted or self._requests.take(self.environ["chatgate.session"].client) is not None:
            super().handle_one_response()
        else:
            self.close_connection = True
            self.socket.sendall(_TOO_MANY)

    def _write_with_headers(self, data: bytes) -> None:
        """pywsgi writes the header and the body one after the other: two TLS records, two packets, two wake-ups of the
        client, and for a short answer that costs more than all else.
        """
        self._held = bytearray()
        super()._write_with_headers(data)  # type: ignore[misc]
        held, self._held = self._held, None
        if held:
            super()._sendall(held)  # type: ignore[misc]

    def _sendall(self, data: bytes) -> None:
        if self._held is not None and len(data) <= _TOGETHER:
            self._held += data
            return
        if self._held:
            held, self._held = self._held, bytearray()
            super()._sendall(held)  # type: ignore[misc]
        super()._sendall(data)  # type: ignore[misc]

    def run_application(self) -> None:
        try:
            super().run_application()
        finally:
            body = self.wsgi_input
            left = (body.content_length or 0) - body.position
            # Nobody may be sending it: the time for the request is over, or the client waits for 100 Continue (RFC
            # 9110 §10.1.1).
            silent = left > 0 and (self.close_connection or not self._timer.pending or body.socket is not None)
            if body.chunked_input or left > _DISCARD or silent:
                # pywsgi would read all the rest, however long it is.
                self.close_connection = True
                rest = 0 if body.chunked_input or silent else body.position + _DISCARD
                body.chunked_input, body.content_length = False, rest

    def _handle_client_error(self, ex: Exception) -> tuple[str, bytes]:
        status = b"400 Bad Request"
        if isinstance(ex, _TooLarge):
            status = b"431 Request Header Fields Too Large"
        elif isinstance(ex, TimeoutError):
            status = b"408 Request Timeout"
        return status.decode(), b"HTTP/1.1 " + status + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

    def _log_error(self, t: Any, v: Any, tb: Any) -> None:
        if not issubclass(t, OSError | gevent.GreenletExit):
            log.error("request failed error=%s at=%s", t.__name__, raised_at(tb))

    def log_request(self) -> None:
        """No access log: it would reveal who was here and when."""
