"""Bad neighbours: while others do their worst, a well-behaved client notices nothing.

All attacks hit the same gateway, so that what one leaves behind shows as well.
"""

from __future__ import annotations

import base64
import contextlib
import os
import random
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator

import pytest
from local_gateway import HTTP, HTTPS, IMAP, IMAPS, MX, SUBMISSION, SUBMISSIONS, LocalGateway, bodies

from chatgate.testing import pgp_message

CLEAR, TLS = (MX, HTTP, IMAP, SUBMISSION), (HTTPS, SUBMISSIONS, IMAPS)
ROUND_TRIPS = 12
MEMORY = 200_000_000  # octets that the process may have at most, after the worst
PATIENCE = 20.0  # seconds that one round trip may take; 0.05 would do on a quiet machine

Attack = Callable[[LocalGateway], list[socket.socket]]


def connect(gateway: LocalGateway, port: int) -> socket.socket:
    return gateway.raw(port, tls=port in TLS)


def throw(sock: socket.socket, data: bytes) -> None:
    """Send as much as they take; being thrown out is fine."""
    sock.settimeout(1)
    with contextlib.suppress(OSError):
        sock.sendall(data)


def garbage(gateway: LocalGateway) -> list[socket.socket]:
    socks = [gateway.raw(port) for port in CLEAR + TLS] + [connect(gateway, port) for port in TLS]
    for sock in socks:
        throw(sock, os.urandom(100_000))
    return socks


def endless_line(gateway: LocalGateway) -> list[socket.socket]:
    socks = [connect(gateway, port) for port in CLEAR + TLS]
    for sock in socks:
        throw(sock, b"A" * 3_000_000)
    return socks


def huge_literals(gateway: LocalGateway) -> list[socket.socket]:
    socks = []
    for size in (b"{99999999999999999999}", b"{4294967295}", b"{31457280}", b"{2000000000+}"):
        for command in (b"a LOGIN %s\r\n", b"a APPEND INBOX %s\r\n", b"a %s\r\n"):
            sock = connect(gateway, IMAPS)
            throw(sock, command % size + b"x" * 200_000)
            socks.append(sock)
    return socks


def deep_nesting(gateway: LocalGateway) -> list[socket.socket]:
    sock = connect(gateway, IMAPS)
    login = gateway.account()
    throw(sock, b'a LOGIN "%s" "%s"\r\nb SELECT INBOX\r\n' % (login[0].encode(), login[1].encode()))
    throw(sock, b"c UID SEARCH " + b"(" * 7000 + b"\r\n" + b"d UID SEARCH " + b"NOT " * 1900 + b"ALL\r\n")
    throw(sock, b"e UID FETCH 1:4294967295 (" + b"BODY[" * 1500 + b"\r\n")
    return [sock]


def half_closed(gateway: LocalGateway) -> list[socket.socket]:
    socks = [gateway.raw(port) for port in (CLEAR + TLS) * 5]
    for sock in socks:
        sock.shutdown(socket.SHUT_WR)
    return socks


def silent(gateway: LocalGateway) -> list[socket.socket]:
    """Connect and say nothing: a TLS handshake that never comes, a greeting that nobody answers."""
    return [gateway.raw(port) for port in (CLEAR + TLS) * 30]


def commands_before_login(gateway: LocalGateway) -> list[socket.socket]:
    """Thousands of commands in one go, and nobody reads the answers."""
    socks = []
    for port, line in (
        (IMAPS, b"a CAPABILITY\r\n"),
        (SUBMISSIONS, b"EHLO x\r\n"),
        (MX, b"NOOP\r\n"),
        (IMAP, b"b NOOP\r\n"),
    ):
        sock = connect(gateway, port)
        throw(sock, line * 50_000)
        socks.append(sock)
    return socks


def wrong_passwords(gateway: LocalGateway) -> list[socket.socket]:
    """Each try costs the server a password hash; many at once must not stop the rest."""
    address = gateway.account()[0].encode()
    socks = [connect(gateway, IMAPS) for _ in range(20)]
    for sock in socks:
        throw(sock, b'a LOGIN "%s" "not the password"\r\n' % address)
    return socks


def never_reads(gateway: LocalGateway) -> list[socket.socket]:
    """Asks for much more than fits into the socket's buffers and then does not read."""
    address, password = gateway.account()
    with gateway.submissions((address, password)) as sender:
        sender.sendmail(address, address, pgp_message(address, address, 100_000))
    sock = connect(gateway, IMAPS)
    throw(sock, b'a LOGIN "%s" "%s"\r\nb SELECT INBOX\r\n' % (address.encode(), password.encode()))
    throw(sock, b"c UID FETCH 1:* (BODY.PEEK[])\r\n" * 300)
    return [sock]


def aborted(gateway: LocalGateway) -> list[socket.socket]:
    """Gone with a reset in the middle of the handshake, of a command, of a message."""
    for port in CLEAR + TLS:
        for data in (b"", b"\x16\x03\x01\x02\x00\x01\x00", b"EHLO x\r\nMAIL FR", b"GET / HTTP/1.1\r\nHost:"):
            sock = gateway.raw(port)
            throw(sock, data)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            sock.close()
    return []


def http_nonsense(gateway: LocalGateway) -> list[socket.socket]:
    requests = (
        b"POST /new HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 100_000,
        b"POST /new HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /new HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n",
        b"POST /new HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / ",
        b"GET /../../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    )
    socks = []
    for request in requests:
        sock = connect(gateway, HTTPS)
        throw(sock, request)
        sock.settimeout(2)
        with contextlib.suppress(OSError):
            assert b"root:" not in sock.recv(100_000)
        socks.append(sock)
    return socks


def deflated_bomb(gateway: LocalGateway) -> list[socket.socket]:
    """A gigabyte of nothing in a megabyte (COMPRESS, RFC 4978)."""
    address, password = gateway.account()
    sock = connect(gateway, IMAPS)
    throw(sock, b'a LOGIN "%s" "%s"\r\nb COMPRESS DEFLATE\r\n' % (address.encode(), password.encode()))
    deflate = zlib.compressobj(9, wbits=-15)
    # After a full flush the compressor knows nothing of what was before, so the same octets may come again.
    megabyte = deflate.compress(bytes(1_000_000)) + deflate.flush(zlib.Z_FULL_FLUSH)
    throw(sock, megabyte * 1000)
    return [sock]


class SlowLoris:
    """Many connections on which an octet arrives now and then, for as long as the block runs."""

    def __init__(self, gateway: LocalGateway, count: int = 60) -> None:
        self._socks = [connect(gateway, random.choice(CLEAR + TLS)) for _ in range(count)]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._over.wait(0.2):
            for sock in self._socks:
                throw(sock, random.choice((b"E", b"G", b"a", b" ", b"\r")))

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for sock in self._socks:
            sock.close()


class Neighbour:
    """A well-behaved client: logged in before the trouble begins, and new connections as well."""

    def __init__(self, gateway: LocalGateway) -> None:
        self._gateway = gateway
        self._login = gateway.account()
        self._reader = gateway.imap(self._login)
        self._reader.select("INBOX")
        self._uidnext = 1
        self.worst = 0.0

    def round_trip(self) -> None:
        begin = time.monotonic()
        message = pgp_message(self._login[0], self._login[0], 1500)
        with self._reader.idling():
            with self._gateway.submissions(self._login) as sender:
                sender.sendmail(self._login[0], self._login[0], message)
            self._reader.waits_for(rb"^\* \d+ EXISTS")
        content = bodies(self._reader)[self._uidnext]
        assert content.endswith(message.partition(b"\r\n\r\n")[2])
        self._uidnext += 1
        self._reader.uid("STORE", "1:*", "+FLAGS", r"(\Deleted)")
        self._reader.expunge()
        self.worst = max(self.worst, time.monotonic() - begin)


@contextlib.contextmanager
def noticing_nothing(neighbour: Neighbour) -> Iterator[None]:
    """The neighbour sends and receives during and after the block; an error of his is ours."""
    failures: list[BaseException] = []

    def live() -> None:
        try:
            for _ in range(ROUND_TRIPS):
                neighbour.round_trip()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=live)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if failures:
        raise failures[0]
    print(f"the longest round trip took {neighbour.worst * 1000:.0f} ms")
    assert neighbour.worst < PATIENCE, f"a round trip took {neighbour.worst:.1f} s"


@pytest.mark.parametrize(
    "attack",
    (
        aborted, commands_before_login, deep_nesting, deflated_bomb, endless_line, garbage, half_closed, http_nonsense,
        huge_literals, never_reads, silent, wrong_passwords,
    ),
)  # fmt: skip
def test_a_neighbour_notices_nothing_of(gateway: LocalGateway, attack: Attack) -> None:
    neighbour = Neighbour(gateway)
    with noticing_nothing(neighbour):
        socks = attack(gateway)
    for sock in socks:
        sock.close()
    neighbour.round_trip()
    assert gateway.memory() < MEMORY
    assert "Traceback" not in gateway.output()
    assert "session failed" not in gateway.output()


def test_a_neighbour_notices_nothing_of_slow_clients(gateway: LocalGateway) -> None:
    neighbour = Neighbour(gateway)
    with SlowLoris(gateway), noticing_nothing(neighbour):
        pass
    assert "Traceback" not in gateway.output()


def large(address: str, octets: int) -> bytes:
    """An encrypted message of that size. Its armor has no checksum: that is optional, and slow in Python."""
    head, _, tail = pgp_message(address, address, 2000).partition(b"-----BEGIN PGP MESSAGE-----\r\n\r\n")
    tail = tail[tail.index(b"-----END PGP MESSAGE-----") :]
    session_key = b"\xc1\xff" + (90).to_bytes(4, "big") + b"\x03" + os.urandom(8) + b"\x12" + os.urandom(80)
    cipher = b"\x01" + os.urandom(octets * 3 // 4)
    data = base64.b64encode(session_key + b"\xd2\xff" + len(cipher).to_bytes(4, "big") + cipher)
    armor = b"".join(data[start : start + 64] + b"\r\n" for start in range(0, len(data), 64))
    return head + b"-----BEGIN PGP MESSAGE-----\r\n\r\n" + armor + tail


def test_a_neighbour_notices_nothing_of_a_large_file(gateway: LocalGateway) -> None:
    login = gateway.account()
    message = large(login[0], 24_000_000)
    neighbour = Neighbour(gateway)
    with noticing_nothing(neighbour):
        with gateway.submissions(login) as sender:
            sender.sendmail(login[0], login[0], message)
        reader = gateway.imap(login)
        reader.select("INBOX")
        (got,) = bodies(reader).values()
    assert got.partition(b"\r\n\r\n")[2] == message.partition(b"\r\n\r\n")[2]
