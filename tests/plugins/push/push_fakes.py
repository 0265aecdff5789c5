"""A notification service that misbehaves on request, and a plugin with a clock that the test moves."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import gevent.event
import gevent.ssl
from chatgate_push import Push, PushOptions
from chatgate_push.hooks import Days, digest
from gevent.server import StreamServer

from chatgate.api import Account, Delivery, Envelope, Reply, Session, Stored, hookimpl
from chatgate.hosting.hub import Hub
from chatgate.testing import until
from tests.ports import free_port

ENTRY = "/private/devicetoken"


def answer(status: str, *headers: str, body: str = "") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", body]).encode()


OK, GONE, ERROR = answer("200 OK"), answer("410 Gone"), answer("500 Internal Server Error")


class Service:
    """On a free port. requests: (token, number of the connection, head) of each. default: what every token gets that
    has nothing of its own in `answers`: octets to send, or a function that is given the socket and says whether the
    connection goes on.
    """

    def __init__(self, certificate: tuple[Path, Path] | None = None) -> None:
        self.requests: list[tuple[str, int, str]] = []
        self.answers: dict[str, list[Any]] = {}
        self.default: Any = OK
        self.connections = self.at_once = self.most_at_once = 0
        tls = {}
        if certificate:
            context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            tls = {"ssl_context": context}
        self.port = free_port()
        self._tls = tls
        self.start()

    def start(self) -> None:
        self._server = StreamServer(("127.0.0.1", self.port), self._serve, **self._tls)
        self._server.start()

    def stop(self) -> None:
        """Refuse connections from now on; `start` takes the same port again."""
        self._server.stop(timeout=0.1)

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/notify"

    @property
    def tokens(self) -> list[str]:
        return [token for token, _, _ in self.requests]

    @property
    def count(self) -> Counter[str]:
        return Counter(self.tokens)

    def _serve(self, sock: Any, _: Any) -> None:
        self.connections += 1
        number, file = self.connections, sock.makefile("rb")
        try:
            while head := self._head(file):
                length = next(int(line.partition(":")[2]) for line in head if line.lower().startswith("content-length"))
                token = file.read(length).decode()
                self.requests.append((token, number, "\n".join(head)))
                self.at_once += 1
                self.most_at_once = max(self.at_once, self.most_at_once)
                try:
                    if not self._answer(token, sock):
                        return
                finally:
                    self.at_once -= 1
        except OSError:
            pass

    @staticmethod
    def _head(file: Any) -> list[str]:
        if (method := file.read(4)) not in (b"", b"POST"):
            raise OSError("no HTTP")  # but TLS: that may go on without a line end
        lines = []
        while line := (method + file.readline()).decode().strip():
            lines.append(line)
            method = b""
        return lines

    def _answer(self, token: str, sock: Any) -> bool:
        mine = self.answers.get(token) or [self.default]
        what = mine.pop(0) if len(mine) > 1 else mine[0]
        if callable(what):
            return what(sock)
        sock.sendall(what)
        return True


def hang(sock: Any) -> bool:
    gevent.sleep(1000)
    return False


def late(seconds: float, octets: bytes = OK) -> Callable[[Any], bool]:
    def send(sock: Any) -> bool:
        gevent.sleep(seconds)
        sock.sendall(octets)
        return True

    return send


def close(sock: Any) -> bool:
    return False


def then_close(octets: bytes) -> Callable[[Any], bool]:
    def send(sock: Any) -> bool:
        sock.sendall(octets)
        return False

    return send


def then(octets: bytes, what: Callable[[Any], bool]) -> Callable[[Any], bool]:
    def send(sock: Any) -> bool:
        sock.sendall(octets)
        return what(sock)

    return send


class Flood:
    """Sends `head` and then `again` without a pause, for `most` pieces at most. ended: the client left, or took all."""

    most = 1000

    def __init__(self, head: bytes, again: bytes) -> None:
        self._head, self._piece = head, again * (100_000 // len(again))
        self.pieces, self.ended = 0, False

    def __call__(self, sock: Any) -> bool:
        try:
            sock.sendall(self._head)
            while self.pieces < self.most:
                sock.sendall(self._piece)
                self.pieces += 1
        finally:
            self.ended = True
        return False


def drip(sock: Any) -> bool:
    """An octet now and then: never silent for long, never done."""
    for octet in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1000:
        sock.sendall(bytes([octet]))
        gevent.sleep(0.05)
    return False


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def session(account_id: int) -> Session:
    return Session("imap", "127.0.0.1", account=Account(account_id, f"user{account_id}@example.org"))


class Memory:
    """`DeviceTokens` for one process: [account id, value, day] in the order in which they came."""

    def __init__(self) -> None:
        self.rows: list[list[Any]] = []

    def put(self, account_id: int, value: bytes, days: Days, limit: int) -> None:
        for row in self.rows:
            if row[:2] == [account_id, value]:
                row[2] = days.today
                return
        self.rows.append([account_id, value, days.today])
        mine = [row for row in self.rows if row[0] == account_id]
        while len(mine) > limit:
            gone = min(mine, key=lambda row: row[2])
            mine.remove(gone)
            self.rows.remove(gone)

    def of_account(self, account_id: int, days: Days) -> list[bytes]:
        return [value for owner, value, day in self.rows if owner == account_id and days.first <= day <= days.last]

    def remove(self, account_id: int) -> None:
        self.rows = [row for row in self.rows if row[0] != account_id]

    def expire(self, days: Days, limit: int) -> int:
        old = [row for row in self.rows if not days.first <= row[2] <= days.last][:limit]
        self.rows = [row for row in self.rows if row not in old]
        return len(old)

    def forget(self, digests: Collection[bytes]) -> None:
        self.rows = [row for row in self.rows if digest(row[1]) not in digests]

    def of_accounts(self, account_ids: Collection[int], days: Days) -> list[tuple[int, bytes]]:
        return [(one, digest(value)) for one in account_ids for value in self.of_account(one, days)]

    def values(self, digests: Collection[bytes], days: Days) -> dict[bytes, bytes]:
        good = [value for _, value, day in self.rows if days.first <= day <= days.last]
        return {digest(value): value for value in good if digest(value) in digests}

    def counts(self) -> tuple[int, int]:
        return len(self.rows), len({row[0] for row in self.rows})


class Elsewhere:
    """A plugin that keeps the tokens."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    @hookimpl(optionalhook=True)
    def chatgate_device_tokens(self) -> Memory:
        return self._memory


class Plugin(Push):
    """Push in a folder, without a gateway. A clock of the test is for tokens and for waiting, unless it has another."""

    def __init__(
        self,
        folder: Path,
        url: str,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] | None = None,
        memory: Memory | None = None,
        **options: Any,
    ) -> None:
        gateway: Any = SimpleNamespace(path=folder.joinpath, place=SimpleNamespace(number=0), hub=Hub())
        settings = PushOptions(**{"url": url, "coalesce_seconds": 0.05} | options)
        super().__init__(gateway, settings, clock, steady or clock)
        gateway.hub.load([("push", self), *([("elsewhere", Elsewhere(memory))] if memory else [])])
        self.clock = clock

    def start(self) -> Plugin:
        for service in self.chatgate_services():
            service.bind()
            service.start()
        return self

    def stop(self) -> None:
        self.sender.stop(0)

    def set(self, account_id: int, *values: str) -> Reply:
        for value in values:
            reply = self.chatgate_set_metadata(session(account_id), "INBOX", ENTRY, value.encode())
            assert reply is not None
        return reply

    def get(self, account_id: int) -> str:
        return (self.chatgate_get_metadata(session(account_id), "INBOX", ENTRY) or b"").decode()

    def mail(self, *account_ids: int, sender: str = "someone@example.com") -> None:
        """New mail for these accounts."""
        deliveries = [Delivery(f"user{account_id}@example.org", 100, account_id) for account_id in account_ids]
        self.chatgate_stored(Envelope(sender), [Stored(delivery, 1, 1, 1) for delivery in deliveries])

    def advance(self, seconds: float) -> None:
        """Only with a Clock: time passes, after what is under way has come to rest."""
        gevent.sleep(0.05)
        sender = self.sender
        until(lambda: not sender._under_way and sender._seconds(self.clock()) != 0)
        self.clock.now += seconds  # type: ignore[attr-defined]
        self.sender.wake()

    def count(self, name: str) -> int:
        return self.metrics()[name]
