"""What a message costs while Delta Chat fetches and deletes it, counted in things that do not depend on the machine."""

from __future__ import annotations

import gc
import tracemalloc

import gevent
from imap_trace import Client

from chatgate.api import Delivery

HEADER = (
    "UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE X-MICROSOFT-ORIGINAL-MESSAGE-ID FROM CONTENT-TYPE"
    " SECURE-JOIN CHAT-VERSION CHAT-IS-POST-MESSAGE AUTOCRYPT-SETUP-MESSAGE)]"
)


def test_looks_into_the_store(own_gateway, monkeypatch):
    """Delta Chat's seven commands for a message: the board says when there is nothing to look for."""
    gateway = own_gateway()
    client = Client(gateway, "imaps")
    client.do("LOGIN a@example.org passpass1")
    client.do("SELECT INBOX")
    store, calls = gateway.store, []
    account = store.account("a@example.org")
    inbox = store.mailbox(account.id, "INBOX")
    real = store.changes
    monkeypatch.setattr(store, "changes", lambda *arguments: calls.append(arguments) or real(*arguments))
    for uid in range(1, 11):
        client.start("IDLE")
        assert client.line() == b"+ idling"
        store.store(b"Subject: x\r\n\r\nbody\r\n", [Delivery("a@example.org", inbox.id, account.id)])
        assert client.line() == b"* 1 EXISTS"
        client.send(b"DONE\r\n")
        client.finish()
        assert client.fetch(f"({HEADER})", f"{uid}:{uid + 499}", uid=True)
        assert client.fetch("(FLAGS BODY.PEEK[])", str(uid), uid=True)
        client.do(f"UID STORE {uid} +FLAGS (\\Deleted)")
        client.do("CLOSE")
        client.do("SELECT INBOX")
    # IDLE begins, the wake-up, STORE, SELECT; one more if the posting of STORE comes late.
    assert len(calls) <= 45


def test_an_idle_connection_holds_little(own_gateway):
    """The octets that Python counts; OpenSSL's come on top. More than a few KB is a buffer that was forgotten."""
    gateway = own_gateway(imap={"max_connections_per_account": 500})
    clients: list[Client] = []

    def idle(count: int) -> None:
        for _ in range(count):
            client = Client(gateway)
            client.do("LOGIN a@example.org passpass1")
            client.do("SELECT INBOX")
            client.start("IDLE")
            client.line()
            clients.append(client)
        gevent.sleep(0.1)
        gc.collect()

    idle(5)
    tracemalloc.start()
    try:
        before = tracemalloc.take_snapshot()
        idle(20)
        theirs = {__file__, Client.line.__code__.co_filename}
        grown = [
            line
            for line in tracemalloc.take_snapshot().compare_to(before, "filename")
            if line.traceback[0].filename not in theirs
        ]
        assert sum(line.size_diff for line in grown) / 20 < 16_000
    finally:
        tracemalloc.stop()
        for client in clients:
            client.sock.close()
