"""Clients that are slow, broken or evil, and a gateway that stops."""

import contextlib
import socket
import struct
from types import SimpleNamespace

import gevent
import pytest
from chatgate_smtp.driver import Goodbye, Stream, run
from chatgate_smtp.options import SmtpOptions
from hypothesis import given, settings
from hypothesis import strategies as st
from smtp_wire import ALICE, PASSWORD, Wire, b64, client_tls, plain

from chatgate.testing import port, until


@pytest.mark.parametrize("line", [b"NOOP\nNOOP\r\n", b"NOOP\rNOOP\r\n", b"NOOP\n", b"NOOP\r\r\n", b"\n", b"NOOP \rx"])
def test_a_bare_cr_or_lf_in_a_command_ends_the_session(wire, line):
    client = wire("mx")
    client.send(line)
    assert client.reply()[0] == 521
    assert client.ended()


def test_a_bare_lf_does_not_start_a_command_in_an_auth_answer(wire):
    client = wire().hello()
    assert client.ask("AUTH PLAIN").startswith("334 ")
    client.send(plain(ALICE, PASSWORD).encode() + b"\nMAIL FROM:<alice@example.org>\r\n")
    assert client.reply()[0] == 521
    assert client.ended()


@pytest.mark.parametrize("length", [4095, 4096, 16384, 40_000, 900_000])
def test_a_command_line_too_long(wire, length):
    client = wire("mx")
    client.send(b"NOOP " + b"x" * length + b"\r\nNOOP\r\n")
    assert client.replies(2) == ["500 5.5.2 Line too long", "250 2.0.0 OK"]
    assert client.ask("NOOP " + "x" * 4000) == "250 2.0.0 OK"


def test_a_long_command_line_whose_end_comes_in_two_pieces(wire):
    client = wire("mx")
    for piece in (b"NOOP " + b"x" * 10_000 + b"\r", b"\nNOOP\r", b"\n"):
        client.send(piece)
        gevent.sleep(0.05)
    assert client.replies(2) == ["500 5.5.2 Line too long", "250 2.0.0 OK"]


def test_a_command_line_without_end(wire):
    client = wire("mx")
    try:
        for _ in range(100):
            client.send(b"x" * 65536)
    except OSError:
        pass
    assert client.reply() == (500, "5.5.2 Line too long")
    assert client.ended()


def test_too_many_errors(wire):
    client = wire("mx", max_errors=3)
    client.send(*["FOO"] * 10)
    assert [reply[:9] for reply in client.replies(5)] == ["530 5.7.0"] * 4 + ["421 4.7.0"]
    assert client.ended()


def test_a_message_taken_forgives_errors(sender):
    client = sender(max_errors=3)
    for _ in range(3):
        for _ in range(3):
            assert client.ask("FOO").startswith("500 ")
        client.start_mail()
        assert client.ask(".").startswith("250 ")


def test_too_many_commands_that_lead_nowhere(sender):
    client = sender(max_commands_per_message=10)
    for _ in range(5):
        client.start_mail()
        assert client.ask(".").startswith("250 ")
    client.send(*["NOOP"] * 11)
    assert [reply[:3] for reply in client.replies(11)] == ["250"] * 10 + ["421"]
    assert client.ended()


def test_too_many_connections(started):
    gateway, _ = started(max_connections=2)
    with Wire(gateway, "mx") as one, Wire(gateway, "mx") as two:
        with Wire(gateway, "mx", greeting=False) as three:
            assert three.line() == "421 4.7.0 Too many connections, try again later"
            assert three.ended()
        assert one.alive() and two.alive()
    gevent.sleep(0.05)
    with Wire(gateway, "mx") as four:
        assert four.alive()


def test_a_client_that_is_still_sending_gets_the_last_reply(sender):
    client = sender(core={"max_message_bytes": 10_000})
    client.start_mail()
    for _ in range(40):
        client.send(b"x" * 10_000)  # raises OSError where the server just closes
        gevent.sleep(0.005)
    assert client.reply() == (552, "5.3.4 Message exceeds maximum size")
    assert client.ended()


def test_tls_ends_as_it_should(wire):
    client = wire("mx").hello()
    assert client.ask("STARTTLS").startswith("220 ")
    # Without a close_notify this raises SSLEOFError at the end, as an attacker may have cut the connection.
    client.sock = client_tls().wrap_socket(client.sock, suppress_ragged_eofs=False)
    assert client.hello().ask("QUIT") == "221 2.0.0 Bye"
    assert client.ended()


# ---------------------------------------------------------------------------------------------- time


@pytest.mark.parametrize("service", ["submissions", "submission", "mx"])
def test_a_silent_client_times_out(wire, service):
    client = wire(service, command_seconds=0.2)
    assert client.line() == "421 4.4.2 Timeout, closing connection"
    assert client.ended()


def test_a_client_that_trickles_a_command_times_out(wire):
    client = wire("mx", command_seconds=1.5)
    for octet in b"NOOP is":
        client.send(bytes([octet]))
        gevent.sleep(0.05)
    assert client.line() == "421 4.4.2 Timeout, closing connection"


def test_a_client_that_never_logs_in_times_out(wire):
    client = wire(login_seconds=1.5)
    with gevent.Timeout(60):
        while client.ask("NOOP") == "250 2.0.0 OK":
            gevent.sleep(0.1)
    assert client.ended()
    with Wire(client.gateway).hello().login() as other, Wire(client.gateway, "mx") as server:
        gevent.sleep(2)
        assert other.alive() and server.alive()


@pytest.mark.parametrize("limit", ["data_seconds", "data_idle_seconds"])
def test_a_message_that_stalls_times_out(sender, limit):
    client = sender(**{limit: 0.3})
    client.start_mail()
    client.send("half a message")
    assert client.line() == "421 4.4.2 Timeout, closing connection"
    assert client.ended() and client.fake.mails == []
    assert client.gateway.hub.plugin("smtp").receiving.uploads[True].free == SmtpOptions().max_inflight_bytes


def test_a_message_that_trickles_may_take_its_time_but_no_more(sender):
    client = sender(min_upload_rate=10, data_idle_seconds=1.0, data_seconds=3.0, command_seconds=0.8)
    client.start_mail()
    for _ in range(5):
        client.send("line")
        gevent.sleep(0.2)
    assert client.ask(".").startswith("250 ")
    client.start_mail()
    with gevent.Timeout(60), pytest.raises(OSError):
        while True:
            client.send("line")
            gevent.sleep(0.2)
    assert len(client.fake.mails) == 1


def test_a_client_that_takes_no_replies_does_not_stay(started):
    gateway, _ = started(command_seconds=0.3, max_commands_per_message=10**9)
    service = next(service for service in gateway.services if service.name == "mx")
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port(gateway, "mx")))
        client.settimeout(0.5)
        with contextlib.suppress(OSError):
            client.sendall(b"EHLO x\r\n" * 60_000)  # the replies are more than all buffers hold
        until(lambda: not service.connections)


# ---------------------------------------------------------------------------------------------- going away


def test_a_half_closed_client_gets_its_answers(wire):
    client = wire("mx")
    client.send("NOOP", "NOOP")
    client.sock.shutdown(socket.SHUT_WR)
    assert client.replies(2) == ["250 2.0.0 OK"] * 2
    assert client.ended()


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("when", ["greeting", "auth", "mail", "data"])
def test_a_client_that_vanishes_leaves_nothing(started, caplog, when, reset):
    gateway, fake = started()
    caplog.clear()  # of what is said at the start
    service = next(service for service in gateway.services if service.name == "submissions")
    client = Wire(gateway).hello()
    if when == "auth":
        assert client.ask("AUTH PLAIN").startswith("334 ")
    elif when != "greeting":
        client.login()
        if when == "mail":
            assert client.ask("MAIL FROM:<alice@example.org>").startswith("250 ")
        else:
            client.start_mail().send("half a message", ".half")
    if reset:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    until(lambda: not service.connections)
    assert fake.mails == []
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


def test_garbage_on_every_port(started):
    gateway, _ = started()
    hello = bytes.fromhex("16030100c8010000c40303") + bytes(range(200))
    for service in ("submissions", "submission", "mx"):
        for garbage in (hello, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 5000, b"\r\n" * 50, bytes(range(256)) * 9):
            with socket.create_connection(("127.0.0.1", port(gateway, service)), timeout=60) as sock:
                sock.sendall(garbage)
                sock.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionResetError):  # by a TLS handshake that failed
                    while sock.recv(65536):
                        pass
    with Wire(gateway).hello().login() as client:
        assert client.alive()


# ---------------------------------------------------------------------------------------------- whatever comes

COMMANDS = b"EHLO x,HELO,NOOP,RSET,HELP,VRFY a,QUIT,DATA,STARTTLS,AUTH PLAIN,AUTH LOGIN,MAIL FROM:<>".split(b",")
COMMANDS += b"MAIL FROM:<alice@example.org>,RCPT TO:<bob@example.org>,RCPT TO:<nobody@example.org>".split(b",")
COMMANDS += [b"AUTH PLAIN " + plain(ALICE, PASSWORD).encode(), b64(ALICE).encode(), b"*", b".", b"..", b"x" * 5000]
WORDS = st.sampled_from([*COMMANDS, b"\r\n.\r\n", b"\r\n", b"\r", b"\n", b" ", b"\0", b"\xff", b"<", b">"])
STREAMS = st.lists(st.one_of(WORDS, WORDS.map(lambda word: word + b"\r\n"), st.binary(max_size=20)), max_size=25)


@pytest.fixture
def crowd(started):
    """A gateway and a well-behaved client that is on it all the time."""
    gateway, fake = started(login_seconds=3600.0, max_commands_per_message=100_000)
    gateway.bystander = Wire(gateway).hello().login()
    yield gateway
    gateway.bystander.close()


@settings(max_examples=60)
@given(stream=STREAMS, service=st.sampled_from(["submissions", "mx"]), logged_in=st.booleans())
def test_whatever_comes_is_answered_and_concerns_nobody_else(crowd, stream, service, logged_in):
    with Wire(crowd, service) as client:
        if logged_in and service == "submissions":
            client.hello().login()
        try:
            client.send(b"".join(stream))
            client.sock.shutdown(socket.SHUT_WR) if service == "mx" else client.send(b"\r\n.\r\nQUIT\r\nQUIT\r\n\n")
            starttls = False
            while True:
                if starttls:
                    client.sock.recv(65536)  # a TLS alert
                    break
                code, text = client.reply()
                if not code:
                    break
                assert 200 <= code <= 599
                starttls = code == 220
        except ConnectionResetError:
            pass
    assert crowd.bystander.alive()


def test_a_flood_of_commands_leaves_turns_to_others(started, monkeypatch):
    gateway, _ = started(max_commands_per_message=10**9)
    flooder, other = Wire(gateway, "mx"), Wire(gateway, "mx")
    commands, read = [0], Stream.readuntil

    async def counted(stream):
        commands[0] += 1
        return await read(stream)

    def flood():
        while True:
            flooder.send(b"NOOP\r\n" * 2000)

    def drink():
        while flooder.sock.recv(1 << 20):
            pass

    monkeypatch.setattr(Stream, "readuntil", counted)
    greenlets = [gevent.spawn(flood), gevent.spawn(drink)]
    begun = until(lambda: commands[0] > 1000 and commands[0])
    for _ in range(10):
        before = commands[0]
        assert other.alive()
        assert commands[0] - before < 1000
    gevent.killall(greenlets)
    assert commands[0] - begun > 100, "the flood goes on meanwhile"
    flooder.close()
    other.close()


# ---------------------------------------------------------------------------------------------- stopping


@pytest.mark.parametrize("service", ["submissions", "submission", "mx"])
def test_a_waiting_session_is_told_to_go(wire, service):
    client = wire(service, core={"stop_seconds": 1000.0})
    with gevent.Timeout(60):
        client.gateway.stop()
    assert client.line() == "421 4.3.2 Shutting down, try again later"
    assert client.ended()


def test_sessions_in_the_middle_of_something_are_told_too(started):
    gateway, fake = started()
    challenged = Wire(gateway).hello()
    assert challenged.ask("AUTH PLAIN").startswith("334 ")
    mailing = Wire(gateway).hello().login()
    assert mailing.ask("MAIL FROM:<alice@example.org>").startswith("250 ")
    typing = Wire(gateway).hello()
    typing.send(b"NOO")
    gevent.sleep(0.05)
    gateway.stop()
    for client in (challenged, mailing, typing):
        assert client.line() == "421 4.3.2 Shutting down, try again later"
        assert client.ended()
        client.close()


@pytest.mark.parametrize("busy_in", ["turn", "flush"])
def test_a_stop_while_a_session_is_about_to_wait_is_not_missed(busy_in, monkeypatch):
    ours, theirs = socket.socketpair()
    stream = Stream(ours, 1000, 5)

    def busy():
        stream.stop("421 4.3.2 Shutting down")
        gevent.sleep(0.01)

    if busy_in == "turn":
        stream._work = SimpleNamespace(turn=busy)
    else:
        monkeypatch.setattr(stream, busy_in, busy)
    stream._output = b"held back"
    with pytest.raises(Goodbye, match="421 4.3.2"):
        run(stream.readuntil())
    theirs.close()
    stream.close()


def test_a_session_that_would_suspend_is_an_error():
    class Future:
        def __await__(self):
            yield self

    async def suspends():
        await Future()

    with pytest.raises(RuntimeError, match="waited for an event loop"):
        run(suspends())


def test_a_message_in_flight_is_finished(sender):
    client = sender()
    client.start_mail()
    client.send("half a message")
    stopping = gevent.spawn(client.gateway.stop)
    gevent.sleep(0.2)
    client.send("and the rest", ".", "MAIL FROM:<alice@example.org>")
    assert client.reply()[0] == 250
    assert client.line() == "421 4.3.2 Shutting down, try again later"
    assert client.ended()
    stopping.get(timeout=60)
    assert client.fake.mails[0].content == b"half a message\r\nand the rest\r\n"


def test_a_message_that_is_being_stored_gets_its_answer(sender):
    client = sender()
    client.fake.answers["store"] = lambda: gevent.sleep(0.3)
    client.start_mail()
    client.send(".")
    gevent.sleep(0.1)
    client.gateway.stop()
    assert client.reply()[0] == 250
    assert client.line().startswith("421 4.3.2 ")


def test_a_message_that_never_ends_does_not_hold_up_the_stop(sender):
    client = sender(core={"stop_seconds": 0.3})
    client.start_mail()
    with gevent.Timeout(60):  # data_seconds is more
        client.gateway.stop()
    assert client.ended()
