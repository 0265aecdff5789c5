"""What is sent: as it is read, with a budget for what waits."""

from __future__ import annotations

import gc
import socket
import tracemalloc

import gevent
import pytest
from chatgate_imap.session.wire import Wire
from imap_trace import Client

from chatgate.api import StoreError

BODY = b"".join(b"line %06d of a text that is long\r\n" % n for n in range(250_000))
LARGE = b"Subject: large\r\n\r\n" + BODY


def reader(gateway, login="a"):
    client = Client(gateway)
    client.do(f"LOGIN {login}@example.org passpass1")
    return client


def test_those_who_do_not_read_are_cut_off_when_it_gets_tight(own_gateway):
    """The slowest first; one that reads gets all of it meanwhile."""
    gateway = own_gateway(imap={"max_unsent_bytes": 500_000})
    good = reader(gateway)
    good.append(LARGE)
    bad = [reader(gateway) for _ in range(12)]
    for client in bad:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 300_000)  # or the kernel takes all of it
        client.do("SELECT INBOX")
        client.start("FETCH 1 BODY.PEEK[]")
    gevent.sleep(0.5)
    good.do("SELECT INBOX")
    for _ in range(2):
        assert good.fetch("BODY.PEEK[]").endswith(BODY)
    finished = 0
    for client in bad:
        try:
            client.finish()
            finished += 1
        except (EOFError, ConnectionError):
            pass
        client.sock.close()
    assert finished <= 4  # no more than 500 000 octets wait for them
    good.do("NOOP")


@pytest.mark.parametrize(
    "items",
    [
        "BODY.PEEK[]",
        "(" + " ".join(["BODY.PEEK[TEXT]"] * 90) + ")",
        "(BODY.PEEK[1] BODY.PEEK[TEXT] BODY.PEEK[] RFC822.TEXT)",
        "(" + " ".join(f"BODY.PEEK[]<{n}.8000000>" for n in range(20)) + ")",
        "BODYSTRUCTURE",
    ],
)
def test_a_large_message_takes_no_memory(own_gateway, items):
    """Of what Python counts, while a client reads what it asked for, or searches."""
    gateway = own_gateway()
    client = reader(gateway)
    client.append(LARGE)
    client.do("SELECT INBOX")

    def peak(command: str) -> int:
        gc.collect()
        tracemalloc.start()
        try:
            client.start(command)
            tail = b""
            while b"\r\n" + client.tag + b" OK" not in tail:
                gevent.sleep(0)
                tail = tail[-100:] + client.receive()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(f"FETCH 1 {items}") < 2_500_000
    assert peak("SEARCH BODY zz TEXT yy") < 2_500_000


def test_a_body_that_cannot_be_read_to_its_end_closes_the_connection(own_gateway, monkeypatch):
    """The client was told how long it is: nothing else can stand in its place."""
    gateway = own_gateway()
    client = reader(gateway)
    client.append(LARGE)
    client.do("SELECT INBOX")
    real = gateway.store.open

    class Broken:
        def __init__(self, *message: int) -> None:
            self._opened = real(*message)
            self.size, self.close = self._opened.size, self._opened.close

        def read(self, start: int, length: int) -> bytes:
            if start > 1_000_000:
                raise StoreError("The disk is broken")
            return self._opened.read(start, length)

    monkeypatch.setattr(gateway.store, "open", Broken)
    client.start("FETCH 1 BODY.PEEK[]")
    assert client.closed()
    again = reader(gateway)
    again.do("SELECT INBOX")
    assert again.fails("FETCH 1 BODYSTRUCTURE").startswith(b"NO")  # nothing had been said yet


def test_with_compression_too(stage):
    client = stage["1"]
    client.append(LARGE)
    client.do("SELECT INBOX")
    assert client.fetch("BODY.PEEK[TEXT]<1000000.500000>").endswith(BODY[1_000_000:1_500_000])


def test_what_is_told_of_many_messages_is_written_as_it_is_made(own_gateway, monkeypatch):
    """Not gathered first: each line may have a kilobyte of flags, and there may be 50 000."""
    gateway = own_gateway()
    client, other = reader(gateway), reader(gateway)
    client.append(b"Subject: x\r\n\r\nx")
    client.do("SELECT INBOX")
    for _ in range(10):
        client.do("COPY 1:* INBOX")
    longest, write = 0, Wire.write

    def noted(wire, data):
        nonlocal longest
        longest = max(longest, len(data))
        write(wire, data)

    monkeypatch.setattr(Wire, "write", noted)
    words = " ".join(f"{n:x<40}" for n in range(20))
    other.do("SELECT INBOX")
    assert len(client.do(f"STORE 1:* +FLAGS (\\Deleted {words})")) >= 1024
    assert len(other.do("NOOP")) >= 1024
    assert len(client.do("STORE 1:* FLAGS (\\Deleted)")) >= 1024
    client.do("EXPUNGE")
    assert len(other.do("FETCH 1:* FLAGS")) >= 1024
    assert len(other.do("NOOP")) == 1024
    assert longest < 2500
