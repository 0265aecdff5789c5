"""What strangers and clients send, and what reads it: the prey of the search in `growing`, on one running gateway."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dns.message
import dns.rrset
from chatgate_courier.security import sts_policy
from chatgate_courier.transport import https, replies
from chatgate_courier.transport.wire import Broken, Wire
from chatgate_dkim import record, signature, verifying
from chatgate_dkim.message import Message
from chatgate_dkim.tags import Malformed
from chatgate_doctor import texts
from chatgate_doctor.meaning import judge
from chatgate_gate import openpgp
from chatgate_imap.queries import threads
from chatgate_imap.session.connection import Connection
from chatgate_metrics import exposition
from chatgate_metrics.listener import Listener
from chatgate_movein import maildir
from chatgate_movein import names as moved_names
from chatgate_movein.maddyconf.files import MaddyError
from chatgate_movein.maddyconf.lexer import words
from chatgate_movein.maddyconf.nodes import Budget
from chatgate_movein.maddyconf.reader import File, Reader
from chatgate_movein.records import Unreadable
from chatgate_resolver import Trouble
from chatgate_resolver.exchange import parsed
from growing import Prey

from chatgate.api import (
    Delivery,
    DnsRecord,
    Envelope,
    Gateway,
    Reply,
    ReversePath,
    Session,
    Work,
    address_literal,
    normal_address,
    valid_address,
)
from chatgate.mail import dsn
from chatgate.mail.headers import edited
from chatgate.mail.intake import Refused
from chatgate.network import hello
from chatgate.network.proxy import read_proxy_header
from chatgate.testing import pgp_message

ALICE, PASSWORD = "alice@example.org", "a-long-password"
# Limits that would end a session before anything can grow.
SETTINGS: dict[str, Any] = {
    "smtp": {
        "max_errors": 1 << 30,
        "max_commands_per_message": 1 << 30,
        "max_command_bytes": 1 << 16,
        "max_user_send_per_minute": 1 << 20,
        "max_user_send_burst_size": 1 << 20,
    },
    "passwordless": {"scrypt_cost": 10, "refusal_seconds": 0.0, "name_min_length": 1, "wrong_per_minute": 0},
    "imap": {"max_errors": 1 << 30},
    "gate": {"keep_headers": ("x-kept",)},
}


class Line:
    """A client at the end of a line that has said all it will ever say."""

    def __init__(self, data: bytes, most: int = 1 << 30) -> None:
        """most: octets that come at once."""
        self._data, self._most = io.BytesIO(data), most
        self.heard: list[bytes] = []

    def recv(self, octets: int) -> bytes:
        return self._data.read(min(octets, self._most))

    def sendall(self, data: bytes) -> None:
        pass

    def send(self, data: bytes) -> int:
        self.heard.append(bytes(data))
        return len(data)

    def settimeout(self, seconds: float | None) -> None:
        pass

    def makefile(self, *_: Any) -> Any:
        return io.BufferedReader(self._data)  # type: ignore[arg-type]


def smtp(gateway: Gateway, service: str, at_once: int = 1 << 30) -> Callable[[bytes], None]:
    serve = gateway.hub.plugin("smtp").serve

    def cost(data: bytes) -> None:
        session = Session(service, "192.0.2.1", tls=True)
        if service != "mx":
            data = b"EHLO [127.0.0.1]\r\n" + data
        serve(session, Line(data, at_once))

    return cost


def taken(gateway: Gateway) -> Callable[[Session, Envelope], Reply]:
    """The way of a message up to the store, and what its sender would be told if that had no room."""
    intake = gateway.intake

    def accept(session: Session, envelope: Envelope) -> Reply:
        try:
            edits = intake.receive(session, envelope)
            intake.filter(session, envelope)
        except Refused as refused:
            return refused.reply
        content = edited(envelope.content, [edit for edit in edits if not isinstance(edit, ReversePath)])
        dsn.notice("example.org", ALICE, content, [dsn.Failure(ALICE, "5.2.2", "full")])
        return Reply(250)

    return accept


def messages(gateway: Gateway, submitted: bool) -> Callable[[bytes], None]:
    accept = taken(gateway)
    session = Session("submission" if submitted else "mx", "192.0.2.1", tls=True)
    sender = ALICE if submitted else "bob@example.net"
    return lambda data: accept(session, Envelope(sender, [ALICE], data, "account" if submitted else "peer")) and None


def packets(raw: bytes) -> None:
    """In a message, and as a key in its header."""
    try:
        openpgp.packets(openpgp.Octets(base64.encodebytes(raw).replace(b"\n", b"\r\n")))
    except openpgp.NotEncrypted:
        pass
    openpgp.is_public_key(raw)


def imap(gateway: Gateway, address: str = ALICE) -> Callable[[bytes], bytes]:
    """Its cost; called, it gives the answers."""
    plugin, account = gateway.hub.plugin("imap"), gateway.store.account(address)

    def cost(data: bytes) -> bytes:
        session, line = Session("imap", "192.0.2.1", tls=True), Line(b"")
        session.account = account
        connection = Connection(plugin, session, line)
        connection.logged_in()
        connection.wire.deadline = 0.0  # nothing more is waited for
        connection.wire._in += b"a EXAMINE INBOX\r\na ENABLE QRESYNC\r\na SEARCH RETURN (SAVE) ALL\r\n" + data + b"\r\n"
        connection.run()
        return b"".join(line.heard)

    return cost


def http(gateway: Gateway) -> Callable[[bytes], None]:
    handle = next(service for service in gateway.services if service.name == "http")._handle
    return lambda data: handle(Session("http", "", tls=False), Line(data))


def scrapes(data: bytes) -> None:
    """What comes to the listener of the plugin metrics, and what it is asked to answer with."""
    pages = {"/metrics": lambda accept: ("200 OK", *exposition.text([], accept))}
    Listener(pages, 60).handle(Session("metrics", ""), Line(data))


def mxdeliv(gateway: Gateway) -> Callable[[bytes], None]:
    """As if it came by HTTPS. A growing header must not be too long for the fields that are read from it."""
    handle = next(service for service in gateway.services if service.name == "http")._handle
    return lambda data: handle(Session("http", "", tls=True), Line(data))


def proxy(data: bytes) -> None:
    try:
        read_proxy_header(Line(data))
    except (ValueError, OSError):
        pass


# A ClientHello (RFC 8446 §4.1.2) that names a host and two protocols.
_EXTENSIONS = b"\0\0\0\x10\0\x0e\0\0\x0bexample.org" + b"\0\x10\0\x0b\0\x09\x02h2\x05other"
_BODY = b"\x03\x03" + bytes(33) + b"\0\x02\x13\x01\x01\0" + len(_EXTENSIONS).to_bytes(2) + _EXTENSIONS
HELLO = b"\x16\x03\x01" + (len(_BODY) + 4).to_bytes(2) + b"\x01" + len(_BODY).to_bytes(3) + _BODY


def first_of_tls(data: bytes) -> None:
    hello.read(data)


KEY = b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="  # of RFC 8463


def dkim(data: bytes) -> None:
    """A message with signatures, and a record."""
    for work in (lambda: _verified(data), lambda: record.parse(data)):
        try:
            work()
        except Malformed:
            pass


def _verified(data: bytes) -> None:
    message = Message(data, max_header=1 << 30)
    _ = message.author
    for raw in message.named(b"dkim-signature")[:5]:
        verifying.verify(message, signature.parse(raw), KEY)
        verifying.header_is_signed(message, signature.parse(raw), record.parse(KEY))


def authors(data: bytes) -> None:
    """A From field; the one that is read is short, so what is repeated must be, too."""
    _ = Message(b"From: " + data.replace(b"\r", b"").replace(b"\n", b"") + b"\r\n\r\n").author


def addresses(data: bytes) -> None:
    text = data.decode("latin-1")
    valid_address(text), normal_address(text), address_literal(text)


def sts(data: bytes) -> None:
    """A policy of another domain, and the records that lead to it."""
    sts_policy.record_id([data, *data.split(b"\n")])
    try:
        sts_policy.parse(data).allows("a.example")
    except ValueError:
        pass


def zones(data: bytes) -> None:
    """What a nameserver has in place of records that a domain wants."""
    text = data.decode("latin-1")
    for value in ("v=spf1 a ~all", KEY.decode(), "v=DMARC1;p=reject", "dkim=discardable", "x"):
        wanted = DnsRecord("example.org", "TXT", value, True, "")
        judge(wanted, [texts.joined(text), text, f"{value} {text}", f"{value};{text}"], ["192.0.2.1"])
        judge(wanted, [f"{value} {text}"], ["192.0.2.1"])
    for kind in ("A", "MX", "SRV", "CAA", "CNAME"):
        judge(DnsRecord("example.org", kind, '0 issue "a"', True, ""), text.split("\n"))


QUESTION = dns.message.make_query("example.org", "MX", use_edns=0, id=1)


def answers(data: bytes) -> None:
    """Of a nameserver. It may have any number of records: there is no other limit to them here."""
    try:
        parsed(data, QUESTION, 1 << 20)
    except Trouble:
        pass


def dns_answer() -> bytes:
    made = dns.message.make_response(QUESTION)
    made.answer.append(dns.rrset.from_text("example.org.", 60, "IN", "MX", "10 a.example.org.", "20 b.example.org."))
    made.answer.append(dns.rrset.from_text("example.org.", 60, "IN", "TXT", '"a" "b"'))
    wire = bytearray(made.to_wire())
    wire[6:8] = b"\xff\xff"  # as many as follow
    return bytes(wire)


def threading(data: bytes) -> None:
    """Each letter is a message, with references or a subject as it says."""
    items: list[threads.Item] = []
    for number, kind in enumerate(data.decode("latin-1"), 1):
        references = {
            "c": [number - 1],
            "l": list(range(max(1, number - 30), number)),
            "r": [1],
            "u": [number + 1_000_000, number + 1_000_001],
            "v": [number + 1_000_001, number + 1_000_000],
            "x": [number + 1],
            "y": [1_000_000, number + 2, number],
        }.get(kind, [])
        subject = {"s": "same", "t": "same"}.get(kind, f"subject {number}")
        items.append(threads.Item(number, number, references, 1000 - number % 7, subject, kind in "cst"))
    b"".join(threads.threads(items, Work()))


FIELDS = [
    b"From", b"To", b"Cc", b"Date", b"Message-ID", b"References", b"In-Reply-To", b"Subject", b"Content-Type",
    b"Content-Transfer-Encoding", b"MIME-Version", b"Autocrypt", b"List-ID", b"Received", b"X-Kept", b"Sender",
]  # fmt: skip
MAIL_WORDS = [
    b" ", b"\t", b"\r\n", b"\r\n ", b"\r\n\r\n", b"(", b")", b'"', b"\\", b"<", b">", b"@", b",", b";", b":", b"=",
    b"?",
    b".", b"-", b"--", b"a", b"1", b"\xe9", b"=?utf-8?q?a?=", b"a@b.c", b"<a@b>", b"a=b", b'a="b"', b"; a=b", b"[",
    b"]",
    b"[::1]", b"[192.0.2.1]", b"keydata=", b"AAAA", b"multipart/encrypted", b"boundary=",
    b"-----BEGIN PGP MESSAGE-----",
    b"Version: 1\r\n", b"Mon, 2 Nov 2026 10:00:00 +0000", b"Content-Type: text/plain\r\n", b"charset=utf-8", b"_",
    *(b"\r\n" + name + b": " for name in FIELDS),
]  # fmt: skip
SMTP_WORDS = [
    b" ", b"\r\n", b"\r", b"\n", b".", b"\r\n.\r\n", b"..", b"<", b">", b"@", b"a", b"a@b.c", b"<a@example.org>",
    b"[", b"]",
    b"IPv6:", b"::", b"1", b"EHLO x\r\n", b"HELO x\r\n", b"MAIL FROM:<a@b.c>", b"RCPT TO:<alice@example.org>\r\n",
    b"DATA\r\n",
    b"RSET\r\n", b"NOOP\r\n", b"SIZE=1", b" BODY=8BITMIME", b" AUTH=<>", b"AUTH PLAIN ", b"AUTH LOGIN\r\n", b"AAAA",
    b"=",
    b"VRFY ", b"HELP\r\n", b"\0", b"\xff", b"*", b"QUIT", b"XYZ ",
]  # fmt: skip
NAMES = (
    [
        b"a STATUS name (MESSAGES DELETED)", b"a RENAME a/b &AOQ-/c", b"a SUBSCRIBE &AOQ-",
        b'a SELECT "a\\"b" (CONDSTORE)',
        b"a DELETE a/b", b"a CREATE a/%/b", b"a STATUS {5+}\r\n&AOQ- (MESSAGES)", b"a GETQUOTAROOT INBOX/a",
        b"a COPY 1 a",
        b'a LSUB a "b"', b"a APPEND name {3+}\r\nabc",
    ],
    [
        b"a", b"&", b"-", b"&-", b"&AOQ-", b"AAAA", b"/", b"%", b"*", b",", b"INBOX/", b"\\\\", b'\\"', b'"', b" ",
        b"\xc3\xa4",
    ],
)  # fmt: skip
LISTS = (
    [
        b'a LIST "" (% a*/b INBOX) RETURN (SUBSCRIBED STATUS (MESSAGES UNSEEN))', b"a LIST reference (a %b *c d)",
        b'a LIST (SUBSCRIBED RECURSIVEMATCH) "a/" "*"', b'a LSUB "a/" %', b'a LIST "" I%N*B*O%X', b'a LIST "" (a)',
    ],
    [
        b"a", b"a ", b"%", b"*", b"%*", b"/", b"a*", b"b%", b" ", b"SUBSCRIBED ", b"MESSAGES ",
        b"STATUS (MESSAGES) ", b"{1+}\r\na ",
    ],
)  # fmt: skip
SEARCHES = (
    [
        b"a SEARCH RETURN (ALL COUNT SAVE) $ NOT $ UID $ 1:*", b"a UID SEARCH OR (SEEN 1,3) NOT UID 1:2,7,*",
        b"a SEARCH MODSEQ 1 $",
        b"a SORT (REVERSE DATE SUBJECT FROM) UTF-8 ALL", b"a THREAD REFERENCES UTF-8 ALL",
        b"a UID STORE 1,3:* +FLAGS (\\Seen $a)",
        b"a UID FETCH 1,3:4 (FLAGS) (CHANGEDSINCE 1 VANISHED)", b"a EXAMINE INBOX (QRESYNC (1 2 1:3 (1,2 3,4)))",
        b"a SEARCH CHARSET UTF-8 SUBJECT {1+}\r\na", b"a UID COPY $ a", b"a UID EXPUNGE 1,2:3",
        b"a FETCH $ (UID FLAGS)",
    ],
    [
        b" ", b"(", b")", b"1", b"1:*,", b"2,", b"4294967295,", b"9:1,", b"$", b"$ ", b",", b":", b"*", b"NOT ",
        b"OR ", b"UID ", b"ALL ",
        b"KEYWORD a ", b"(ALL) ", b"SEEN ", b"REVERSE DATE ", b"SUBJECT ", b"SUBJECT a ", b"UID 1:3 ", b"{1+}\r\na ",
        b"FLAGS ", b"$a ",
    ],
)  # fmt: skip
OTHERS = (
    [
        b'a GETMETADATA (DEPTH 1) "" (/private/a /shared/comment)', b'a SETMETADATA a (/private/a "x" /private/b NIL)',
        b'a ID ("name" "x" "version" NIL)', b"a ENABLE CONDSTORE X Y", b"a LOGIN a b",
        b"a CREATE a (USE (\\Sent \\Junk))",
        b'a APPEND a (\\Seen $a) " 1-Feb-1994 21:52:25 -0800" {3+}\r\nabc {1+}\r\nb',
        b"a STORE 1 +FLAGS.SILENT (\\Seen $a $b)",
        b"a AUTHENTICATE PLAIN AAAA", b"a GETQUOTA a", b"a NOOP", b'a SETMETADATA "" (/private/a ~{1+}\r\na)',
    ],
    [
        b" ", b"(", b")", b'"', b"\\", b"{1+}\r\n", b"~{1+}\r\na", b"{", b"1", b"a", b"/private/a ",
        b"/shared/comment ", b"/", b"NIL ",
        b"DEPTH 1 ", b"MAXSIZE 1 ", b"\\Seen ", b"$a ", b"\xff", b"\0", b"\r\na NOOP", b"\r\n", b'"a" ', b"X ", b"}",
        b"]",
    ],
)  # fmt: skip
STS_SEEDS = [
    b"version: STSv1\nmode: enforce\nmx: *.a.example\nmx: b.example\nmax_age: 86400\n",
    b"v=STSv1; id=2026; a = b;",
]  # fmt: skip
STS_WORDS = [
    b" ", b"\t", b"\r", b"\n", b":", b"mx: a.example\n", b"*.", b".", b"a", b";", b"=", b"id=1;", b"v=STSv1",
    b"\xc3\xa4",
]  # fmt: skip
ZONE_SEEDS = [
    b"v=spf1 a mx ip4:192.0.2.0/24 include:b.example ~all", b'"v=DKIM1; k=rsa; " "p=AAAA; t=y:s"', b"v=DMARC1; p=none",
    b'0 issue "letsencrypt.org; accounturi=a"\n10 a.example.\n0 1 993 a.example.',
]  # fmt: skip
ZONE_WORDS = [b'"', b"\\", b"\\034", b" ", b"\t", b"\n", b";", b"=", b":", b"p=", b"ip4:", b"a", b"\xe4", b"-all"]
DNS_WORDS = [
    b"\0", b"\xc0\x0c", b"\x01a", b"\x3f", b"\xff", b"\xc0\x0c\0\x0f\0\x01\0\0\0\x3c\0\x04\0\x0a\xc0\x0c",
    b"\xc0\x0c\0\x10\0\x01\0\0\0\x3c\0\x02\x01a",
]  # fmt: skip
# A session key (RFC 9580 §5.1.1), encrypted data in chunks (§4.2.1.4), the beginning of a public key.
PACKETS = [
    b"\xc1\x0e\x03" + bytes(8) + b"\x12abcd", b"\xd2\xe9\x01" + bytes(511) + b"\xe0a\x00", b"\xc6\x01\x06\xcd\x01a",
]  # fmt: skip
DKIM_SEEDS = [
    (b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=b.c; s=a; h=from:to:from;\r\n"
     b" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; t=1; x=2; i=@a.b.c; b=AAAA\r\n"
     b'From: "B" (x) <a@b.c>\r\nTo: a\r\n\r\na b \r\n\r\n'),
    (b"DKIM-Signature: v=1; a=rsa-sha256; c=simple; d=b.c; s=a; h=to:from; bh=AA; b=AA;\r\n"
     b"From: a@b.c\r\n\r\n \r\n\r\n"),
    KEY,
]  # fmt: skip
AUTHOR_WORDS = [b" ", b"\t", b"a", b".", b"@", b"a@b.example", b"<", b">", b"(", b")", b'"', b"\\"]
DKIM_WORDS = [
    b" ", b"\t", b"\r\n", b"\r\n ", b"\r\n\r\n", b"\r", b"\n", b";", b"; a=b", b"=", b":", b"from:", b"to:", b"a",
    b"@", b'"', b"(", b")", b"<", b"\\", b"\xc3\xa4", b"\r\nTo: a", b"\r\nFrom: a@b.c", b" \r\n", b"AAAA", b"v=DKIM1;",
]  # fmt: skip
HTTP_SEEDS = [
    (b"GET /?a=b&c=%20d HTTP/1.1\r\nHost: example.org\r\n"
     b"X-Forwarded-For: 192.0.2.1, [::1]:1, a\r\nCookie: a=b; c=d\r\n\r\n"),
    b"POST /new?token=abc HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Type: a/b; charset=c\r\n\r\nabc",
    (b"GET /privacy.html/../a HTTP/1.1\r\nHost: a\r\nAccept: a/b;q=1, c/d\r\n"
     b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
]  # fmt: skip
SCRAPE_SEEDS = [
    b"GET /metrics?a HTTP/1.1\r\nAccept: application/openmetrics-text;version=1.0.0,a/b;q=1\r\nA: b\r\n\r\n"
]
HTTP_WORDS = [
    b" ", b"\r\n", b"/", b"?", b"&", b"=", b"%20", b"%", b"+", b";", b",", b":", b"a", b"..", b'"', b"a: b\r\n",
    b"Host: a\r\n", b"\xff",
    b"X-Forwarded-For: 192.0.2.1\r\n", b"GET /healthz HTTP/1.1\r\n\r\n", b"HTTP/1.1", b"POST /new ", b"0\r\n", b"\0",
    b"[::1],",
]  # fmt: skip
OTHER_SEEDS = [
    b"220 mx ESMTP\r\n250-mx\r\n250-SIZE 1\r\n250 STARTTLS\r\n354 go\r\n250 2.0.0 OK\r\n",
    b"HTTP/1.1 207 Multi\r\nContent-Length: 14\r\nX-MAIL-STATUS: each\r\n\r\n250 OK\r\n550 no",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n250\r\n0\r\nA: b\r\n\r\n",
]
OTHER_WORDS = [
    b"250-a\r\n", b"250 a\r\n", b"2.0.0 ", b" ", b"\r\n", b"\n", b"\r", b"a", b"-", b"HTTP/1.1 100 a\r\n\r\n",
    b"a: b\r\n", b"1\r\na\r\n", b"0", b";", b":", b"\0", b"\xff", b"Content-Length: 9\r\n",
]  # fmt: skip
MXDELIV_SEEDS = [
    (b"POST /mxdeliv HTTP/1.1\r\nHost: a\r\nX-MAIL-FROM: <a@b.c>\r\nX-MAIL-TO: alice@example.org, b@c.d\r\n"
     b"X-MAIL-TO: <a@example.org>\r\nX-MAIL-STATUS: each\r\nContent-Length: 14\r\n\r\nA: b\r\n\r\n..x\r\n"),
]  # fmt: skip
MXDELIV_WORDS = [
    b"X-MAIL-TO: a@example.org\r\n", b",a@example.org", b",", b"<", b">", b"@", b".", b" ", b"a", b"\r\n", b"\r\n.",
    b"[", b"]", b"X-MAIL-FROM: a@b.c\r\n", b"\xff", b"+",
]  # fmt: skip


MADDY_SEEDS = [
    b'$(a) = b c\n$(d) = e\nsmtp tcp://0.0.0.0:25 {\n x "y $(d) z" \\\n $(a) {env:A}\n check {\n  dkim # z\n }\n}\n',
    b"(s) {\n a { b c }\n}\na {\n import s\n}\n",
]  # fmt: skip
# None that defines a macro by itself: its value grows with each line, up to the limits of the reader.
MADDY_WORDS = [
    b" ", b"\n", b"a", b"{", b"}", b" {\n", b"}\n", b'"', b"\\", b" \\\n", b"#", b"$(a)", b"$(d)", b"$(", b")",
    b"(s) {\n", b"\xc3\xa4",
]  # fmt: skip


def maddyconf(data: bytes) -> None:
    """A configuration, but for the files that it imports."""
    try:
        Reader(File(Path("maddy.conf")), list(words(data.decode(errors="replace"))), Budget()).file_nodes()
    except MaddyError:
        pass


def moved_in(data: bytes) -> None:
    """What another server's folders hold: lists of UIDs, names of mailboxes, hashes."""
    text = data.decode(errors="surrogateescape")
    for read in (maildir.dovecot, maildir.chatmail, moved_names.modified_utf7, moved_names.secret, moved_names.mailbox):
        try:
            read(text)
        except Unreadable:
            continue


def populate(gateway: Gateway) -> None:
    """An account with some messages."""
    smtp(gateway, "submission")(b"AUTH PLAIN " + base64.b64encode(f"\0{ALICE}\0{PASSWORD}".encode()) + b"\r\n")
    account = gateway.store.account(ALICE)
    assert account is not None
    inbox = gateway.store.mailbox(account.id, "INBOX")
    assert inbox is not None
    for number in range(5):
        header = b"Subject: Re: a%d\r\nMessage-ID: <%d@a>\r\nReferences: <%d@a>\r\n\r\n" % (
            number % 2,
            number,
            number - 1,
        )
        gateway.store.store(header, [Delivery(ALICE, inbox.id, account.id)])


def other_servers(data: bytes) -> None:
    """All that it says, as replies of SMTP and as answers to a POST."""
    for most in (7, 1 << 30):
        for reading in (replies.read, https.read):
            wire = Wire(Line(data, most), 60.0)
            try:
                while True:
                    said = reading(wire)
                    if isinstance(said, https.Response):
                        https.judge(said, ["a@b.c", "d@b.c"], 60.0)
                    else:
                        said.reply()
            except Broken:
                pass


def prey(gateway: Gateway) -> dict[str, Prey]:
    outgoing = pgp_message(ALICE, "bob@example.net", 100, Autocrypt="addr=alice@example.org; keydata=AAAA BBBB=")
    incoming = pgp_message(
        "bob@example.net", ALICE, 100, References="<a@b> <c@d>", To="A <a@b.c>, (x) <d@e.f>, g: h@i;"
    )
    join = (
        b'From: "B (x)" <bob@example.net> (y)\r\nDate: Mon, 2 Nov 2026 10:00:00 +0000\r\nSecure-Join: vc-request\r\n'
        b'Content-Type: multipart/mixed; charset=a; boundary="b"\r\nMessage-ID: <a@b>\r\n\r\n--b\r\n'
        b'Content-Type: text/plain; charset="utf-8"\r\nContent-Description: =?utf-8?q?a?= =?utf-8?b?YQ==?=\r\n\r\n'
        b"Secure-Join: vc-request\r\n\r\n--b--\r\n"
    )
    bounce = (
        b"From: mailer-daemon@example.net\r\nAuto-Submitted: auto-replied\r\nContent-Type: multipart/report; "
        b"report-type=delivery-status; boundary=b\r\nReceived: from a\r\nReceived: from b\r\n\r\n--b\r\n"
        b"Content-Type: message/delivery-status\r\n\r\nx\r\n--b--\r\n"
    )
    session = (
        b"EHLO a\r\nMAIL FROM:<a@b.c> SIZE=1 BODY=8BITMIME\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n"
        b"A: b\r\n\r\n..x\r\n.\r\nQUIT\r\n"
    )
    right = base64.b64encode(f"\0{ALICE}\0{PASSWORD}".encode())
    login = b"AUTH LOGIN\r\nYQ==\r\nYg==\r\nAUTH PLAIN " + right + b"\r\nMAIL FROM:<alice@example.org>\r\nRSET\r\n"
    spelled = [b"a.b@c.d", b"a@[IPv6:2001:db8::1]", b"a@192.0.2.1", b"a@b1", b"a+b@_c-d.e"]
    return {
        "smtp": Prey(smtp(gateway, "mx"), [session], SMTP_WORDS),
        "smtp in drips": Prey(smtp(gateway, "mx", 7), [session], SMTP_WORDS, 2000),
        "submission": Prey(smtp(gateway, "submission"), [login], SMTP_WORDS),
        "messages from elsewhere": Prey(messages(gateway, False), [incoming, incoming, join, bounce], MAIL_WORDS),
        "messages of accounts": Prey(messages(gateway, True), [outgoing, join], MAIL_WORDS),
        "moved in": Prey(
            moved_in,
            [b"3 V1 N9 Gx\n1 W2 :a,S=1\n", b"1 V1 N9\n4 S1 T2 :a\n", b"&AOQ-&-", b"argon2:1:2:3:YQ==:YQ==", b"$6$a$b"],
            [b"\n", b" ", b":", b" W2", b"&", b"-", b"$", b"1", b"a", b"=", b",S="],
        ),
        "maddy.conf": Prey(maddyconf, MADDY_SEEDS, MADDY_WORDS),
        "dkim": Prey(dkim, DKIM_SEEDS, DKIM_WORDS),
        "authors": Prey(authors, [b'"x (y)" (z) <a.b@c.example> (d)', b" a@b.example (c)"], AUTHOR_WORDS, 490),
        "addresses": Prey(addresses, spelled, MAIL_WORDS, 8000),
        "proxy": Prey(proxy, [b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"], [b" ", b"PROXY ", b"1", b".", b"\r", b"\n"]),
        "first of tls": Prey(
            first_of_tls, [HELLO], [HELLO[:60], HELLO[-14:], b"\x16\x03\x01\x00\x01\x01", b"\x00\x10", b"\x00\x00"]
        ),
        "packets": Prey(
            packets, PACKETS, [b"\xe0", b"\x00", b"\x01", b"\xc1\x04", b"\xd2\xff", b"\x80\x00", *PACKETS], 8000
        ),
        "imap names": Prey(imap(gateway), *NAMES, 8000),
        "imap lists": Prey(imap(gateway), *LISTS, 8000),
        "imap searches": Prey(imap(gateway), *SEARCHES, 8000),
        "imap others": Prey(imap(gateway), *OTHERS, 8000),
        "policies of MTA-STS": Prey(sts, STS_SEEDS, STS_WORDS),
        "records in a zone": Prey(zones, ZONE_SEEDS, ZONE_WORDS),
        "answers of nameservers": Prey(answers, [dns_answer()], DNS_WORDS),
        "http": Prey(http(gateway), HTTP_SEEDS, HTTP_WORDS, 3500),
        "scrapes": Prey(scrapes, SCRAPE_SEEDS, HTTP_WORDS, 3500),
        "other servers": Prey(other_servers, OTHER_SEEDS, OTHER_WORDS),
        "mxdeliv": Prey(mxdeliv(gateway), MXDELIV_SEEDS, MXDELIV_WORDS, 3500),
        "threads": Prey(threading, [b"clrsuv"], [b"c", b"l", b"r", b"s", b"t", b"u", b"v", b"x", b"y", b"n"], 250),
    }
