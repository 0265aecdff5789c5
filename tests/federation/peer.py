"""Mail servers elsewhere that do what a test tells them: at each step of a transaction it is asked what to do."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

# The steps of an SMTP transaction, each before its answer goes out, in the order in which they come. "accepted" is
# when the answer to the message has been sent.
STEPS = ("connect", "EHLO", "STARTTLS", "MAIL", "RCPT", "DATA", "content", "accepted")


class Hangup(Exception):
    """Raised by a test to end the connection."""


class Peer:
    """at: asked with each step; None: all goes well; a line: that is the answer instead; it may raise Hangup, or take
    its time. got: (sender, recipients, content) of what was accepted. steps: all that came.
    """

    def __init__(self, address: str, chain: Path, key: Path) -> None:
        self.at: Callable[[str], bytes | None] = lambda step: None
        self.got: list[tuple[str, list[str], bytes]] = []
        self.steps: list[str] = []
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(chain, key)
        self._listener = socket.create_server((address, 25), backlog=50)
        threading.Thread(target=self._accept, daemon=True).start()

    def contents(self) -> list[bytes]:
        return [content for _, _, content in list(self.got)]

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _talk(self, sock: socket.socket) -> None:
        try:
            sock.settimeout(60)
            _Talk(self, sock, self._tls).run()
        except (Hangup, OSError):
            pass
        finally:
            sock.close()


class _Talk:
    def __init__(self, peer: Peer, sock: socket.socket, tls: ssl.SSLContext) -> None:
        self._peer, self._sock, self._tls = peer, sock, tls
        self._file: Any = sock.makefile("rb")
        self._sender, self._recipients = "", list[str]()

    def run(self) -> None:
        self._say("connect", b"220 odd.example")
        while line := self._file.readline():
            verb, address = line[:4].upper().strip(), (re.findall(rb"<(.*?)>", line) or [b""])[0].decode()
            if verb == b"EHLO":
                # Without PIPELINING: each command waits for the answer to the one before.
                self._say("EHLO", b"250-odd.example\r\n250-8BITMIME\r\n250 STARTTLS")
            elif line[:8].upper() == b"STARTTLS":
                self._say("STARTTLS", b"220 go on")
                self._sock = self._tls.wrap_socket(self._sock, server_side=True)
                self._file = self._sock.makefile("rb")
            elif verb == b"MAIL":
                self._sender, self._recipients = address, []
                self._say("MAIL", b"250 OK")
            elif verb == b"RCPT":
                if self._say("RCPT", b"250 OK"):
                    self._recipients.append(address)
            elif verb == b"DATA":
                if self._say("DATA", b"354 go on"):
                    self._content()
            elif verb == b"QUIT":
                return
            else:
                self._sock.sendall(b"250 OK\r\n")

    def _content(self) -> None:
        content = bytearray()
        for line in self._file:
            if line == b".\r\n":
                break
            content += line[1:] if line.startswith(b".") else line
        else:
            return
        if self._say("content", b"250 taken", lambda: self._keep(bytes(content))):
            self._peer.at("accepted")

    def _keep(self, content: bytes) -> None:
        self._peer.got.append((self._sender, list(self._recipients), content))

    def _say(self, step: str, answer: bytes, keep: Callable[[], None] = lambda: None) -> bool:
        """Is it the answer that nothing is wrong with? keep: done before that is said."""
        self._peer.steps.append(step)
        other = self._peer.at(step)
        if other is None:
            keep()
        self._sock.sendall((answer if other is None else other) + b"\r\n")
        return other is None


class WebPeer:
    """The same for /mxdeliv. answer: asked with each request's body once it is whole: an HTTP status and a body."""

    def __init__(self, address: str, chain: Path, key: Path) -> None:
        self.answer: Callable[[bytes], tuple[int, bytes]] = lambda body: (200, b"250 OK")
        self.got: list[tuple[str, list[str], bytes]] = []
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    status, text = peer.answer(body)
                except Hangup:
                    self.close_connection = True
                    return
                if status == 200:
                    recipients = self.headers.get_all("X-MAIL-TO") or []
                    peer.got.append((self.headers.get("X-MAIL-FROM", ""), recipients, body))
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        self._server = ThreadingHTTPServer((address, 443), Handler)
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
