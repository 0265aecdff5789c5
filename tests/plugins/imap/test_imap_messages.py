"""The commands of the selected state, RFC 3501 §6.4: FETCH, STORE, SEARCH, COPY, EXPUNGE and their UID forms."""

from __future__ import annotations

import email
import email.policy
import re

import gevent
import pytest

MIXED = b"""Message-ID: <1@x>\r
From: "A, B" <a@example.org>\r
To: b@example.org\r
Subject: =?utf-8?q?caf=C3=A9?= au\r
 lait\r
Date: Sat, 24 Mar 2007 23:00:00 +0200\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary="x"\r
\r
preamble\r
--x\r
Content-Type: text/plain; charset=iso-8859-1\r
Content-Transfer-Encoding: quoted-printable\r
\r
Stra=DFe nach K=F6ln\r
--x\r
Content-Type: message/rfc822\r
\r
From: c@example.org\r
Subject: inside\r
\r
inner body\r
--x\r
Content-Type: text/html; charset=utf-8\r
Content-Transfer-Encoding: base64\r
\r
PHA+aGlkZGVuIHdvcmRzPC9wPg==\r
--x--\r
"""


@pytest.fixture
def mixed(client):
    client.append(MIXED)
    client.do("SELECT INBOX")
    return client


def _literal(response: bytes) -> bytes:
    """The one literal in it."""
    match = re.search(rb"\{(\d+)\}\r\n", response)
    return response[match.end() : match.end() + int(match[1])]


# ---------------------------------------------------------------------------------------------- fetch


def test_what_delta_chat_asks(mixed):
    fields = "MESSAGE-ID DATE X-MICROSOFT-ORIGINAL-MESSAGE-ID FROM CONTENT-TYPE SECURE-JOIN CHAT-VERSION"
    answer = mixed.fetch(f"(UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS ({fields})])", "1:500", uid=True)
    assert answer.startswith(b"UID 1 RFC822.SIZE %d BODY[HEADER.FIELDS (%s)] {" % (len(MIXED), fields.encode()))
    header = email.message_from_bytes(_literal(answer))
    assert header.keys() == ["Message-ID", "From", "Date", "Content-Type"]
    assert _literal(answer).endswith(b"\r\n\r\n")
    assert mixed.fetch("(FLAGS BODY.PEEK[])", uid=True) == (
        b"UID 1 FLAGS (\\Recent) BODY[] {%d}\r\n%s" % (len(MIXED), MIXED)
    )
    assert mixed.do("UID FETCH 2:501 (UID)") == []


@pytest.mark.parametrize(
    "section,expected",
    [
        ("", MIXED),
        ("HEADER", MIXED[: MIXED.index(b"preamble")]),
        ("TEXT", MIXED[MIXED.index(b"preamble") :]),
        ("1", b"Stra=DFe nach K=F6ln"),
        (
            "1.MIME",
            b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
        ),
        ("2", b"From: c@example.org\r\nSubject: inside\r\n\r\ninner body"),
        ("2.MIME", b"Content-Type: message/rfc822\r\n\r\n"),
        ("2.HEADER", b"From: c@example.org\r\nSubject: inside\r\n\r\n"),
        ("2.HEADER.FIELDS (SUBJECT)", b"Subject: inside\r\n\r\n"),
        ("2.HEADER.FIELDS.NOT (SUBJECT)", b"From: c@example.org\r\n\r\n"),
        ("2.TEXT", b"inner body"),
        ("2.1", b"inner body"),
        ("3", b"PHA+aGlkZGVuIHdvcmRzPC9wPg=="),
        ("HEADER.FIELDS (Subject)", b"Subject: =?utf-8?q?caf=C3=A9?= au\r\n lait\r\n\r\n"),
        ("HEADER.FIELDS (X-None)", b"\r\n"),
        ('HEADER.FIELDS.NOT ("from" to subject DATE mime-version content-type)', b"Message-ID: <1@x>\r\n\r\n"),
    ],
)
def test_sections(mixed, section, expected):
    answer = mixed.fetch(f"BODY.PEEK[{section}]")
    assert _literal(answer) == expected
    assert answer.startswith(b"BODY[%s] {" % section.replace('"', "").encode())
    cut = mixed.fetch(f"BODY.PEEK[{section}]<3.5>")
    assert _literal(cut) == expected[3:8] and b"]<3> {" in cut
    assert _literal(mixed.fetch(f"BODY.PEEK[{section}]<100000.5>")) == b""


@pytest.mark.parametrize("section", ["4", "1.1", "1.HEADER", "1.TEXT", "2.2", "2.1.1", "9.MIME"])
def test_sections_that_are_not_there(mixed, section):
    assert mixed.fetch(f"BODY.PEEK[{section}]") == b"BODY[%s] NIL" % section.encode()


def test_a_message_of_one_part(client):
    client.append(b"Subject: x\r\n\r\nall\r\n")
    client.do("SELECT INBOX")
    assert _literal(client.fetch("BODY.PEEK[1]")) == b"all\r\n"
    assert _literal(client.fetch("BODY.PEEK[1.MIME]")) == b"Subject: x\r\n\r\n"
    assert client.fetch("BODY.PEEK[2]") == b"BODY[2] NIL"
    assert client.fetch("BODY") == b'BODY ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 5 1)'


def test_old_names(mixed):
    assert _literal(mixed.fetch("RFC822.HEADER")) == MIXED[: MIXED.index(b"preamble")]
    assert b"\\Seen" not in mixed.fetch("FLAGS")
    assert _literal(mixed.fetch("RFC822.TEXT")) == MIXED[MIXED.index(b"preamble") :]
    assert mixed.fetch("FLAGS") == b"FLAGS (\\Seen \\Recent)"
    assert _literal(mixed.fetch("RFC822")) == MIXED


def test_macros_envelope_structure(mixed):
    for macro, items in (
        ("FAST", ("FLAGS", "INTERNALDATE", "RFC822.SIZE")),
        ("ALL", ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE")),
        ("full", ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY")),
    ):
        answer = mixed.fetch(macro)
        assert all(f"{item} ".encode() in answer for item in items)
    who = b'(("A, B" NIL "a" "example.org"))'
    assert mixed.fetch("ENVELOPE") == (
        b'ENVELOPE ("Sat, 24 Mar 2007 23:00:00 +0200" "=?utf-8?q?caf=C3=A9?= au lait" %s %s %s'
        b' ((NIL NIL "b" "example.org")) NIL NIL NIL "<1@x>")' % (who, who, who)
    )
    assert mixed.fetch("BODYSTRUCTURE").count(b'"text"') == 3


def test_reading_sets_seen_and_says_so(stage):
    stage["1"].append(MIXED)
    stage.play("""
        1> SELECT INBOX
        2> SELECT INBOX
        1> FETCH 1 BODY.PEEK[]
        1! * 1 FETCH (FLAGS
        1> FETCH 1 BODY[1]
        1< * 1 FETCH (FLAGS (\\Seen \\Recent) BODY[1]
        1! * 1 FETCH (FLAGS (\\Seen \\Recent))
        1> FETCH 1 (FLAGS BODY[1])
        1< * 1 FETCH (FLAGS (\\Seen \\Recent) BODY[1]
        2> NOOP
        2< * 1 FETCH (FLAGS (\\Seen))
        1> STORE 1 -FLAGS.SILENT (\\Seen)
        1> UID FETCH 1 (RFC822.TEXT FLAGS)
        1< * 1 FETCH (UID 1 RFC822.TEXT …FLAGS (\\Seen \\Recent))
    """)


def test_sets_of_messages(client):
    for number in range(5):
        client.append(b"Subject: %d\r\n\r\n" % number)
    client.do("SELECT INBOX")
    client.do("STORE 2 +FLAGS (\\Deleted)")
    client.do("EXPUNGE")  # now 1, 3, 4, 5

    def uids(numbers: str, command: str = "FETCH") -> list[int]:
        return [int(line.split(b"UID ")[1].split(b")")[0]) for line in client.do(f"{command} {numbers} (UID)")]

    assert uids("1:*") == uids("*:1") == [1, 3, 4, 5]
    assert uids("4,1:2,2") == [1, 3, 5]
    assert uids("*") == uids("4:*") == [5]
    assert uids("2:3", "UID FETCH") == [3]
    assert uids("9:*", "UID FETCH") == uids("*", "UID FETCH") == [5]
    assert uids("9:10,2", "UID FETCH") == []
    for wrong in ("5", "1:5", "5:*", "0", "", "1:", "x", "1 2"):
        assert client.fails(f"FETCH {wrong} (UID)").startswith(b"BAD")
    for command in ("FETCH", "FETCH 1", "FETCH 1 (FLAGS", "UID FETCH 1 FOO", "STORE 9 FLAGS x", "COPY 9 INBOX"):
        assert client.fails(command).startswith(b"BAD")


def test_an_empty_mailbox(client):
    client.do("SELECT INBOX")
    assert client.do("UID FETCH 5:504 (UID)") == []
    assert client.do("UID FETCH 1:* (UID)") == []
    assert client.do("UID STORE 1:* +FLAGS (\\Seen)") == []
    assert client.do("UID COPY 1:* Trash") == []
    assert client.do("SEARCH ALL") == client.do("SEARCH 1:*") == [b"* SEARCH"]
    assert client.fails("FETCH 1:* (UID)").startswith(b"BAD")


def test_nul_is_never_sent(stage):
    """A literal has no NUL (RFC 3501 §9, CHAR8); mail by SMTP may."""
    from chatgate.api import Delivery

    client = stage["1"]
    store = stage.gateway.store
    account = store.account(stage.login[0])
    inbox = store.mailbox(account.id, "INBOX")
    store.store(b"Subject: x\r\n\r\na\0b", [Delivery("x", inbox.id, account.id)])
    client.do("SELECT INBOX")
    assert client.fetch("(RFC822.SIZE BODY.PEEK[])") == b"RFC822.SIZE 17 BODY[] {17}\r\nSubject: x\r\n\r\na\x80b"


@pytest.mark.parametrize("service", ["imap", "imaps"])
@pytest.mark.parametrize("octets", [100_000, 140_000, 5_000_000])
def test_large_messages_are_streamed(stage, service, octets):
    """Past all buffers between us and the client, which reads late."""
    message = b"Subject: x\r\n\r\n" + b"0123456789abcd\r\n" * (octets // 16)
    stage["1"].append(message)
    for _ in range(9):
        stage["1"].do("SELECT INBOX")
        stage["1"].do("COPY 1 INBOX")
    client = stage.stranger(service)
    client.do('LOGIN "{}" "{}"'.format(*stage.login))
    client.do("SELECT INBOX")
    client.start("FETCH 1:* (BODY.PEEK[])")
    gevent.sleep(0.1)
    client.finish()
    lines = client.lines[:-1]
    assert len(lines) == 10 and all(_literal(line) == message for line in lines)


def test_many_messages(client):
    message = b"Subject: x\r\n\r\n" + b"0123456789abcde\r\n" * 20000
    for _ in range(3):
        client.append(message)
    client.do("SELECT INBOX")
    for _ in range(6):
        client.do("COPY 1:* INBOX")
        client.do("NOOP")
    lines = client.do("FETCH 1:* (BODY.PEEK[])")
    assert len(lines) == 192 and all(_literal(line) == message for line in lines)


# ---------------------------------------------------------------------------------------------- store


def test_store(stage):
    stage["1"].append(b"Subject: x\r\n\r\n")
    stage.play("""
        1> SELECT INBOX
        1> STORE 1 FLAGS (\\Seen $A)
        1< * 1 FETCH (FLAGS (\\Seen $A \\Recent))
        1> STORE 1 +FLAGS \\Flagged
        1< * 1 FETCH (FLAGS (\\Flagged \\Seen $A \\Recent))
        1> STORE 1 -flags (\\Seen \\Answered)
        1< * 1 FETCH (FLAGS (\\Flagged $A \\Recent))
        1> STORE 1 +FLAGS (\\Flagged)
        1< * 1 FETCH (FLAGS (\\Flagged $A \\Recent))
        1> STORE 1 FLAGS.SILENT ()
        1! * 1 FETCH
        1> FETCH 1 FLAGS
        1< * 1 FETCH (FLAGS (\\Recent))
        1> UID STORE 1 +FLAGS (\\Deleted)
        1< * 1 FETCH (UID 1 FLAGS (\\Deleted \\Recent))
        1> UID STORE 9 +FLAGS (\\Deleted)
        1< OK
    """)


@pytest.mark.parametrize(
    "arguments",
    [
        "1",
        "1 FLAGS",
        "1 FOO (\\Seen)",
        "1 +FLAGS (\\Recent)",
        "1 FLAGS (\\Foo)",
        "1 FLAGS (a",
        "1 FLAGS.LOUD (a)",
        "x FLAGS (a)",
    ],
)
def test_bad_store(client, arguments):
    client.append(b"Subject: x\r\n\r\n")
    client.do("SELECT INBOX")
    assert client.fails(f"STORE {arguments}").startswith(b"BAD")


def test_silence_does_not_hide_what_others_do(stage):
    stage["1"].append(b"Subject: x\r\n\r\n")
    stage.play("""
        1> SELECT INBOX
        2> SELECT INBOX
        2> STORE 1 +FLAGS (\\Flagged)
        1> STORE 1 +FLAGS.SILENT (\\Flagged)
        1< * 1 FETCH (FLAGS (\\Flagged \\Recent))
    """)


# ---------------------------------------------------------------------------------------------- search


def _search(client, program: str | bytes) -> list[int]:
    program = program.encode() if isinstance(program, str) else program
    (line,) = client.do(b"SEARCH " + program)
    assert line.startswith(b"* SEARCH")
    return [int(number) for number in line.split()[2:]]


@pytest.fixture
def library(client):
    """1: MIXED, seen. 2: small, flagged, old. 3: the rest."""
    client.append(MIXED, extra='(\\Seen $Work) "01-Jan-2020 10:00:00 +0000" ')
    client.append(
        b"From: Zo\xc3\xab <z@y.org>\r\nDate: 1 Jan 2019 23:30:00 -0500\r\n\r\nshort\r\n", extra="(\\Flagged) "
    )
    client.append(
        b"From: =?iso-8859-1?q?J=FCrgen?= <j@y.org>\r\nBcc: x@y.org\r\n\r\n" + b"long " * 200, extra="(\\Draft) "
    )
    client.do("SELECT INBOX")
    return client


@pytest.mark.parametrize(
    "program,expected",
    [
        ("ALL", [1, 2, 3]),
        ("SEEN", [1]),
        ("UNSEEN", [2, 3]),
        ("NEW", [2, 3]),
        ("OLD", []),
        ("RECENT", [1, 2, 3]),
        ("FLAGGED", [2]),
        ("UNFLAGGED UNDRAFT", [1]),
        ("DRAFT", [3]),
        ("ANSWERED", []),
        ("DELETED", []),
        ("KEYWORD $work", [1]),
        ("UNKEYWORD $Work", [2, 3]),
        ("2:*", [2, 3]),
        ("NOT 2:*", [1]),
        ("7", []),
        ("UID 2", [2]),
        ("UID 9:*", [3]),
        ("OR 1 UID 3", [1, 3]),
        ("OR (1 SEEN) (NOT (2 FLAGGED) UNSEEN)", [1, 3]),
        ("LARGER 900", [3]),
        ("SMALLER 100", [2]),
        ("ON 1-Jan-2020", [1]),
        ("BEFORE 2-Jan-2020", [1]),
        ("BEFORE 1-Jan-2020", []),
        ("SINCE 2-Jan-2020", [2, 3]),
        ("SENTON 1-Jan-2019", [2]),
        ("SENTBEFORE 1-Jan-2019", [1]),
        ("SENTSINCE 24-Mar-2007", [1, 2]),
        ('SUBJECT "CAFÉ"', [1]),
        ('SUBJECT "café au lait"', [1]),
        ("FROM a@example.org", [1]),
        ('FROM "zoë"', [2]),
        ('FROM "JÜRGEN"', [3]),
        ("TO b@", [1]),
        ("CC x", []),
        ("BCC x@y.org", [3]),
        ('HEADER Bcc ""', [3]),
        ("HEADER message-id 1@x", [1]),
        ("BODY STRASSE", [1]),
        ('BODY "köln"', [1]),
        ("BODY hidden", [1]),
        ("BODY inside", [1]),
        ("BODY preamble", []),
        ("BODY long", [3]),
        ('TEXT "jürgen"', [3]),
        ("TEXT base64", [1]),
        ("BODY nowhere", []),
        ("CHARSET UTF-8 SUBJECT {{café}}", [1]),
        ("CHARSET us-ascii FROM a", [1]),
    ],
)
def test_search(library, program, expected):
    from imap_trace import wire

    assert _search(library, wire(program)) == expected


def test_uid_search_and_errors(library):
    library.do("STORE 1 +FLAGS (\\Deleted)")
    library.do("EXPUNGE")
    assert library.do("UID SEARCH ALL") == [b"* SEARCH 2 3"]
    assert library.fails("SEARCH CHARSET latin-1 ALL").startswith(b"NO [BADCHARSET (US-ASCII UTF-8)]")
    assert library.fails(b'SEARCH SUBJECT "\xff"').startswith(b"BAD")
    for wrong in ("SEARCH", "SEARCH FOO", "SEARCH (ALL", "UID SEARCH", "SEARCH UID", "SEARCH ALL)"):
        assert library.fails(wrong).startswith(b"BAD")


# ---------------------------------------------------------------------------------------------- copy, expunge


def test_copy_and_move(client):
    for number in range(3):
        client.append(b"Subject: %d\r\n\r\n" % number, extra=f'(\\Seen $k) "0{number + 1}-Jan-2020 00:00:00 +0000" ')
    client.do("SELECT INBOX")
    client.start("COPY 1,3 Trash")
    assert re.match(rb"OK \[COPYUID \d+ 1,3 1:2\] Copy", client.finish())
    client.start("UID MOVE 2 Trash")
    assert client.finish().startswith(b"OK")
    assert re.match(rb"\* OK \[COPYUID \d+ 2 3\]", client.lines[0]) and client.lines[1] == b"* 2 EXPUNGE"
    for command in ("COPY 1 Nowhere", "MOVE 1 Nowhere", "UID COPY 1 Nowhere"):
        assert client.fails(command).startswith(b"NO [TRYCREATE]")
    for command in ("COPY 1", "COPY", "MOVE x Trash", "COPY 1 Trash x"):
        assert client.fails(command).startswith(b"BAD")
    client.do("SELECT Trash")
    lines = client.do("FETCH 1:* (FLAGS INTERNALDATE)")
    assert [line.split(b'"')[1][:6] for line in lines] == [b" 1-Jan", b" 3-Jan", b" 2-Jan"]
    assert all(b"(\\Seen $k \\Recent)" in line for line in lines)


def test_copy_into_itself(client):
    client.append(b"Subject: x\r\n\r\n")
    client.do("SELECT INBOX")
    assert b"* 2 EXISTS" in client.do("COPY 1 INBOX")


def test_expunge_and_uid_expunge(client):
    for _ in range(4):
        client.append(b"Subject: x\r\n\r\n", extra="(\\Deleted) ")
    client.append(b"Subject: y\r\n\r\n")
    client.do("SELECT INBOX")
    assert client.do("UID EXPUNGE 2:3,5") == [b"* 3 EXPUNGE", b"* 2 EXPUNGE", b"* 3 RECENT"]
    assert client.do("UID EXPUNGE 99") == []
    assert client.do("EXPUNGE") == [b"* 2 EXPUNGE", b"* 1 EXPUNGE", b"* 1 RECENT"]
    assert client.do("EXPUNGE") == []
    assert client.fails("UID EXPUNGE").startswith(b"BAD")
    assert client.fails("EXPUNGE 1").startswith(b"BAD")
