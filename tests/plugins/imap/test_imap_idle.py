"""IDLE: the order Delta Chat depends on, signs of life, waking by the store, and stopping."""

from __future__ import annotations

import time

import gevent
import pytest
from imap_trace import Client, Theatre

from chatgate.api import Delivery


def _deliver(stage: Theatre, text: bytes = b"Subject: x\r\n\r\nbody\r\n") -> None:
    """Straight into the store, as the intake does it."""
    store = stage.gateway.store
    account = store.account(stage.login[0])
    inbox = store.mailbox(account.id, "INBOX")
    store.store(text, [Delivery(account.address, inbox.id, account.id)])


def test_no_exists_between_idle_and_its_continuation(stage):
    """Delta Chat files an EXISTS that comes there as old news and sleeps on it."""
    client = stage["1"]
    client.do("SELECT INBOX")
    for number in range(1, 6):
        _deliver(stage)
        client.start("IDLE")
        assert client.line() == b"+ idling"
        assert client.line() == b"* %d EXISTS" % number
        client.send(b"DONE\r\n")
        client.finish()


def test_what_came_before_may_be_told_with_an_earlier_command(stage):
    client = stage["1"]
    client.do("SELECT INBOX")
    _deliver(stage)
    assert client.do("NOOP") == [b"* 1 EXISTS", b"* 1 RECENT"]
    client.start("IDLE")
    assert client.line() == b"+ idling"
    _deliver(stage)
    assert client.line() == b"* 2 EXISTS"


def test_idle_and_done_in_one_packet(client):
    client.do("SELECT INBOX")
    client.send(b"a IDLE\r\nDONE\r\nb NOOP\r\n")
    assert client.line() == b"+ idling"
    assert client.line().startswith(b"a OK")
    assert client.line().startswith(b"b OK")


def test_done_in_pieces_and_a_delivery_in_between(stage):
    client = stage["1"]
    client.do("SELECT INBOX")
    client.start("IDLE")
    client.line()
    client.send(b"DO")
    gevent.sleep(0.05)
    _deliver(stage)
    assert client.line() == b"* 1 EXISTS"
    client.send(b"ne\r\n")
    assert client.finish().startswith(b"OK")


@pytest.mark.parametrize("word", [b"NOOP", b"DONE now", b"a1 DONE"])
def test_anything_but_done_ends_idle_with_bad(client, word):
    client.start("IDLE")
    client.line()
    client.send(word + b"\r\n")
    assert client.finish().startswith(b"BAD")
    client.do("NOOP")


@pytest.fixture
def lively(own_gateway):
    """Logged in where signs of life come often."""
    client = Client(own_gateway(imap={"keepalive_seconds": 0.6}))
    client.do("LOGIN a@example.org passpass1")
    yield client
    client.sock.close()


def test_signs_of_life(lively):
    lively.do("SELECT INBOX")
    lively.start("IDLE")
    lively.line()
    began = time.monotonic()
    assert lively.line() == b"* OK Still here"
    assert lively.line() == b"* OK Still here"
    assert 1.0 < time.monotonic() - began
    lively.send(b"DONE\r\n")
    assert lively.finish().startswith(b"OK")


def test_idle_without_a_mailbox(client):
    client.start("IDLE")
    assert client.line() == b"+ idling"
    client.send(b"DONE\r\n")
    assert client.finish().startswith(b"OK")


def test_idle_before_login_is_refused(stage):
    assert stage.stranger().fails("IDLE").startswith(b"BAD")


def test_wakes_up_each_time(stage):
    client = stage["1"]
    client.do("SELECT INBOX")
    client.start("IDLE")
    client.line()
    for count in range(1, 11):
        _deliver(stage)
        assert client.line() == b"* %d EXISTS" % count
        client.line()


def test_a_vanished_client_leaves_nothing_behind(stage):
    client = stage["1"]
    client.do("SELECT INBOX")
    client.start("IDLE")
    client.line()
    server = next(s for s in stage.gateway.services if s.name == "imap")
    before = server.connections
    watched = len(stage.gateway.board._watches)
    client.sock.close()
    for _ in range(100):
        gevent.sleep(0.02)
        if server.connections < before:
            break
    assert server.connections == before - 1
    assert len(stage.gateway.board._watches) == watched - 1


@pytest.mark.parametrize("service", ["imap", "imaps"])
def test_stopping_says_goodbye(own_gateway, service):
    gateway = own_gateway()
    idle, quiet, stranger = (Client(gateway, service) for _ in range(3))
    for client in (idle, quiet):
        client.do('LOGIN someone@example.org "passpass1234"')
        client.do("SELECT INBOX")
    idle.start("IDLE")
    idle.line()
    stopping = gevent.spawn(gateway.stop)
    for client in (idle, quiet, stranger):
        assert client.line().startswith(b"* BYE [UNAVAILABLE]")
        assert client.closed()
    stopping.get()


def _exists_before_keepalive(client):
    """The number of EXISTS lines that IDLE tells before it has nothing more to say."""
    client.start("IDLE")
    assert client.line() == b"+ idling"  # before anything else
    count = 0
    while not (line := client.line()).startswith(b"* OK Still here"):
        count += line.endswith(b" EXISTS")
    client.send(b"DONE\r\n")
    client.finish()
    return count


def test_what_was_never_fetched_is_told_once_more(lively):
    """Delta Chat fetches 500 messages at once, and would leave the rest of what it found at SELECT lying."""
    for _ in range(4):
        lively.append(b"Subject: x\r\n\r\n")
    lively.do("SELECT INBOX")
    lively.do("UID FETCH 1:2 (UID)")
    assert _exists_before_keepalive(lively) == 1
    assert _exists_before_keepalive(lively) == 0  # who does not fetch is not told for ever
    lively.do("SELECT INBOX")
    assert _exists_before_keepalive(lively) == 0  # nor who selects it again
    lively.do("UID FETCH 3 (UID)")
    assert _exists_before_keepalive(lively) == 1
    lively.do("UID FETCH 4:600 (UID)")
    assert _exists_before_keepalive(lively) == 0
    lively.append(b"Subject: x\r\n\r\n")
    lively.do("NOOP")
    assert _exists_before_keepalive(lively) == 0  # heard of it just now
