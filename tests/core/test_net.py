"""Listeners, limits, the PROXY protocol, graceful stop."""

import socket

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatgate.net import BindError, Server, bind
from chatgate.proxy import read_proxy_header


@pytest.fixture
def serve():
    servers = []

    def start(handle, **limits):
        server = Server("test", ("127.0.0.1:0",), handle, **limits)
        server.bind()
        server.start()
        servers.append(server)
        return server, int(server.listening[0].rpartition(":")[2])

    yield start
    for server in servers:
        server.stop(0)


def connect(port, send=b""):
    client = socket.create_connection(("127.0.0.1", port), timeout=5)
    client.sendall(send)
    return client


def echo_peer(session, sock):
    sock.sendall(session.peer.encode() + b"\n")
    sock.recv(1)


def test_a_taken_port_is_one_clear_line(serve):
    _, port = serve(echo_peer)
    with pytest.raises(BindError, match=rf"^cannot listen on 127.0.0.1:{port}: Address already in use$"):
        bind(f"127.0.0.1:{port}")


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:99999", "127.0.0.1:", ":25", "unix:/nonexistent/x"])
def test_a_wrong_address_is_a_bind_error(address):
    with pytest.raises(BindError, match="cannot listen on"):
        bind(address)


def test_a_unix_socket_left_over_is_replaced(tmp_path):
    path = f"unix:{tmp_path}/s"
    bind(path)[0].close()
    assert bind(path)


def test_too_many_connections_are_turned_away_with_words(serve):
    _, port = serve(echo_peer, max_connections=1, busy=b"421 busy\r\n")
    with connect(port) as first, connect(port) as second:
        assert first.recv(100) == b"127.0.0.1\n"
        assert second.recv(100) == b"421 busy\r\n" and second.recv(100) == b""


def test_the_limit_by_address_counts_the_client_that_the_proxy_names(serve):
    server, port = serve(echo_peer, max_per_address=1, busy=b"421 busy\r\n", proxies=("127.0.0.0/8",))

    def client(address):
        return connect(port, f"PROXY TCP4 {address} 192.0.2.1 5000 25\r\n".encode())

    with client("198.51.100.1") as one, client("198.51.100.1") as same, client("198.51.100.2") as other:
        assert one.recv(100) == b"198.51.100.1\n"
        assert same.recv(100) == b"421 busy\r\n"
        assert other.recv(100) == b"198.51.100.2\n"
    gevent.sleep(0.05)
    with client("198.51.100.1") as again:
        assert again.recv(100) == b"198.51.100.1\n"
    gevent.sleep(0.05)
    assert server.connections == 0 and not server._peers


def test_a_proxy_must_speak_its_protocol(serve):
    _, port = serve(echo_peer, proxies=("127.0.0.1/32",))
    with connect(port, b"EHLO example.org\r\n") as client:
        with pytest.raises(ConnectionResetError):
            client.recv(100)


def test_a_failing_handler_is_logged_without_its_text_or_peer(serve, caplog):
    def handle(session, sock):
        raise RuntimeError("secret words")

    _, port = serve(handle)
    with connect(port) as client:
        assert client.recv(1) == b""
    assert "error=RuntimeError" in caplog.text
    assert "secret" not in caplog.text and "127.0.0.1" not in caplog.text


def test_stop_tells_the_sessions_and_lets_them_finish(serve):
    def handle(session, sock):
        stop = gevent.event.Event()
        session.on_stop = stop.set
        sock.sendall(b"hello\n")
        stop.wait()
        gevent.sleep(0.05)
        sock.sendall(b"bye\n")

    server, port = serve(handle)
    with connect(port) as client:
        assert client.recv(100) == b"hello\n"
        server.stop(5)
        assert client.recv(100) == b"bye\n" and client.recv(100) == b""
        with pytest.raises(OSError):
            connect(port)


def test_stop_does_not_wait_for_a_client_that_has_not_begun(serve):
    server, port = serve(echo_peer, proxies=("127.0.0.0/8",))
    with connect(port) as client:
        gevent.sleep(0.05)
        with gevent.Timeout(2):
            server.stop(10)
        assert client.recv(100) == b""


class Bytes:
    """A socket to read from."""

    def __init__(self, data):
        self.data = data

    def recv(self, size):
        taken, self.data = self.data[:size], self.data[size:]
        return taken


V2 = b"\r\n\r\n\0\r\nQUIT\n"


@pytest.mark.parametrize(
    ("header", "peer"),
    [
        (b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 25\r\n", "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 5000 25\r\n", "2001:db8::7"),
        (b"PROXY UNKNOWN\r\n", ""),
        (V2 + b"\x21\x11\x00\x0c" + bytes([192, 0, 2, 7, 192, 0, 2, 1]) + b"\x13\x88\x00\x19", "192.0.2.7"),
        (V2 + b"\x21\x21\x00\x26" + bytes.fromhex("20010db8" + 11 * "00" + "07") + bytes(20) + b"TL", "2001:db8::7"),
        (V2 + b"\x20\x00\x00\x00", ""),
    ],
)
def test_proxy_headers(header, peer):
    sock = Bytes(header + b"next")
    assert read_proxy_header(sock) == peer
    assert sock.data == b"next"


@given(st.one_of(st.binary(), st.binary().map(lambda b: b"PROXY " + b), st.binary().map(lambda b: V2 + b)))
def test_no_bytes_make_the_proxy_reader_fail_in_another_way(data):
    try:
        read_proxy_header(Bytes(data))
    except (ValueError, OSError):
        pass
