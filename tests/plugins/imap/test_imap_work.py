"""A command computes for so long and no longer, and others have their turns meanwhile."""

from __future__ import annotations

import gc
import re
import time
import zlib

import gevent
import pytest
from chatgate_imap.commands import search
from chatgate_imap.message.header import Header, value_and_parameters
from chatgate_imap.message.words import unquoted
from chatgate_imap.syntax.answers import Bad
from chatgate_imap.syntax.large import Large
from chatgate_imap.syntax.parser import Parser
from hypothesis import given
from hypothesis import strategies as st
from imap_trace import Client

from chatgate.testing import until

PARTS = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n" * 1900
MANY = b"To: " + b", ".join(b'"a b" <u%d@example.org>' % n for n in range(4000)) + b"\r\n\r\n" + b"text " * 500_000


@pytest.mark.parametrize(
    "command",
    ["SEARCH BODY zz", "SEARCH NOT TEXT zz", "FETCH 1:* BODYSTRUCTURE", "FETCH 1:* (UID BODY.PEEK[3] ENVELOPE)"],
)
def test_too_much_work_is_refused(own_gateway, command):
    gateway = own_gateway(imap={"command_work_seconds": 0.02})
    with Client(gateway) as client:
        client.do("LOGIN a@example.org passpass1")
        for message in (PARTS, MANY):
            client.append(message)
        client.do("SELECT INBOX")
        assert client.fails(command).startswith(b"NO [LIMIT]")
        assert client.fetch("UID") == b"UID 1"  # a new command, a new budget


@pytest.mark.parametrize(
    "command", ['LIST (SUBSCRIBED) "" "{}"', 'LIST (SUBSCRIBED RECURSIVEMATCH) "" "{}"', 'LSUB "" "{}%"']
)
def test_looking_for_names_is_work(own_gateway, command):
    """Subscriptions outlive their mailboxes, so an account may have 500 of them, each with 15 levels above."""
    gateway = own_gateway(imap={"command_work_seconds": 0.002})
    with Client(gateway) as client:
        client.do("LOGIN a@example.org passpass1")
        account = gateway.store.account("a@example.org")
        for number in range(200):
            gateway.store.subscribe(account.id, "/".join([f"{number:05}", *["a" * 15] * 15]), True)
        assert client.fails(command.format("*a" * 18 + "b")).startswith(b"NO [LIMIT]")


def test_sending_and_waiting_are_no_work(own_gateway):
    """A client that takes its time gets all of it, whatever it costs to wait for it."""
    gateway = own_gateway(imap={"command_work_seconds": 0.02})
    with Client(gateway) as client:
        client.do("LOGIN a@example.org passpass1")
        client.append(MANY * 6)
        client.do("SELECT INBOX")
        client.start("FETCH 1 BODY.PEEK[]")
        gevent.sleep(0.3)
        assert client.finish().startswith(b"OK")


def test_others_have_turns_while_one_computes(own_gateway):
    gateway = own_gateway()
    with Client(gateway) as busy, Client(gateway) as other:
        busy.do("LOGIN a@example.org passpass1")
        other.do("LOGIN b@example.org passpass1")
        for _ in range(3):
            busy.append(MANY)
        busy.do("SELECT INBOX")
        task = gevent.spawn(busy.do, "SEARCH " + " ".join(f"NOT TEXT z{n}" for n in range(40)))
        answers = 0
        while not task.ready():
            other.do("NOOP")
            answers += 1
            gevent.sleep(0.002)  # on a busy machine the search needs more turns than one for each NOOP
        assert answers > 20 and task.get() == [b"* SEARCH 1 2 3"]


def test_a_search_ends_with_its_client(own_gateway, caplog):
    gateway = own_gateway()
    opened = []
    take = gateway.store.open
    gateway.store.open = lambda *arguments: opened.append(1) or take(*arguments)
    with Client(gateway) as client:
        client.do("LOGIN a@example.org passpass1")
        client.append(PARTS)
        for _ in range(9):
            client.do("SELECT INBOX")
            client.do("COPY 1:* INBOX")
        client.start("SEARCH " + " ".join(f"NOT TEXT z{n}" for n in range(20)))
        until(lambda: len(opened) >= 5)
    until(lambda: not any(service.connections for service in gateway.services if hasattr(service, "connections")))
    assert len(opened) < 100
    assert not [record for record in caplog.records if record.name == "chatgate.imap"]


class Steps:
    """Counts them."""

    def __init__(self):
        self.count = 0

    def step(self):
        self.count += 1

    def each(self, items):
        for item in items:
            self.step()
            yield item


@pytest.mark.parametrize(
    "value", [b"a" + b">\\(" * 20_000, b"(" * 30_000, b"a;x=" + b"()" * 8000, b"a;x=" + b"(b)" * 5000]
)
def test_comments_are_read_in_steps(value):
    work = Steps()
    value_and_parameters(value, work)
    assert work.count > 15


def test_encoded_words_are_read_in_steps():
    work = Steps()
    Header(b"Subject: " + b"=?utf-8?q?a?=" * 2000 + b"\r\n\r\n", work).text(b"subject")
    assert work.count >= 20


@given(st.text('a\\"\0 ', max_size=20).map(str.encode).filter(lambda text: not text.endswith(b"\\")))
def test_quoted_pairs(text):
    assert unquoted(text) == re.sub(rb"\\(.)", rb"\1", text, flags=re.S)


def test_a_list_of_thousands_of_names_is_read_at_once(monkeypatch):
    read = []
    monkeypatch.setattr(Parser, "astring", lambda self: read.append(1))
    names = [b"X%d]" % number for number in range(9000)]
    parser = Parser([b"(%s) rest" % b" ".join(names)])
    assert parser.astrings() == names and parser.rest() == b" rest" and not read


@pytest.mark.parametrize("text", [b'(a "b c" d)', b"(a)", b'("a")'])
def test_lists_of_other_strings(text):
    assert Parser([text]).astrings() == [b"a", *([b"b c", b"d"] if b"b" in text else [])]


@pytest.mark.parametrize("text", [b"()", b"( a)", b"(a )", b"(a  b)", b"(a", b"a)", b"(a{b)", b"(a*)"])
def test_what_is_no_list_of_strings(text):
    with pytest.raises(Bad):
        Parser([text]).astrings()


def test_a_gateway_that_stops_waits_for_no_command_that_computes(own_gateway, monkeypatch):
    """Sixty of them once took all of stop_seconds, as each wants turns and none is told. What is stored goes on."""
    gateway, looked = own_gateway(), []

    class Slow(search.Source):
        def __init__(self, *facts):
            looked.append(1)
            until = time.monotonic() + 0.003
            while time.monotonic() < until:
                pass
            super().__init__(*facts)

    monkeypatch.setattr(search, "Source", Slow)
    clients = [Client(gateway) for _ in range(5)]
    clients[0].do("LOGIN a@example.org passpass1")
    for message in [b"x"] * 100:
        clients[0].append(message)
    for client in clients:
        if client is not clients[0]:
            client.do("LOGIN a@example.org passpass1")
        client.do("SELECT INBOX")
        client.start(f"SEARCH {'NOT ALL ' * 5}")
    until(lambda: len(looked) > 10)
    before = len(looked)
    gateway.stop()
    assert len(looked) < before + 20
    for client in clients:
        with pytest.raises(EOFError):
            client.finish()
        assert client.lines[-1].startswith(b"* BYE [UNAVAILABLE]")


def test_what_is_read_faster_than_it_is_worked_on_gives_others_their_turn(stage):
    """A literal comes deflated, all of it in one go, and is thrown away, as it is larger than a message may be."""
    bomb, quick = stage["bomb"], stage["quick"]
    bomb.do("COMPRESS DEFLATE")
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    said = packer.compress(b"x APPEND INBOX {100000000+}\r\n" + bytes(100_000_000) + b"\r\n")
    bomb.send(said + packer.flush(zlib.Z_SYNC_FLUSH))
    refused, answers = gevent.spawn(bomb.receive), 0
    while not refused.ready():
        quick.do("NOOP")
        answers += 1
    assert answers > 5


def test_a_large_command_leaves_nothing_to_the_collector(own_gateway):
    gateway = own_gateway()
    gc.collect()
    gc.disable()
    try:
        with Client(gateway) as client:
            client.do("LOGIN a@example.org passpass1")
            client.append(b"Subject: x\r\n\r\n" + b"x" * 5_000_000)
        until(lambda: not [one for one in gc.get_objects() if isinstance(one, Large)])
    finally:
        gc.enable()
