"""The pieces: replies, the wire form, kept connections, trust in authorities."""

from __future__ import annotations

import hashlib
import re
from types import SimpleNamespace

import gevent
import gevent.event
import pytest
from chatgate_courier.security.dane import Tlsa
from chatgate_courier.security.sts_policy import StsPolicy
from chatgate_courier.transport import replies
from chatgate_courier.transport.message import body
from chatgate_courier.transport.wire import Broken, Wire
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from peers import TROUBLE, World, codes, text

from chatgate.testing import until

OK = {"bob": (250, "2.0.0")}


class Pieces:
    """A socket that has received these octets, in pieces of some size, and then the end."""

    def __init__(self, data: bytes, size: int = 7) -> None:
        self.data, self.size = data, size

    def settimeout(self, seconds: float) -> None:
        pass

    def recv(self, most: int) -> bytes:
        piece, self.data = self.data[: self.size], self.data[self.size :]
        return piece


def read(data: bytes, size: int = 7) -> replies.Said:
    return replies.read(Wire(Pieces(data, size), 1.0))


@pytest.mark.parametrize(
    ("data", "code", "enhanced", "said"),
    [
        (b"250 2.0.0 OK\r\n", 250, "2.0.0", "OK"),
        (b"250 OK\n", 250, "", "OK"),
        (b"250\r\n", 250, "", "(no text)"),
        (b"250-2.1.0 a\r\n250-b\r\n250 2.1.0 c\r\n", 250, "2.1.0", "a b c"),
        (b"550 4.1.1 not of this class\r\n", 550, "", "4.1.1 not of this class"),
        (b"550 5.1.1\r\n", 550, "5.1.1", "(no text)"),
        (b"550 5.1.1000 x\r\n", 550, "", "5.1.1000 x"),
        (b"421 4.3.2 gr\xfcn\x00\x1b[31m\r\n", 421, "4.3.2", "gr?n??[31m"),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_replies_are_read(data: bytes, code: int, enhanced: str, said: str, size: int):
    reply = read(data, size).reply()
    assert (reply.code, reply.enhanced, reply.text) == (code, enhanced, said)
    assert replies.parse(data) == reply


@given(st.binary(max_size=300) | st.from_regex(rb"([2-6][0-9]{2}[ -]?[^\r\n]{0,9}\r?\n){0,5}[^\n]*"), st.integers(1, 9))
def test_whatever_comes_is_a_reply_or_none(data: bytes, size: int):
    try:
        said = read(data, size)
    except Broken:
        return
    reply = said.reply()
    assert 200 <= reply.code < 600 and reply.text.isascii() and reply.text.isprintable() and len(reply.text) <= 500
    assert re.match(rb"[2-5][0-9][0-9]", data)


@given(st.lists(st.sampled_from([b".", b"a", b"\r\n", b"..", b"x.y"])).map(b"".join))
def test_dots_are_doubled_and_nothing_else_changes(content: bytes):
    made = body(content)
    assert made.octets.endswith(b"\r\n") and not made.eight
    assert b"\r\n.\r\n" not in b"\r\n" + made.octets
    undone = [line[1:] if line.startswith(b".") else line for line in made.octets.split(b"\r\n")]
    assert b"\r\n".join(undone) in (content, content + b"\r\n")


def test_kept_connections_are_bounded_over_all_hosts(world: World):
    world.options["idle_connections"] = 2
    servers = [world.mx(f"mx{i}.test", f"127.0.0.{i + 1}") for i in range(4)]
    for i in range(4):
        world.dns.exchanges[f"d{i}.test"] = ((10, f"mx{i}.test"),)
        assert codes(world.deliver(domain=f"d{i}.test")) == OK
    until(lambda: [mx.commands()["QUIT"] for mx in servers] == [1, 1, 0, 0])
    assert len(world.transports._pool) == 2


def test_unused_connections_are_closed_in_time(world: World):
    world.options["smtp_idle_seconds"] = 0.1
    mx = world.mx()
    world.deliver()
    until(lambda: mx.commands()["QUIT"] == 1)
    assert not len(world.transports._pool) and mx.now == 0
    assert codes(world.deliver()) == OK


def test_a_server_that_says_something_unasked_is_not_asked_again(world: World):
    mx, speak = world.mx(), gevent.event.Event()

    def more(c):
        c.sock.sendall(c.out + b"250 2.0.0 queued\r\n")
        speak.wait()
        return b"421 4.4.2 idle too long\r\n"

    mx.says["."] = more
    world.deliver()
    del mx.says["."]
    (connection,) = world.transports._pool._idle
    assert connection.wire.quiet()
    speak.set()
    until(lambda: not connection.wire.quiet())
    assert codes(world.deliver()) == OK and mx.connections == 2


class Named:
    """Stands for DANE: the records of a host."""

    def __init__(self, world: World) -> None:
        self.found: object = ()
        world.dns.secure = True
        world.dane = self

    def records(self, host: str, port: int) -> object:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def tlsa(context) -> Tlsa:
    """For this server's certificate, whatever it says."""
    return Tlsa(3, 0, 1, hashlib.sha256(context.certificate.public_bytes(Encoding.DER)).digest())


def test_tlsa_records_decide_instead_of_the_authorities(world: World):
    dane = Named(world)
    wrong_name = world.authority.context("other.test")
    mx = world.mx(context=wrong_name)
    dane.found = (tlsa(wrong_name),)
    assert codes(world.deliver()) == OK
    dane.found = (Tlsa(3, 0, 1, bytes(32)),)
    outcome = world.deliver()
    assert codes(outcome) == {"bob": (451, "4.7.5")}
    assert text(outcome) == "mx.peer.test has a certificate that its TLSA records do not name"
    assert len(mx.mails) == 1


def test_a_good_certificate_is_not_enough_where_tlsa_records_name_another(world: World):
    Named(world).found = (Tlsa(3, 0, 1, bytes(32)),)
    web, mx = world.web(), world.mx()
    assert codes(world.deliver()) == {"bob": (451, "4.7.5")}
    assert not web.requests and not mx.mails


def test_without_dnssec_tlsa_records_are_not_looked_at(world: World):
    dane = Named(world)
    world.dns.secure = False
    dane.found = TROUBLE
    world.mx()
    assert codes(world.deliver()) == OK


def test_trouble_with_tlsa_records_is_trouble_with_the_host(world: World):
    Named(world).found = TROUBLE
    mx = world.mx()
    outcome = world.deliver()
    assert codes(outcome) == {"bob": (451, "4.7.5")}
    assert text(outcome) == "DNS does not answer whether mx.peer.test has TLSA records"
    assert not mx.connections


def test_an_enforced_policy_of_mta_sts(world: World):
    mx = world.mx()
    world.sts = SimpleNamespace(policy=lambda domain: StsPolicy("enforce", ("other.test",), 86400))
    assert codes(world.deliver()) == {"bob": (451, "4.7.5")} and not mx.connections


def test_two_who_wait_for_a_connection_that_breaks_are_both_answered(world: World):
    world.options["connections_per_host"] = 1
    mx = world.mx()
    first = [True]

    def once(c):
        if first.pop() if first else False:
            gevent.sleep(0.05)
            raise OSError
        return b"250 2.0.0 queued\r\n"

    mx.says["."] = once
    outcomes = [gevent.spawn(world.deliver) for _ in range(2)]
    gevent.joinall(outcomes)
    assert sorted(codes(one.value)["bob"][0] for one in outcomes) == [250, 451]
