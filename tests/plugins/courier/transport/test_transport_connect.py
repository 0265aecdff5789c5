"""TCP: to the first of several addresses that answers, and through a proxy."""

from __future__ import annotations

import errno
import socket

import gevent
import gevent.socket
import pytest
from chatgate_courier.policy import Policy
from chatgate_courier.transport import connect, socks
from chatgate_courier.transport.wire import Broken
from gevent.server import StreamServer
from hypothesis import given
from hypothesis import strategies as st
from peers import World, codes, text

from tests.ports import free_port


@pytest.fixture
def black_hole():
    """An address that takes no more connections, and refuses none."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.9", 0))
        listening.listen(0)
        waiting = []
        for _ in range(3):  # fill its queue
            sock = socket.socket()
            sock.setblocking(False)
            assert sock.connect_ex(listening.getsockname()) in (0, errno.EINPROGRESS)
            waiting.append(sock)
        gevent.sleep(0.05)
        yield listening.getsockname()
        for sock in waiting:
            sock.close()


@pytest.fixture
def good(black_hole):
    server = StreamServer(("127.0.0.1", black_hole[1]), lambda sock, address: sock.recv(1))
    server.start()
    yield server
    server.stop(timeout=0)


def test_the_next_address_is_tried_before_the_last_has_failed(black_hole, good):
    sock = connect.connect([black_hole[0], "127.0.0.1"], black_hole[1], 30.0)
    assert sock.getpeername()[0] == "127.0.0.1"
    sock.close()


def test_the_next_address_is_tried_at_once_when_one_refuses(black_hole, good):
    sock = connect.connect(["127.0.0.3", "127.0.0.4", "127.0.0.1"], black_hole[1], 30.0)
    assert sock.getpeername()[0] == "127.0.0.1"
    sock.close()


def test_none_answers(black_hole):
    with pytest.raises(Broken, match="does not answer within 0.4 seconds"):
        connect.connect([black_hole[0], "127.0.0.3"], black_hole[1], 0.4)
    with pytest.raises(Broken, match="refuses connections"):
        connect.connect(["127.0.0.3", "127.0.0.4"], black_hole[1], 30.0)


def test_nothing_is_left_open(black_hole, good, monkeypatch):
    made = []
    real = gevent.socket.socket

    def counted(*args):
        made.append(real(*args))
        return made[-1]

    monkeypatch.setattr(gevent.socket, "socket", counted)
    sock = connect.connect([black_hole[0], "127.0.0.3", "127.0.0.1"], black_hole[1], 30.0)
    gevent.sleep(0.01)
    assert [one for one in made if one.fileno() != -1] == [sock] and len(made) == 3
    sock.close()


@given(st.lists(st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2"]), unique=True))
def test_families_take_turns_beginning_with_ipv6(addresses: list[str]):
    ordered = connect.in_turn(addresses)
    assert sorted(ordered) == sorted(addresses)
    both = 2 * min(sum(":" in one for one in addresses), sum(":" not in one for one in addresses))
    assert [":" in one for one in ordered[:both]] == [i % 2 == 0 for i in range(both)]


class Proxy:
    """A SOCKS5 proxy. asked: of it, as (kind, host, port). hosts: where it really goes."""

    def __init__(self, hosts: dict[str, tuple[str, int]], login: bytes = b"") -> None:
        self.hosts, self.login, self.asked = hosts, login, list[tuple[int, str, int]]()
        self.answer = 0
        self.server = StreamServer(("127.0.0.1", 0), self._serve)
        self.server.start()

    def _serve(self, sock, address):
        file = sock.makefile("rwb", 0)
        version, count = file.read(2)
        methods = file.read(count)
        method = 2 if self.login else 0
        if version != 5 or method not in methods:
            sock.sendall(b"\x05\xff")
            return
        sock.sendall(bytes([5, method]))
        if self.login:
            _, length = file.read(2)
            user = file.read(length)
            password = file.read(file.read(1)[0])
            right = user + b":" + password == self.login
            sock.sendall(b"\x01" + (b"\x00" if right else b"\x01"))
            if not right:
                return
        _, command, _, kind = file.read(4)
        if kind == 3:
            host = file.read(file.read(1)[0]).decode()
        else:
            family = socket.AF_INET if kind == 1 else socket.AF_INET6
            host = socket.inet_ntop(family, file.read(4 if kind == 1 else 16))
        port = int.from_bytes(file.read(2), "big")
        self.asked.append((kind, host, port))
        if self.answer:
            sock.sendall(bytes([5, self.answer, 0, 1]) + bytes(6))
            return
        there = gevent.socket.create_connection(self.hosts[host])
        sock.sendall(b"\x05\x00\x00\x03\x04name\x00\x00")
        gevent.joinall([gevent.spawn(_pump, sock, there), gevent.spawn(_pump, there, sock)], count=1)
        there.close()


def _pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass


@pytest.mark.parametrize("login", [b"", b"user:pass:word"])
def test_mail_through_a_proxy_which_looks_the_name_up(world: World, login: bytes):
    mx = world.mx("x.onion", context=world.authority.context("x.onion"))
    proxy = Proxy({"x.onion": ("127.0.0.1", mx.port)}, login)
    where = f"socks5://{login.decode() + '@' if login else ''}127.0.0.1:{proxy.server.server_port}"
    world.policies["x.onion"] = Policy(proxy=where)
    assert codes(world.deliver(domain="x.onion")) == {"bob": (250, "2.0.0")}
    assert proxy.asked == [(3, "x.onion", mx.port)]
    assert not world.dns.asked
    proxy.server.stop(timeout=0)


def test_a_literal_through_a_proxy(world: World):
    mx = world.mx()
    proxy = Proxy({"::1": ("127.0.0.1", mx.port), "127.0.0.1": ("127.0.0.1", mx.port)})
    policy = Policy(proxy=f"socks5://127.0.0.1:{proxy.server.server_port}", verify=False)
    world.policies |= {"[IPv6:::1]": policy, "[127.0.0.1]": policy}
    for domain in ("[IPv6:::1]", "[127.0.0.1]"):
        assert codes(world.deliver(f"bob@{domain}", domain=domain)) == {"bob": (250, "2.0.0")}
    assert [kind for kind, _, _ in proxy.asked] == [4, 1]
    proxy.server.stop(timeout=0)


@pytest.mark.parametrize(
    ("answer", "why"), [(5, "says that the connection was refused"), (99, "refuses"), (2, "allow")]
)
def test_a_proxy_that_cannot(world: World, answer: int, why: str):
    proxy = Proxy({})
    proxy.answer = answer
    world.policies["peer.test"] = Policy(proxy=f"socks5://127.0.0.1:{proxy.server.server_port}")
    world.dns.exchanges["peer.test"] = ((10, "mx.peer.test"),)
    outcome = world.deliver()
    assert codes(outcome) == {"bob": (451, "4.4.1")}
    assert text(outcome).startswith("mx.peer.test is behind a proxy, which ") and why in text(outcome)
    proxy.server.stop(timeout=0)


@pytest.mark.parametrize("said", [b"HTTP/1.1 400\r\n\r\n", b"", b"\x05\xff", b"\x05\x02", b"\x04\x00"])
def test_what_is_no_proxy(said: bytes):
    server = StreamServer(("127.0.0.1", 0), lambda sock, address: (sock.recv(99), sock.sendall(said)))
    server.start()
    with pytest.raises(Broken, match="is behind a proxy, which "):
        socks.connect(f"127.0.0.1:{server.server_port}", "peer.test", 25, 10.0)
    server.stop(timeout=0)
    with pytest.raises(Broken, match="is behind a proxy, which refuses connections"):
        socks.connect(f"127.0.0.1:{free_port()}", "peer.test", 25, 10.0)


def test_a_proxy_that_is_silent():
    server = StreamServer(("127.0.0.1", 0), lambda sock, address: gevent.sleep(60))
    server.start()
    with pytest.raises(Broken, match="does not answer within 0.2 seconds"):
        socks.connect(f"127.0.0.1:{server.server_port}", "peer.test", 25, 0.2)
    server.stop(timeout=0)
