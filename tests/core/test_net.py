"""Listeners, limits, the PROXY protocol, graceful stop."""

import socket
import ssl
import stat
import struct
import time

import gevent
import pytest
from chatgate_tls.selfsigned import make
from hypothesis import given
from hypothesis import strategies as st

from chatgate.names import listener
from chatgate.network.contexts import tls_context
from chatgate.network.listeners import BindError, bind, ports
from chatgate.network.proxy import read_proxy_header
from chatgate.network.server import Server
from chatgate.network.turns import Work, clients
from chatgate.store.records import Account
from chatgate.testing import client_tls


@pytest.fixture
def serve():
    servers = []

    def start(handle, *addresses, **limits):
        server = Server("test", addresses or ("127.0.0.1:0",), handle, **limits)
        server.bind()
        server.start()
        servers.append(server)
        where = listener(server.listening[0])
        return server, 0 if where.host == "unix" else int(where.port)

    yield start
    for server in servers:
        server.stop(0)


def connect(port, send=b""):
    client = socket.create_connection(("127.0.0.1", port), timeout=60)
    client.sendall(send)
    return client


def echo_peer(session, sock):
    sock.sendall(session.peer.encode() + b"\n")
    sock.recv(1)


def test_a_taken_port_is_one_clear_line(serve):
    _, port = serve(echo_peer)
    with pytest.raises(BindError, match=rf"^cannot listen on 127.0.0.1:{port}: Address already in use$"):
        bind(f"127.0.0.1:{port}")


def test_who_finishes_something_while_it_stops_can_ask_where_it_listened(serve):
    server, port = serve(echo_peer)
    server.stop(0)
    assert server.listening == [f"127.0.0.1:{port}"]


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:99999", "127.0.0.1:", ":25", "unix:/nonexistent/x"])
def test_a_wrong_address_is_a_bind_error(address):
    with pytest.raises(BindError, match="cannot listen on"):
        bind(address)


def test_what_is_written_goes_out_at_once(serve):
    """Nagle's algorithm would hold an answer back until the one before has been acknowledged."""
    seen = []
    _, port = serve(lambda session, sock: seen.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
    connect(port).recv(1)
    assert seen == [1]


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
    assert server.connections == 0 and server.seats.taken == (0, 0)


def test_a_proxy_must_speak_its_protocol(serve):
    _, port = serve(echo_peer, proxies=("127.0.0.1/32",))
    with connect(port, b"EHLO example.org\r\n") as client:
        assert client.recv(100) == b""


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
        server.stop(60)
        assert client.recv(100) == b"bye\n" and client.recv(100) == b""
        with pytest.raises(OSError):
            connect(port)


def test_stop_does_not_wait_for_a_client_that_has_not_begun(serve):
    server, port = serve(echo_peer, proxies=("127.0.0.0/8",))
    with connect(port) as client:
        gevent.sleep(0.05)
        with gevent.Timeout(60):
            server.stop(1000)
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


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY TCP4 192.0.2.7\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 25 more\r\n",
        b"PROXY TCP4 2001:db8::7 192.0.2.1 5000 25\r\n",  # not what it says
        b"PROXY TCP6 192.0.2.7 192.0.2.1 5000 25\r\n",
        b"PROXY TCP4 192.0.2.07 192.0.2.1 5000 25\r\n",
        b"PROXY TCP6 fe80::1%eth0 fe80::2 5000 25\r\n",
        b"PROXY TCP4 example.org 192.0.2.1 5000 25\r\n",
        b"PROXY TCP4  192.0.2.7 192.0.2.1 5000 25\r\n",
        b"PROXY\tTCP4\t192.0.2.7\t192.0.2.1\t5000\t25\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 25\n" + bytes(100),
        b"PROXY UDP4 192.0.2.7 192.0.2.1 5000 25\r\n",
        b"proxy TCP4 192.0.2.7 192.0.2.1 5000 25\r\n",
        b"PROXY " + b"x" * 200 + b"\r\n",
        V2 + b"\x21\x11\xff\xff" + bytes(70000),  # 64 KiB
        V2 + b"\x21\x11\x00\x04" + bytes([192, 0, 2, 7]),  # too short for two addresses
        V2 + b"\x11\x11\x00\x0c" + bytes(12),  # version 1
        V2 + b"\x22\x11\x00\x0c" + bytes(12),  # neither LOCAL nor PROXY
        V2 + b"\x21\x31\x00\xd8" + bytes(216),  # a unix socket
    ],
)
def test_forged_proxy_headers(header):
    with pytest.raises(ValueError):
        read_proxy_header(Bytes(header))


@pytest.mark.parametrize("first", [b"PROXY TCP4 198.51.100.1 192.0.2.1 5000 25\r\n", b"PROXY UNKNOWN\r\n"])
def test_only_the_first_header_is_the_proxys(serve, first):
    """What a client sends through a proxy comes after that."""

    def tells(session, sock):
        sock.sendall(f"{session.peer} {sock.recv(100)}\n".encode())

    _, port = serve(tells, "127.0.0.1:0 proxy")
    with connect(port, first + b"PROXY TCP4 203.0.113.1 192.0.2.1 5000 25\r\n") as client:
        peer, _, rest = client.recv(300).decode().partition(" ")
    assert peer == ("198.51.100.1" if b"TCP4" in first else "127.0.0.1") and "203.0.113.1" in rest


@given(st.one_of(st.binary(), st.binary().map(lambda b: b"PROXY " + b), st.binary().map(lambda b: V2 + b)))
def test_no_bytes_make_the_proxy_reader_fail_in_another_way(data):
    try:
        read_proxy_header(Bytes(data))
    except (ValueError, OSError):
        pass


# ---------------------------------------------------------------------------------------------- listeners for proxies


@pytest.mark.parametrize(
    ("text", "host", "port", "words"),
    [
        ("127.0.0.1:1993 proxy", "127.0.0.1", "1993", ("proxy",)),
        ("[::1]:1993  decrypted   proxy ", "::1", "1993", ("decrypted", "proxy")),
        ("localhost:1993 proxy", "localhost", "1993", ("proxy",)),
        ("unix:/run/a b.sock proxy decrypted", "unix", "/run/a b.sock", ("proxy", "decrypted")),
        ("unix:/run/proxy", "unix", "/run/proxy", ()),
        ("*:993", "*", "993", ()),
    ],
)
def test_words_after_an_address(text, host, port, words):
    found = listener(text)
    assert found == (host, port, words) and listener(str(found)) == found


@pytest.mark.parametrize(
    "text",
    ["*:993 proxy", "192.0.2.1:993 proxy", "[2001:db8::1]:993 decrypted", "mail.example.org:993 proxy"]
    + ["127.0.0.1:993 proxies", "127.0.0.1:993 proxy proxy", "127.0.0.1:993 PROXY", "proxy", "127.0.0.1 proxy"],
)
def test_words_that_are_none_and_addresses_that_others_reach(text):
    with pytest.raises(ValueError, match="must|is for addresses"):
        listener(text)
    with pytest.raises(BindError, match="^cannot listen on"):
        Server("test", (text,), echo_peer).bind()


def test_at_a_listener_for_proxies_each_connection_names_its_client(serve):
    server, port = serve(echo_peer, "127.0.0.1:0 proxy", "127.0.0.1:0")
    with connect(port, b"PROXY TCP4 198.51.100.1 192.0.2.1 5000 25\r\n") as client:
        assert client.recv(100) == b"198.51.100.1\n"
    with connect(port, b"EHLO example.org\r\n") as client:
        assert client.recv(100) == b""
    with connect(int(server.listening[1].rpartition(":")[2])) as client:
        assert client.recv(100) == b"127.0.0.1\n"
    assert ports(server.listening) == [int(server.listening[1].rpartition(":")[2])]


def test_a_unix_socket_for_proxies(serve, tmp_path):
    serve(echo_peer, f"unix:{tmp_path}/s proxy")
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o660  # the proxy is of the group
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{tmp_path}/s")
        client.sendall(b"PROXY TCP6 2001:db8::1 2001:db8::2 5000 25\r\n")
        assert client.recv(100) == b"2001:db8::1\n"


def test_where_a_proxy_has_taken_tls_off_a_session_counts_as_one_with_tls(serve, context):
    def tells(session, sock):
        sock.sendall(f"{session.tls} {session.peer}\n".encode())

    server, port = serve(tells, "127.0.0.1:0 proxy decrypted", "127.0.0.1:0", tls=context)
    with connect(port, b"PROXY TCP4 198.51.100.1 192.0.2.1 5000 25\r\n") as client:
        assert client.recv(100) == b"True 198.51.100.1\n"
    with connect(int(server.listening[1].rpartition(":")[2])) as plain, client_tls().wrap_socket(plain) as client:
        assert client.recv(100) == b"True 127.0.0.1\n"


def test_there_is_no_tls_to_take_off_where_it_begins_later(serve):
    with pytest.raises(BindError, match="begins without TLS"):
        serve(echo_peer, "127.0.0.1:0 decrypted")


# ---------------------------------------------------------------------------------------------- shares

PROXIES = ("127.0.0.0/8",)


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    make(folder / "cert.pem", folder / "key.pem", ["127.0.0.1"])
    made = tls_context()
    made.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return made


def proxied(port, address, send=b""):
    kind = "TCP6" if ":" in address else "TCP4"
    return connect(port, f"PROXY {kind} {address} {address} 5000 25\r\n".encode() + send)


def turns(until):
    """Let the server work until this is so."""
    for _ in range(500):
        if until():
            return
        gevent.sleep(0.01)
    raise AssertionError("it never came to that")


def logs_in(session, sock):
    """A protocol: any line logs in, and every line is answered."""
    while sock.recv(100):
        session.account = Account(1, "a@example.org")
        sock.sendall(b"hello\n")


def test_connections_count_from_accept_also_before_the_handshake(serve, context):
    server, port = serve(echo_peer, tls=context, proxies=PROXIES, max_unauthenticated=20, max_per_address=10)
    clients = [proxied(port, "192.0.2.1") for _ in range(50)]
    assert [client.recv(1) for client in clients[:40]] == [b""] * 40  # the oldest had to go
    assert server.seats.taken == (10, 0)
    turns(lambda: server.connections == 10)
    for client in clients:
        client.close()
    turns(lambda: server.connections == 0)
    assert server.seats.taken == (0, 0)


def test_strangers_take_no_place_from_people_who_are_logged_in(serve):
    server, port = serve(logs_in, proxies=PROXIES, max_connections=10, max_unauthenticated=10, max_per_address=5)
    people = [proxied(port, f"198.51.100.{number}", b"hello\n") for number in range(10)]
    assert [person.recv(100) for person in people] == [b"hello\n"] * 10
    evil = [proxied(port, f"192.0.2.{number % 250}") for number in range(200)]
    turns(lambda: server.seats.taken == (10, 10))
    for person in people:
        person.sendall(b"hello\n")
    assert [person.recv(100) for person in people] == [b"hello\n"] * 10
    with proxied(port, "203.0.113.1", b"hello\n") as another:
        assert another.recv(100) == b"hello\n"
    for client in people + evil:
        client.close()
    turns(lambda: server.connections == 0)


def test_where_nobody_logs_in_one_neighbourhood_cannot_take_all(serve):
    server, port = serve(echo_peer, proxies=PROXIES, max_connections=20, max_per_address=10, busy=b"421 busy\r\n")
    evil = [proxied(port, f"192.0.2.{number % 5}") for number in range(30)]
    turns(lambda: server.seats.taken == (20, 0))
    with proxied(port, "198.51.100.1") as other, proxied(port, "192.0.2.9") as neighbour:
        assert other.recv(100) == b"198.51.100.1\n"
        assert neighbour.recv(100) == b"421 busy\r\n"
    for client in evil:
        client.close()


@pytest.mark.parametrize("form", ["::ffff:198.51.100.{}", "::ffff:c633:64{:02x}", "64:ff9b::198.51.100.{}"])
def test_clients_of_ipv4_are_not_one_client_because_they_are_shown_as_ipv6(serve, form):
    _, port = serve(echo_peer, max_per_address=1, busy=b"421 busy\r\n", proxies=PROXIES)
    with proxied(port, form.format(10)) as one, proxied(port, form.format(11)) as other:
        assert one.recv(100) == b"198.51.100.10\n" and other.recv(100) == b"198.51.100.11\n"
        with proxied(port, "198.51.100.11") as same:
            assert same.recv(100) == b"421 busy\r\n"


def test_reverse_proxies_of_another_kind_are_not_counted_by_address(serve):
    # Loopback never is, so these come by way of a proxy that names a proxy.
    server, port = serve(echo_peer, max_per_address=1, proxies=PROXIES, gateways=("192.0.2.0/24",))
    clients = [proxied(port, "192.0.2.1") for _ in range(5)]
    assert [client.recv(100) for client in clients] == [b"192.0.2.1\n"] * 5


# ---------------------------------------------------------------------------------------------- the end


class Peer:
    """A client that does TLS by hand, so that it sees what comes before the end of TCP."""

    def __init__(self, sock):
        self.sock, self.input, self.output = sock, ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        self.tls = tls.wrap_bio(self.input, self.output)
        self.ended = False

    def do(self, action):
        while True:
            try:
                return action()
            except ssl.SSLWantReadError:
                self.sock.sendall(self.output.read())
                assert not self.ended, "TCP ended before TLS did"
                data = self.sock.recv(65536)
                self.ended = not data
                self.input.write(data)


@pytest.mark.parametrize("implicit", [True, False])
def test_the_end_of_tls_goes_out_before_the_end_of_tcp_and_waits_for_nobody(serve, context, implicit):
    def handle(session, sock):
        sock = sock if implicit else server.start_tls(sock, context)
        sock.sendall(b"bye\n")

    server, port = serve(handle, tls=context if implicit else None)
    with connect(port) as client:
        peer = Peer(client)
        peer.do(peer.tls.do_handshake)
        assert peer.do(lambda: peer.tls.read(100)) == b"bye\n"
        assert peer.do(lambda: peer.tls.read(100)) == b""  # close_notify; this client has not said its own
        assert peer.ended or client.recv(1) == b""


def test_a_client_that_is_still_sending_gets_the_last_words(serve):
    _, port = serve(lambda session, sock: sock.sendall(b"421 no more\n"))
    with connect(port, b"x" * 300_000) as client:
        gevent.sleep(0.05)
        client.sendall(b"x" * 300_000)
        assert client.recv(100) == b"421 no more\n" and client.recv(100) == b""


def test_a_handshake_that_fails_leaves_nothing(serve, context):
    server, port = serve(echo_peer, tls=context)
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", bytes(50), bytes.fromhex("16030100c8010000c40303") + bytes(200)):
        connect(port, garbage).close()
    turns(lambda: server.connections == 0)
    assert server.seats.taken == (0, 0)


def work_on(session, sock, steps):
    work = Work()
    while True:
        steps.append(session.id)
        until = time.thread_time() + 0.0005
        while time.thread_time() < until:
            pass
        work.step()


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("secure", [True, False])
def test_no_work_is_done_for_a_client_that_has_gone(serve, context, reset, secure):
    steps: list[str] = []
    server, port = serve(lambda session, sock: work_on(session, sock, steps), tls=context if secure else None)
    client = connect(port)
    if secure:
        client = client_tls().wrap_socket(client)
    while len(steps) < 20:
        gevent.sleep(0.001)
    if reset:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    before = len(steps)
    with gevent.Timeout(30):
        while server.connections:
            gevent.sleep(0.001)
    assert len(steps) < before + 200 and not clients


def test_it_stops_in_time_however_many_stand_in_line(serve):
    steps: list[str] = []
    server, port = serve(lambda session, sock: work_on(session, sock, steps))
    open_ones = [connect(port) for _ in range(60)]
    with gevent.Timeout(30):
        while len(set(steps)) < 60:
            gevent.sleep(0.001)
        server.stop(0.1)
    assert not server.connections and not clients
    for client in open_ones:
        client.close()


def test_work_belongs_to_the_account_or_the_neighbourhood(serve):
    owners = []

    def handle(session, sock):
        owners.append(clients[gevent.getcurrent()].owner)
        session.account = Account(7, "a@example.org", "")
        owners.append(clients[gevent.getcurrent()].owner)

    _, port = serve(handle, proxies=("127.0.0.0/8",))
    for peer in ("198.51.100.1", "198.51.100.2", "203.0.113.1"):
        with connect(port, f"PROXY TCP4 {peer} 192.0.2.1 5000 25\r\n".encode()) as client:
            assert client.recv(1) == b""
    assert owners[1::2] == [7, 7, 7]
    assert owners[0] == owners[2] != owners[4]
