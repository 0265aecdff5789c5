"""One port for several services: handing over by ALPN, and looking at the first message of TLS."""

import socket
import ssl

import gevent
import pytest
from chatgate_tls.selfsigned import make
from hypothesis import example, given
from hypothesis import strategies as st

from chatgate.network import hello
from chatgate.network.alpn import Protocols
from chatgate.network.contexts import choose, tls_context
from chatgate.network.server import Server
from chatgate.store.records import Account
from chatgate.testing import client_tls, until


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    make(folder / "cert.pem", folder / "key.pem", ["127.0.0.1"])
    return folder / "cert.pem", folder / "key.pem"


class Stage:
    """A site whose listener goes by ALPN, and a mail service with a listener of its own."""

    def __init__(self, files):
        self.files, self.protocols, self.servers = files, Protocols(), {}
        self.front = self.context()
        self.protocols.offered_by(self.front)

    def context(self):
        made = tls_context()
        made.load_cert_chain(*self.files)
        choose(made, lambda name: None)
        return made

    def add(self, name, handle, addresses=("127.0.0.1:0",), **settings):
        settings = {"tls": self.context(), "proxies": ("127.0.0.0/8",), "protocols": self.protocols} | settings
        server = self.servers[name] = Server(name, addresses, handle, **settings)
        server.bind()
        server.start()
        return server

    def site(self, handle, **settings):
        return self.add("https", handle, tls=self.front, alpn="http/1.1", by_alpn=True, **settings)

    def raw(self, name="https", peer="198.51.100.1"):
        port = int(self.servers[name].listening[0].rpartition(":")[2])
        client = socket.create_connection(("127.0.0.1", port), timeout=60)
        client.sendall(f"PROXY TCP4 {peer} 192.0.2.1 5000 25\r\n".encode())
        return client

    def client(self, *offered, host="example.org", **to):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if offered:
            context.set_alpn_protocols(list(offered))
        return context.wrap_socket(self.raw(**to), server_hostname=host)


@pytest.fixture
def stage(files):
    made = Stage(files)
    yield made
    for server in made.servers.values():
        server.stop(0)


def says_who(session, sock):
    sock.sendall(f"{session.service} {session.peer} {session.tls} {session.server_name}\n".encode())
    sock.recv(1)


@pytest.mark.parametrize(
    ("offered", "service", "agreed"),
    [
        ((), "https", None),
        (("h2", "http/1.1"), "https", "http/1.1"),
        (("h2",), "https", None),
        (("imap",), "imaps", "imap"),
        (("h2", "imap"), "imaps", "imap"),
        (("imap", "http/1.1"), "https", "http/1.1"),
    ],
)
def test_a_client_gets_the_service_that_it_asks_for(stage, offered, service, agreed):
    stage.site(says_who)
    stage.add("imaps", says_who, alpn="imap")
    with stage.client(*offered) as client:
        assert client.recv(100) == f"{service} 198.51.100.1 True example.org\n".encode()
        assert client.selected_alpn_protocol() == agreed


def test_another_listener_offers_nothing(stage):
    stage.site(says_who)
    stage.add("imaps", says_who, alpn="imap")
    with stage.client("http/1.1", "imap", name="imaps") as client:
        assert client.recv(100).startswith(b"imaps ") and client.selected_alpn_protocol() is None


def test_it_counts_for_the_service_that_it_becomes(stage):
    site = stage.site(says_who, max_per_address=1)
    mail = stage.add("imaps", says_who, alpn="imap", max_per_address=2, busy=b"* BYE busy\r\n")
    with stage.client("imap") as one, stage.client("imap") as two, stage.client() as page:
        assert [client.recv(6) for client in (one, two, page)] == [b"imaps ", b"imaps ", b"https "]
        assert (site.seats.taken, mail.seats.taken) == ((1, 0), (2, 0))
        assert (site.connections, mail.connections) == (1, 2)
        page.close()
        until(lambda: not site.connections)
        with stage.client("imap") as three:
            assert three.recv(100) == b"* BYE busy\r\n"
        with stage.client("imap", peer="203.0.113.1") as other:
            assert other.recv(6) == b"imaps "
    until(lambda: not site.connections and not mail.connections)
    assert (site.seats.taken, mail.seats.taken) == ((0, 0), (0, 0))


def test_a_login_is_one_at_the_service(stage):
    def logs_in(session, sock):
        session.account = Account(1, "a@example.org")
        sock.sendall(b"hello\n")
        sock.recv(1)

    site = stage.site(says_who)
    mail = stage.add("imaps", logs_in, alpn="imap", max_unauthenticated=1)
    with stage.client("imap") as one, stage.client("imap") as two:
        assert [one.recv(100), two.recv(100)] == [b"hello\n"] * 2
        assert (site.seats.taken, mail.seats.taken) == ((0, 0), (0, 2))


def test_the_service_ends_its_connections_and_the_listener_its_own(stage):
    def until_told(session, sock):
        stop = gevent.event.Event()
        session.on_stop = stop.set
        sock.sendall(b"hello\n")
        stop.wait()
        sock.sendall(session.service.encode())

    site, mail = stage.site(until_told), stage.add("imaps", until_told, alpn="imap")
    with stage.client("imap") as one, stage.client() as page:
        assert [one.recv(100), page.recv(100)] == [b"hello\n"] * 2
        site.stop(60)
        assert page.recv(100) == b"https" and mail.connections == 1
        mail.stop(60)
        assert one.recv(100) == b"imaps"


def test_a_service_that_has_stopped_is_not_offered(stage):
    stage.site(says_who)
    stage.add("imaps", says_who, alpn="imap").stop(0)
    with stage.client("imap") as client:
        assert client.recv(6) == b"https " and client.selected_alpn_protocol() is None


# ---------------------------------------------------------------------------------------------- contexts of its own


def challenges(stage, asked):
    def context(host):
        asked.append(host)
        if host != "known.example":
            return None
        made = stage.context()
        made.set_alpn_protocols(["acme-tls/1"])
        return made

    return stage.add("acme", says_who, (), alpn="acme-tls/1", context=context)


def test_a_service_with_contexts_of_its_own(stage):
    asked = []
    site, acme = stage.site(says_who), challenges(stage, asked)
    with stage.client("acme-tls/1", host="known.example") as client:
        assert client.recv(100) == b"acme 198.51.100.1 True known.example\n"
        assert client.selected_alpn_protocol() == "acme-tls/1"
        assert (site.connections, acme.connections) == (0, 1)
    with pytest.raises(OSError):
        stage.client("acme-tls/1", host="other.example")
    with stage.client("http/1.1") as client:
        assert client.recv(6) == b"https "
    until(lambda: not site.connections and not acme.connections)
    assert asked == ["known.example", "other.example"] and acme.seats.taken == (0, 0)


def test_a_context_that_cannot_be_made_is_logged_without_who_asked(stage, caplog):
    def broken(host):
        raise RuntimeError("secret words")

    stage.site(says_who)
    acme = stage.add("acme", says_who, (), alpn="acme-tls/1", context=broken)
    with pytest.raises(OSError):
        stage.client("acme-tls/1")
    until(lambda: not acme.connections)
    assert "service=acme" in caplog.text and "error=RuntimeError" in caplog.text
    assert "secret" not in caplog.text and "198.51" not in caplog.text and acme.seats.taken == (0, 0)


def test_first_messages_that_do_not_end_hold_up_nobody(stage):
    """However many there are, and whatever they send: those who send a whole one are served."""
    site = stage.site(says_who, max_connections=500, max_per_address=500)
    challenges(stage, [])
    whole = in_records(first_message(), 100)
    crowd = [stage.raw() for _ in range(150)]
    for number, client in enumerate(crowd):
        client.sendall(whole[: 1 + number % len(whole)] if number % 3 else bytes([22, 3, 1, 64, 0, 1, 0, 63, 0]))
    for _ in range(5):
        with stage.client("h2", "http/1.1") as client:
            assert client.recv(6) == b"https "
    for client in crowd:
        client.close()
    until(lambda: not site.connections)
    assert site.seats.taken == (0, 0)


def test_where_there_is_none_nothing_is_looked_at(stage, monkeypatch):
    stage.site(says_who)
    monkeypatch.setattr(hello, "peek", lambda connection: pytest.fail("looked at"))
    with stage.client() as client:
        assert client.recv(6) == b"https "


def first_message(*offered, host="known.example", context=None):
    """The octets with which a client begins."""
    context = context or client_tls()
    if offered:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(list(offered))
    out = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=host or None)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read()


def in_records(data, size):
    """The same message in records of so many octets."""
    body = data[5:]
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2) + piece for piece in pieces)


def test_a_first_message_in_pieces_is_waited_for(stage):
    stage.site(says_who)
    asked = []
    acme = challenges(stage, asked)
    message = first_message("acme-tls/1")
    with stage.raw() as client:
        for at in range(0, len(message), 100):
            client.sendall(message[at : at + 100])
            gevent.sleep(0.001)
        assert client.recv(1) == b"\x16"  # the answer: a handshake
    assert asked == ["known.example"]
    until(lambda: not acme.connections)


@pytest.mark.parametrize("size", [40, 100, 200])
def test_a_first_message_in_many_records(size):
    assert hello.read(in_records(first_message("acme-tls/1"), size)) == ("known.example", ("acme-tls/1",))


@pytest.mark.parametrize(
    "start",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x80\x2e\x01\x00\x02" + bytes(50),  # SSL 2
        b"\x16\x03\x01\x00\x00" + bytes(50),  # an empty record
        b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + bytes(100),  # 16 MB
        b"\x15\x03\x01\x00\x02\x02\x28" + bytes(50),  # an alert
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",  # a ServerHello
        b"\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03",  # shorter than its parts
        (b"\x16\x03\x01\x00\x01\x01" + 4000 * b"\x16\x03\x01\x00\x01\xff"),
    ],
)
def test_what_is_no_first_message_is_left_to_the_library(stage, start):
    assert hello.read(start) == hello.NOTHING
    site = stage.site(says_who)
    challenges(stage, [])
    with stage.raw() as client:
        client.sendall(start)
        client.shutdown(socket.SHUT_WR)
        while client.recv(1000):
            pass
    until(lambda: not site.connections)
    assert site.seats.taken == (0, 0)


def test_who_goes_away_in_the_first_message_leaves_nothing(stage):
    site = stage.site(says_who, handshake_seconds=600)
    challenges(stage, [])
    with stage.raw() as client:
        client.sendall(first_message()[:-1])
        until(lambda: site.connections)
    until(lambda: not site.connections)


def test_who_never_ends_the_first_message_is_cut_off(stage):
    site = stage.site(says_who, handshake_seconds=0.2)
    challenges(stage, [])
    with stage.raw() as client:
        client.sendall(first_message()[:-1])
        assert client.recv(1) == b""
    until(lambda: not site.connections)


def test_a_first_message_that_is_too_long_is_left_to_the_library():
    message = first_message("acme-tls/1")
    extended = message[:-1] + b"\xff" * 20000
    assert hello.read(extended[: hello.MOST]) is not None


def test_a_first_message_in_hundreds_of_records_is_left_to_the_library():
    """To look through them again and again, while more of them come, would cost more than the handshake."""
    message = in_records(first_message("acme-tls/1"), 1)
    assert hello.read(message) == hello.read(message[:500]) == hello.NOTHING


@pytest.mark.parametrize("host", ["../../key", "a/b.example", "a..b", "known.example:443", "-", "a_b.example"])
def test_what_is_no_name_of_a_host_is_none(host):
    message = first_message("acme-tls/1", host="h" * len(host))
    assert hello.read(message).server_name in ("h" * len(host), "")
    assert hello.read(message.replace(b"h" * len(host), host.encode())) == ("", ("acme-tls/1",))


def test_names_are_in_normal_form():
    message = first_message("acme-tls/1", host="known.example").replace(b"known.example", b"KNOWN.example")
    assert hello.read(message).server_name == "known.example"


def test_names_of_protocols_that_nobody_knows():
    """GREASE (RFC 8701), and names that are no text."""
    message = first_message("xx", "acme-tls/1", "yy").replace(b"xx", b"\x0a\x0a").replace(b"yy", b"\xff\x00")
    assert hello.read(message).protocols == ("\n\n", "acme-tls/1", "\xff\0")


def test_it_needs_no_names_and_no_extensions():
    assert hello.read(first_message(host="")) == ("", ())
    body = b"\x03\x03" + bytes(32) + b"\0" + b"\0\x02\x13\x01" + b"\x01\0"
    message = b"\x01" + len(body).to_bytes(3) + body
    assert hello.read(b"\x16\x03\x01" + len(message).to_bytes(2) + message) == hello.NOTHING


MESSAGE = first_message("h2", "acme-tls/1")


@given(st.integers(0, len(MESSAGE) - 1), st.integers(0, 255))
def test_a_first_message_with_a_wrong_octet_raises_nothing(at, octet):
    hello.read(MESSAGE[:at] + bytes([octet]) + MESSAGE[at + 1 :])


@given(st.integers(0, len(MESSAGE)))
def test_half_a_first_message_is_waited_for(at):
    assert (hello.read(MESSAGE[:at]) is None) == (at < len(MESSAGE))


@given(st.binary(max_size=300))
@example(b"\x16\x03")
@example(b"\x16\x03\x03\x00\x05\x01\x00\x00\x01\x00")
def test_no_octets_make_it_raise(data):
    for start in (b"", b"\x16\x03\x01", MESSAGE[:5], MESSAGE[:60], MESSAGE[:120]):
        hello.read(start + data)
