"""The clients other people wrote: imaplib, imapclient, imap_tools."""

from __future__ import annotations

import datetime
import imaplib

import pytest

from chatgate.testing import client_tls, imap_client, new_login, port

MESSAGE = (
    b"From: a@example.org\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\n\r\nbody\r\n"
)


def test_imaplib(imap_gateway):
    with imap_client(imap_gateway, new_login(imap_gateway)) as client:
        assert b"XCHATMAIL" in client.capability()[1][0].split()
        assert client.select() == ("OK", [b"0"])
        assert client.append("INBOX", r"(\Seen)", imaplib.Time2Internaldate(0), MESSAGE)[0] == "OK"
        assert client.uid("SEARCH", "CHARSET", "US-ASCII", "ALL") == ("OK", [b"1"])
        typ, data = client.uid("FETCH", "1", "(BODY.PEEK[] UID FLAGS RFC822.SIZE)")
        assert typ == "OK" and data[0][1] == MESSAGE
        assert client.uid("COPY", "1", "Trash")[0] == "OK"
        assert client.uid("MOVE", "1", "Trash")[0] == "OK"
        assert client.status("Trash", "(MESSAGES)") == ("OK", [b'"Trash" (MESSAGES 2)'])
        assert client.create("DeltaChat")[0] == "OK"
        assert b'(\\HasNoChildren) "/" "DeltaChat"' in client.list()[1]
        assert client.getquotaroot("INBOX")[0] == "OK"
        assert client.close()[0] == "OK"


def test_imapclient(imap_gateway):
    imapclient = pytest.importorskip("imapclient")
    where = {"host": "127.0.0.1", "port": port(imap_gateway, "imaps")}
    with imapclient.IMAPClient(**where, ssl_context=client_tls(), timeout=60) as client:
        login = new_login(imap_gateway)
        client.login(*login)
        client.id_({"name": "test"})
        assert client.namespace().personal == (("", "/"),)
        assert client.select_folder("INBOX")[b"UIDNEXT"] == 1
        when = datetime.datetime(2020, 1, 1, 12, tzinfo=datetime.UTC)
        client.append("INBOX", MESSAGE, flags=[imapclient.SEEN, "$Work"], msg_time=when)
        fetched = client.fetch([1], ["ENVELOPE", "BODYSTRUCTURE", "INTERNALDATE", "FLAGS", "RFC822.SIZE", "BODY[]"])[1]
        assert fetched[b"ENVELOPE"].from_[0].host == b"example.org"
        assert fetched[b"BODYSTRUCTURE"][:2] == (b"text", b"plain")
        assert fetched[b"INTERNALDATE"].timestamp() == when.timestamp()
        assert fetched[b"BODY[]"] == MESSAGE and fetched[b"RFC822.SIZE"] == len(MESSAGE)
        assert client.search(["SUBJECT", "café"], "UTF-8") == [1]
        client.create_folder("Entwürfe/Alt")
        assert "Entwürfe/Alt" in [name for _, _, name in client.list_folders()]
        client.rename_folder("Entwürfe", "Ablage")
        client.move([1], "Ablage/Alt")
        assert client.folder_status("Ablage/Alt", ["MESSAGES"]) == {b"MESSAGES": 1}
        client.idle()
        with imap_client(imap_gateway, login) as other:
            other.append("INBOX", None, None, MESSAGE)
        assert client.idle_check(timeout=60)
        client.idle_done()
        client.delete_messages([2])
        client.expunge([2])
        assert client.search() == []


def test_imap_tools(imap_gateway):
    imap_tools = pytest.importorskip("imap_tools")
    box = imap_tools.MailBox("127.0.0.1", port(imap_gateway, "imaps"), ssl_context=client_tls(), timeout=60)
    login = new_login(imap_gateway)
    with box.login(*login) as mailbox:
        mailbox.append(MESSAGE, "INBOX", flag_set=[imap_tools.MailMessageFlags.FLAGGED])
        (message,) = mailbox.fetch(imap_tools.AND(flagged=True), mark_seen=False)
        assert message.subject == "café" and message.flags == ("\\Flagged", "\\Recent")
        mailbox.flag([message.uid], imap_tools.MailMessageFlags.SEEN, True)
        mailbox.folder.create("DeltaChat")
        mailbox.move([message.uid], "DeltaChat")
        assert mailbox.folder.status("DeltaChat")["MESSAGES"] == 1
        with mailbox.idle as idle:
            with imap_client(imap_gateway, login) as other:
                other.append("DeltaChat", None, None, MESSAGE)
                other.append("INBOX", None, None, MESSAGE)
            assert idle.poll(timeout=60)[:1] == [b"* 1 EXISTS"]
