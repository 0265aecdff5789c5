"""The listener: GET /metrics, /healthz and /readyz, one request for each connection."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import gevent

from chatgate.api import Session

_MOST = 8192  # octets of a request's header
_REQUEST = re.compile(rb"(GET|HEAD) (/[!-~]*) HTTP/1\.[01]")
_ACCEPT = re.compile(rb"\r\naccept:([ -~\t]*)\r\n", re.IGNORECASE)
_TEXT = "text/plain; charset=utf-8"

# (status, content type, body)
Answer = tuple[str, str, bytes]


class Listener:
    """pages: what to answer at each path; given the Accept field of the request. seconds: for the whole request."""

    def __init__(self, pages: Mapping[str, Callable[[str], Answer]], seconds: float) -> None:
        self._pages, self._seconds = pages, seconds

    def handle(self, session: Session, sock: Any) -> None:
        """One connection."""
        # Nothing is in flight before the request is there: at a stop the wait for it is simply cut.
        session.on_stop = session.cut
        try:
            with gevent.Timeout(self._seconds, TimeoutError()):
                head = _head(sock)
        except TimeoutError:
            return
        if not head:
            return
        session.on_stop = None
        whole, answer = self._answer(head)
        status, kind, body = answer
        fields = f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\nCache-Control: no-store\r\n"
        start = f"HTTP/1.1 {status}\r\n{fields}X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
        with gevent.Timeout(self._seconds, OSError()):
            sock.sendall(start.encode() + (body if whole else b""))

    def _answer(self, head: bytes) -> tuple[bool, Answer]:
        """(with its body?, the answer)."""
        line = head.partition(b"\r\n")[0]
        found = _REQUEST.fullmatch(line)
        if len(head) > _MOST:
            return True, plain("431 Request Header Fields Too Large", "too long")
        if found is None:
            known = re.fullmatch(rb"[A-Z]{1,20} /[!-~]* HTTP/1\.[01]", line)
            return True, plain("405 Method Not Allowed" if known else "400 Bad Request", "GET only")
        page = self._pages.get(found[2].partition(b"?")[0].decode())
        accept = _ACCEPT.search(head)
        answer = page(accept[1].decode().strip() if accept else "") if page else plain("404 Not Found", "nothing here")
        return found[1] == b"GET", answer


def plain(status: str, text: str) -> Answer:
    """A line or more for people and programs."""
    return status, _TEXT, text.encode() + b"\n"


def _head(sock: Any) -> bytes:
    """The header of a request with the empty line after it, more than `_MOST` octets of one that is too long, or b""
    if the client goes away before.
    """
    head = bytearray()
    while b"\r\n\r\n" not in head[-_MOST:] and len(head) <= _MOST:
        more = sock.recv(4096)
        if not more:
            return b""
        head += more
    return bytes(head)
