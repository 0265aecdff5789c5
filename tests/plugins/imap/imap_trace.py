"""Protocol traces as tests.

    stage.play('''
        1> SELECT INBOX
        1< * 0 EXISTS
        1< OK [READ-WRITE]
        2> APPEND INBOX {{Subject: hello||body}}
        1> IDLE
        1< * 1 EXISTS
        1> DONE
        1! * 1 EXPUNGE
    ''')

`1>` sends a command on connection 1 (opened and logged in when first used) and reads to its tagged answer; `{{…}}` is a
literal, in which `|` is a line end. `1<` wants a line of the answer that begins so, in this order, other lines may
stand between; `OK`, `NO`, `BAD` is the tagged one. Inside IDLE it waits for the line. `1!` wants no such line.
`…` stands for anything.
"""

from __future__ import annotations

import re
import secrets
import socket
from typing import Any

from chatgate.running.gateway import Gateway
from chatgate.testing import client_tls, port

_LITERAL = re.compile(rb"\{(\d+)\}$")


class Client:
    """One raw IMAP connection."""

    def __init__(self, gateway: Gateway, service: str = "imap", seconds: float = 60, source: str = "127.0.0.1") -> None:
        self.gateway = gateway
        self.sock: Any = socket.create_connection(("127.0.0.1", port(gateway, service)), seconds, (source, 0))
        if service == "imaps":
            self.sock = client_tls().wrap_socket(self.sock)
        self._buffer = b""
        self._login: str | bytes = b""
        self._count = 0
        self.tag = b""
        self.lines: list[bytes] = []
        self.greeting = self.line()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.sock.close()

    # ------------------------------------------------------------------------------------------ bytes

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def receive(self) -> bytes:
        return self.sock.recv(65536)

    def _more(self) -> None:
        data = self.receive()
        if not data:
            raise EOFError(self._buffer)
        self._buffer += data

    def line(self) -> bytes:
        """A whole response, its literals inside. Raises EOFError at the end of the connection."""
        out = b""
        while True:
            while b"\r\n" not in self._buffer:
                self._more()
            part, self._buffer = self._buffer.split(b"\r\n", 1)
            out += part
            literal = _LITERAL.search(part)
            if literal is None:
                return out
            size = int(literal[1])
            while len(self._buffer) < size:
                self._more()
            out += b"\r\n" + self._buffer[:size]
            self._buffer = self._buffer[size:]

    def closed(self) -> bool:
        """Does the server close now, whatever it says before?"""
        try:
            while True:
                self.line()
        except (EOFError, ConnectionError):
            return True
        except TimeoutError:
            return False

    # ------------------------------------------------------------------------------------------ commands

    def start(self, command: str | bytes) -> bytes:
        """Send a command and return its tag."""
        if not self._login and b"LOGIN " in wire(command)[:6]:
            self._login = command
        self._count += 1
        self.tag = b"T%d" % self._count
        self.send(self.tag + b" " + wire(command) + b"\r\n")
        return self.tag

    def finish(self) -> bytes:
        """Read to the tagged answer; `lines` has all, the tag taken off the last. Returns that one."""
        self.lines = []
        while True:
            line = self.line()
            if line.startswith(self.tag + b" "):
                self.lines.append(line[len(self.tag) + 1 :])
                return self.lines[-1]
            self.lines.append(line)
            if line.startswith(b"+ idling"):
                return line

    def do(self, command: str | bytes) -> list[bytes]:
        """Run a command that must succeed; the untagged lines."""
        self.start(command)
        answer = self.finish()
        assert answer.startswith((b"OK", b"+")), (command, self.lines)
        return self.lines[:-1]

    def fails(self, command: str | bytes) -> bytes:
        """Run a command that must not succeed; NO or BAD with its text."""
        self.start(command)
        answer = self.finish()
        assert answer.startswith((b"NO", b"BAD")), (command, self.lines)
        return answer

    def fetch(self, what: str, numbers: str = "1", uid: bool = False) -> bytes:
        """The inside of the one FETCH response to this."""
        lines = [line for line in self.do(f"{'UID ' if uid else ''}FETCH {numbers} {what}") if b" FETCH (" in line]
        assert len(lines) == 1, lines
        return lines[0].split(b" FETCH (", 1)[1][:-1]

    def append(self, message: bytes, mailbox: str = "INBOX", extra: str = "") -> None:
        """Whatever octets it has. Those of 8 bits in its header a connection of its own brings, which has enabled it,
        as that changes what names and keys of SEARCH look like.
        """
        command = b"APPEND %s %s{%d+}\r\n%s" % (mailbox.encode(), extra.encode(), len(message), message)
        if message.isascii():
            self.do(command)
            return
        with Client(self.gateway) as other:
            other.do(self._login)
            other.do("ENABLE UTF8=ACCEPT")
            other.do(command)


def wire(command: str | bytes) -> bytes:
    """With `{{…}}` made into literals."""
    if isinstance(command, bytes):
        return command

    def literal(match: re.Match[str]) -> str:
        text = match[1].replace("|", "\r\n")
        return f"{{{len(text.encode())}+}}\r\n{text}"

    return re.sub(r"\{\{(.*?)\}\}", literal, command).encode()


class Plugin:
    """What a plugin made for one test inherits."""

    def __init__(self, gateway: Gateway, options: None) -> None:
        pass


class Theatre:
    """Connections by name, all to one account."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.login = (f"{secrets.token_hex(8)}@{gateway.domains.first.name}", secrets.token_urlsafe(12))
        self._clients: dict[str, Client] = {}

    def __getitem__(self, name: str) -> Client:
        if name not in self._clients:
            self._clients[name] = made = Client(self.gateway)
            made.do('LOGIN "{}" "{}"'.format(*self.login))
        return self._clients[name]

    def stranger(self, service: str = "imap") -> Client:
        """A connection that has not logged in."""
        name = f"stranger{len(self._clients)}"
        self._clients[name] = Client(self.gateway, service)
        return self._clients[name]

    def close(self) -> None:
        for client in self._clients.values():
            client.sock.close()

    def play(self, script: str) -> None:
        """Run a trace, see above."""
        unread: dict[str, list[bytes]] = {}
        idle: set[str] = set()
        for row in script.strip().splitlines():
            name, act, text = re.fullmatch(r"\s*(\w+)([>!<]) (.*)", row).groups()
            client = self[name]
            if act == ">" and text == "DONE":
                client.send(b"DONE\r\n")
                client.finish()
                idle.discard(name)
                unread[name] = client.lines
            elif act == ">":
                client.start(text)
                if client.finish().startswith(b"+ idling"):
                    idle.add(name)
                unread[name] = list(client.lines)
            elif act == "!":
                assert not any(_fits(line, text) for line in client.lines), (row, client.lines)
            elif name in idle:
                while not _fits(client.line(), text):
                    pass
            else:
                lines = unread[name]
                while lines and not _fits(lines[0], text):
                    lines.pop(0)
                assert lines, (row, client.lines)
                lines.pop(0)


def _fits(line: bytes, text: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in text.split("…"))
    return re.match(pattern.encode(), line, re.S) is not None
