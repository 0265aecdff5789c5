"""Clients that are broken, slow or hostile get a clear answer, and nobody else notices."""

from __future__ import annotations

import contextlib
import resource
import socket
import struct

import gevent
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imap_trace import Client

from chatgate.api import StoreError
from chatgate.testing import until

# ---------------------------------------------------------------------------------------------- literals

LIMIT = 1_000_000


@pytest.fixture
def small(own_gateway):
    """A gateway that takes messages of 1 MB, and a client that is logged in."""
    gateway = own_gateway(core={"max_message_bytes": LIMIT}, imap={"stall_seconds": 1.0})
    client = Client(gateway)
    client.do("LOGIN a@example.org passpass1")
    return client


@pytest.mark.parametrize("size", [LIMIT + 100_000, 2**31, 2**63, 10**19])
def test_a_literal_too_large_is_refused_before_it_is_sent(small, size):
    small.send(b"a APPEND INBOX {%d}\r\n" % size)
    assert small.line() == b"a NO [TOOBIG] Literal too large"
    small.do("NOOP")


def test_just_over_the_limit(small):
    small.send(b"a APPEND INBOX {%d+}\r\n%s\r\n" % (LIMIT + 1, b"x" * (LIMIT + 1)))
    assert small.line().startswith(b"a NO [TOOBIG]")
    small.append(b"x" * LIMIT)


def test_a_literal_nobody_asked_for_is_swallowed(small):
    for _ in range(3):
        small.send(b"a APPEND INBOX {%d+}\r\n" % (LIMIT + 200_000))
        small.send(b"x" * (LIMIT + 200_000) + b"\r\n")
        assert small.line() == b"a NO [TOOBIG] Literal too large"
    small.do("NOOP")


def test_or_the_connection_ends(small):
    small.send(b"a APPEND INBOX {%d+}\r\n" % (10 * LIMIT))
    assert small.line().startswith(b"a BAD [TOOBIG]")
    assert small.line().startswith(b"* BYE [TOOBIG]")
    assert small.closed()


def test_large_literals_only_for_messages(small):
    small.send(b"a CREATE {200000}\r\n")
    assert small.line().startswith(b"a NO [TOOBIG]")
    small.send(
        b"a SEARCH " + b"SUBJECT {60000+}\r\n" + b"x" * 60000 + b" SUBJECT {80000+}\r\n" + b"x" * 80000 + b"\r\n"
    )
    assert small.line().startswith(b"a NO [TOOBIG]")
    small.do("NOOP")


def test_no_large_literal_before_login(stage):
    client = stage.stranger()
    client.send(b"a LOGIN {2000}\r\n")
    assert client.line().startswith(b"a NO Literal too large")
    client.send(b"a LOGIN {2000+}\r\n")
    assert client.line().startswith(b"a BAD [TOOBIG]")
    assert client.line().startswith(b"* BYE")
    assert client.closed()


def test_many_small_literals(small):
    small.send(b"a ID (" + b"{0+}\r\n " * 5000)
    assert small.line().startswith(b"* BYE [TOOBIG]")


def test_memory_is_taken_as_octets_come_not_as_they_are_announced(small, own_gateway):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    clients = []
    for _ in range(30):
        client = Client(small.gateway)
        client.do("LOGIN a@example.org passpass1")
        client.send(b"a APPEND INBOX {%d}\r\n" % LIMIT)
        assert client.line().startswith(b"+")
        clients.append(client)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB; announced were 30 MB
    for client in clients:
        client.sock.close()


FULL = b"NO [UNAVAILABLE] Too many messages are being saved"


def filled(gateway, free):
    until(lambda: gateway.hub.plugin("imap").uploads.free == free)


def logged_in(gateway, *names):
    clients = [Client(gateway) for _ in names]
    for client, name in zip(clients, names, strict=True):
        client.do(f"LOGIN {name}@example.org passpass1")
    return clients


def test_what_is_announced_takes_nothing(own_gateway):
    """Nine APPEND {31000000} without data kept everybody from saving."""
    gateway = own_gateway(imap={"max_inflight_bytes": 100_000})
    for client in logged_in(gateway, *["evil"] * 9):
        client.send(b"a APPEND INBOX {31000000}\r\n")
        assert client.line().startswith(b"+")
    (honest,) = logged_in(gateway, "honest")
    honest.append(b"x" * 90_000)


@pytest.mark.parametrize("kind", [b"{60000}", b"{60000+}"])
def test_when_memory_is_full_who_stands_still_gives_way(own_gateway, kind):
    gateway = own_gateway(imap={"max_inflight_bytes": 100_000})
    slow, fast = logged_in(gateway, "slow", "fast")
    slow.send(b"a APPEND INBOX " + kind + b"\r\n")
    if b"+" not in kind:
        assert slow.line().startswith(b"+")
    slow.send(b"x" * 50_000)
    filled(gateway, 50_000)
    gevent.sleep(0.3)
    fast.append(b"x" * 80_000)
    slow.send(b"x" * 10_000 + b"\r\n")
    assert slow.line().startswith(b"a " + FULL)
    slow.append(b"x" * 60_000)  # in step, and welcome now
    slow.send(b"a APPEND INBOX {60000}\r\n")
    slow.line()
    slow.send(b"x" * 50_000)
    filled(gateway, 50_000)
    slow.sock.close()
    filled(gateway, 100_000)


def test_literals_that_are_thrown_away_take_no_memory_and_must_keep_the_pace(own_gateway):
    gateway = own_gateway(imap={"max_inflight_bytes": 100_000, "min_upload_rate": 1000, "stall_seconds": 2.0})
    patient, slow = logged_in(gateway, "patient", "slow")
    patient.send(b"a NOOP {400000+}\r\n")
    for _ in range(20):
        patient.send(b"x" * 20_000)
        gevent.sleep(0.01)
        assert gateway.hub.plugin("imap").uploads.free == 100_000
    patient.send(b"\r\n")
    assert patient.line().startswith(b"a NO [TOOBIG]")
    slow.send(b"a NOOP {400000+}\r\n")

    def drip():
        with contextlib.suppress(OSError):
            while True:
                slow.send(b"x" * 10)  # 200 octets a second
                gevent.sleep(0.05)

    dripping = gevent.spawn(drip)
    assert slow.line().startswith(b"* BYE") and slow.closed()
    dripping.kill()


def test_long_lines_count_too(own_gateway):
    gateway = own_gateway(imap={"max_inflight_bytes": 100_000})
    evil = logged_in(gateway, *["evil"] * 4)
    for client in evil:
        client.send(b"a NOOP " + b"x" * 60_000)
    gevent.sleep(0.3)
    assert gateway.hub.plugin("imap").uploads.free >= 0
    (honest,) = logged_in(gateway, "honest")
    honest.append(b"x" * 90_000)
    for client in evil:
        client.send(b"x\r\n")
    answers = [client.line() for client in evil]
    assert any(answer.startswith(b"* BYE [UNAVAILABLE]") for answer in answers)


def test_a_pause_inside_a_literal(small):
    small.send(b"a APPEND INBOX {100}\r\n")
    assert small.line().startswith(b"+")
    small.send(b"half")
    assert small.line().startswith(b"* BYE")
    assert small.closed()


# ---------------------------------------------------------------------------------------------- lines


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b" ",
        b"a",
        b"* NOOP",
        b"+ NOOP",
        b"(a) NOOP",
        b"a  NOOP",
        b"\x00\x01",
        b"GET / HTTP/1.1",
        b"\xff\xfe a",
        b"a {3}x",
        b"a%b NOOP",
    ],
)
def test_no_command(client, line):
    client.send(line + b"\r\nok NOOP\r\n")
    assert b" BAD " in client.line()
    assert client.line().startswith(b"ok OK")


def test_a_line_that_does_not_end(stage):
    client = stage.stranger()
    with pytest.raises((EOFError, ConnectionError)):
        for _ in range(1000):
            client.send(b"a" * 10000)
        client.line()
    client = stage.stranger()
    client.send(b"a NOOP " + b"x" * 70000 + b"\r\n")
    assert client.line().startswith(b"* BYE [TOOBIG] Command line too long")
    assert client.closed()


def test_a_long_line_is_fine(client):
    client.do("SELECT INBOX")
    client.do("UID FETCH " + ",".join(str(number) for number in range(1, 4000, 2)) + " (FLAGS)")


def test_bare_line_feeds_end_lines_too(client):
    client.send(b"a NOOP\nb NOOP\n")
    assert client.line().startswith(b"a OK") and client.line().startswith(b"b OK")


def test_garbage_is_cut_off(stage):
    client = stage.stranger()
    client.send(b"\r\n".join([b"\x16\x03\x01 garbage"] * 100))
    assert client.line() == b"* BAD Expected a tag and a command"
    assert client.closed()


def test_too_many_errors(client):
    for _ in range(19):
        client.fails("FOO")
    client.do("NOOP")  # one right command forgives
    for _ in range(20):
        client.fails("FOO")
    assert client.line() == b"* BYE Too many invalid commands"


def test_too_many_commands_before_login(stage):
    client = stage.stranger()
    client.send(b"a NOOP\r\n" * 1000)
    for _ in range(50):
        assert client.line().startswith(b"a OK")
    assert client.line() == b"* BYE Too many commands before login"
    assert client.closed()


def test_commands_pipelined_with_login_wait_for_it(stage):
    stage["1"]
    client = stage.stranger()
    client.send('a SELECT INBOX\r\nb LOGIN "{}" "{}"\r\nc SELECT INBOX\r\n'.format(*stage.login).encode())
    assert client.line().startswith(b"a BAD")
    assert client.line().startswith(b"b OK")
    assert client.line().startswith(b"* FLAGS")


def test_pipelined_answers_travel_together(client):
    client.do("SELECT INBOX")
    client.send(b"".join(b"%d NOOP\r\n" % number for number in range(100)))
    until(lambda: client.sock.recv(65536, socket.MSG_PEEK).count(b"\r\n") == 100)
    client.line()
    assert client._buffer.count(b"\r\n") == 99


def test_one_octet_at_a_time(client):
    for octet in b"a APPEND INBOX {3+}\r\nabc\r\n":
        client.send(bytes([octet]))
    assert client.line().startswith(b"a OK [APPENDUID")


# ---------------------------------------------------------------------------------------------- connections


def test_half_closed(client):
    """A client may say all it has to say and close its side."""
    client.append(b"Subject: x\r\n\r\n")
    client.send(b"a SELECT INBOX\r\nb FETCH 1 FLAGS\r\nc NOOP\r\n")
    client.sock.shutdown(socket.SHUT_WR)
    client.tag = b"c"
    assert client.finish().startswith(b"OK")
    assert client.closed()


def test_reset_in_the_middle(stage):
    for _ in range(5):
        client = Client(stage.gateway)
        client.send(b"a NOOP\r\nb NOOP")
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sock.close()
    stage["1"].do("NOOP")


def test_a_client_that_does_not_read_is_cut_off(own_gateway):
    gateway = own_gateway(imap={"stall_seconds": 0.5})
    client = Client(gateway)
    client.do("LOGIN a@example.org passpass1")
    client.append(b"x" * 1_000_000)
    client.do("SELECT INBOX")
    server = next(service for service in gateway.services if service.name == "imap")
    client.send(b"".join(b"%d FETCH 1 BODY.PEEK[]\r\n" % number for number in range(50)))
    until(lambda: not server.connections)


def test_others_are_served_meanwhile(own_gateway):
    """A large mailbox is searched and fetched by one while another works."""
    gateway = own_gateway()
    busy, quick = Client(gateway), Client(gateway)
    for client in (busy, quick):
        client.do("LOGIN a@example.org passpass1")
    message = (
        b"Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + b"some words of text \xc3\xa4\r\n" * 2000
    )
    busy.append(message)
    busy.do("SELECT INBOX")
    for _ in range(6):
        busy.do("COPY 1:* INBOX")
    quick.do("SELECT Trash")
    busy.start("SEARCH OR BODY nowhere TEXT neverland")
    task, answers = gevent.spawn(busy.finish), 0
    while not task.ready():
        quick.do("NOOP")
        answers += 1
    assert answers > 5 and task.get().startswith(b"OK")


COMMANDS = (
    "CAPABILITY,NOOP,ID,ENABLE,SELECT,EXAMINE,CREATE,DELETE,RENAME,SUBSCRIBE,UNSUBSCRIBE,LIST,LSUB,STATUS,NAMESPACE"
    ",GETQUOTA,GETQUOTAROOT,SETQUOTA,GETMETADATA,SETMETADATA,CHECK,EXPUNGE,SEARCH,FETCH,STORE,COPY,MOVE,UNSELECT,CLOSE"
    ",UID FETCH,UID STORE,UID SEARCH,UID COPY,UID MOVE,UID EXPUNGE,APPEND,LOGIN,AUTHENTICATE"
).split(",")
ARGUMENTS = (
    'INBOX|Trash|x|""|"a b"|1|1:*|2:4,*|(\\Seen)|+FLAGS|FLAGS.SILENT|(UID BODY[])|BODY[1.MIME]|(|)|ALL|NOT|{2+}\r\nab'
    '|(MESSAGES)|/private/x|(/private/x "y")|(CHANGEDSINCE 1)|NIL|*|%|(CONDSTORE)|MODSEQ|"/"|CHARSET UTF-8'
).split("|")
WORD = st.one_of(
    st.sampled_from(ARGUMENTS),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=6),
)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(COMMANDS), st.lists(WORD, max_size=5)), max_size=8))
def test_any_commands_are_answered(stage, script):
    """Whatever comes, each command has one tagged answer and none of them is a server problem."""
    with Client(stage.gateway) as client:
        client.do('LOGIN "{}" "{}"'.format(*stage.login))
        client.do("SELECT INBOX")
        for command, words in script:
            client.start(" ".join([command, *words]).encode())
            client.send(b"\r\n" if words and words[-1].endswith("\r\n") else b"")
            try:
                answer = client.finish()
            except EOFError as closed:
                raise AssertionError(closed) from closed
            assert answer.startswith((b"OK", b"NO", b"BAD")) and b"UNAVAILABLE" not in answer, (command, words, answer)


# ---------------------------------------------------------------------------------------------- our own troubles


@pytest.mark.parametrize("error", [StoreError("Not now"), OSError("details"), RuntimeError("details")])
def test_a_failing_store_is_a_temporary_problem(own_gateway, monkeypatch, caplog, error):
    gateway = own_gateway()
    client = Client(gateway)
    client.do("LOGIN a@example.org passpass1")
    client.append(b"Subject: secret\r\n\r\n")
    client.do("SELECT INBOX")

    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(gateway.store, "open", fail)
    answer = client.fails("FETCH 1 BODY.PEEK[]")
    assert answer.startswith(b"NO") and b"details" not in answer
    assert "details" not in caplog.text and "secret" not in caplog.text
    client.do("NOOP")
    monkeypatch.setattr(gateway.store, "changes", fail)
    client.start("NOOP")
    assert client.closed()
