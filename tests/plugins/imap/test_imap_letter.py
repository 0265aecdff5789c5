"""Messages that are not as they should be, answered as the standards and their readers want it."""

from __future__ import annotations

import base64

import pytest
from imap_trace import Client

from chatgate.api import Delivery


def put(client: Client, message: bytes) -> None:
    client.append(message)
    client.do("SELECT INBOX")


def found(client: Client, program: str) -> bool:
    (line,) = (line for line in client.do(f"SEARCH {program}") if line.startswith(b"* SEARCH"))
    return line != b"* SEARCH"


# ---------------------------------------------------------------------------------------------- bare LF

LF = b"Subject: x\n\nSubject: in the body\n\nz\n"
LF_ADDRESSES = b"From: a@example.org\n\nSubject: in the body\nTo: b@example.org\n"


def test_an_empty_line_of_a_bare_lf_ends_the_header(client):
    put(client, LF)
    header = b"BODY[HEADER] {12}\r\nSubject: x\n\n"
    assert client.fetch("BODY.PEEK[HEADER]") == header
    assert client.fetch("(BODY.PEEK[HEADER] BODY.PEEK[])") == header + b" BODY[] {%d}\r\n%s" % (len(LF), LF)
    assert client.fetch("(BODY.PEEK[] BODY.PEEK[HEADER])") == b"BODY[] {%d}\r\n%s %s" % (len(LF), LF, header)
    assert client.fetch("BODY.PEEK[TEXT]") == b"BODY[TEXT] {24}\r\nSubject: in the body\n\nz\n"
    assert client.fetch("RFC822.HEADER") == header.replace(b"BODY[HEADER]", b"RFC822.HEADER")
    assert client.fetch("BODY.PEEK[HEADER.FIELDS (SUBJECT)]").endswith(b"{13}\r\nSubject: x\n\r\n")


def test_envelope_and_search_see_the_same_header(client):
    put(client, LF_ADDRESSES)
    who = b'((NIL NIL "a" "example.org"))'
    assert client.fetch("ENVELOPE") == b"ENVELOPE (NIL NIL %s %s %s NIL NIL NIL NIL NIL)" % (who, who, who)
    assert client.fetch("(BODYSTRUCTURE ENVELOPE)").endswith(b"NIL NIL NIL NIL NIL)")
    assert not found(client, 'SUBJECT "in the body"') and not found(client, "TO b@example.org")
    assert found(client, 'BODY "in the body"') and found(client, "TEXT b@example.org")


def test_a_long_header_in_a_large_message(stage):
    """More than is looked at of a header: what is asked for in octets is whole all the same."""
    client = stage["1"]
    header = b"Subject: far\r\n" + b"X-Filler: %s\r\n" % (b"x" * 70) * 15_000 + b"\r\n"
    body = b"the text\r\n" * 30_000
    put(client, header + body)
    assert client.fetch("BODY.PEEK[HEADER]") == b"BODY[HEADER] {%d}\r\n%s" % (len(header), header)
    assert client.fetch("BODY.PEEK[TEXT]") == b"BODY[TEXT] {%d}\r\n%s" % (len(body), body)
    at = len(header) - 10
    assert client.fetch(f"BODY.PEEK[]<{at}.30>") == b"BODY[]<%d> {30}\r\n%s" % (at, (header + body)[at : at + 30])
    assert client.fetch("BODY.PEEK[1]<299990.100>") == b"BODY[1]<299990> {10}\r\n%s" % body[-10:]
    assert b'"far"' in client.fetch("ENVELOPE")


# ---------------------------------------------------------------------------------------------- MIME


def test_a_boundary_in_several_parameters(client):
    """RFC 2231 §3; its §6 wants them joined in BODYSTRUCTURE."""
    put(
        client,
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n"
        b' boundary*0="part-one-";\r\n boundary*1="part-two"\r\n\r\n'
        b"--part-one-part-two\r\nContent-Type: text/plain\r\n\r\ninside\r\n--part-one-part-two--\r\n",
    )
    assert client.fetch("BODY.PEEK[1]") == b"BODY[1] {6}\r\ninside"
    assert client.fetch("BODYSTRUCTURE") == (
        b'BODYSTRUCTURE (("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 6 0 NIL NIL NIL NIL)'
        b' "mixed" ("boundary" "part-one-part-two") NIL NIL NIL)'
    )
    assert found(client, "BODY inside")


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (b"name*0=a; name*1=b; x=y", b'"name" "ab" "x" "y"'),
        (b"name*1=b; name*0=a", b'"name" "ab"'),
        (b"name*0*=utf-8'en'a%20; name*1=b%; name*2*=%C3%A4", b'"name*" "utf-8\'en\'a%20b%25%C3%A4"'),
        (b'name*0="a b"; name*1*=%41', b'"name*" "\'\'a%20b%41"'),
        (b"name*=utf-8''%41", b'"name*" "utf-8\'\'%41"'),
        (b"name*1=b", b'"name*1" "b"'),
        (b"name*0=a; name*2=c", b'"name" "a"'),
    ],
)
def test_continued_parameters(client, sent, shown):
    put(client, b"Content-Type: text/plain; charset=utf-8; %s\r\n\r\n" % sent)
    assert b'("charset" "utf-8" %s)' % shown in client.fetch("BODYSTRUCTURE")


@pytest.mark.parametrize(
    "encoding",
    [b"base64 (as sent)", b"(really) BASE64", b"base64;", b"base64 ; x=y", b'base64 (a (b) "c)', b" base64\t"],
)
def test_a_transfer_encoding_with_more_than_its_name(client, encoding):
    text = base64.b64encode(b"secretword")
    put(client, b"Content-Type: text/plain\r\nContent-Transfer-Encoding: %s\r\n\r\n%s\r\n" % (encoding, text))
    assert found(client, "BODY secretword")
    assert b'nil nil "base64" ' in client.fetch("BODYSTRUCTURE").lower()


@pytest.mark.parametrize(
    "text",
    [
        b"c2VjcmV0d29yZA",  # no padding
        b"c2VjcmV0d29yZA=",
        b"c2Vj cmV0\r\n\r\n\td29y ZA ==",
        b"c2Vj*cmV0!d29y-ZA==",
        b"c2VjcmV0d29yZA==\r\nYW5k\r\n",
        b"Zmlyc3Q=\r\nc2VjcmV0d29yZA==",  # two pieces, each with its end
        b"c2VjcmV0d29yZGFuZA====ZA",
    ],
)
def test_odd_base64(client, text):
    put(client, b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n" + text)
    assert found(client, "BODY secretword") and not found(client, "BODY c2Vj")


@pytest.mark.parametrize(
    "kind",
    [
        "message/delivery-status",
        "message/disposition-notification",
        "message/feedback-report",
        "message/partial",
        "message/external-body",
        "message/global-delivery-status",
        "text/rfc822-headers",
        "text/x-anything",
    ],
)
def test_reports_are_searched(client, kind):
    put(
        client,
        b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\r\nnot delivered\r\n"
        b"--b\r\nContent-Type: %s\r\n\r\nReporting-MTA: dns; secretword.example\r\n\r\nStatus: 5.1.1\r\n--b--\r\n"
        % kind.encode(),
    )
    assert found(client, "BODY secretword") and found(client, "TEXT secretword")


def test_text_is_found_wherever_the_pieces_meet(stage):
    """A body is decoded in pieces of some size; no border hides what lies across it."""
    client = stage["1"]
    words = [b"needle%d" % n for n in range(8)]
    filler = b"hay " * 16_384
    for encode in (lambda text: text, base64.encodebytes):
        text = b"".join(filler[: len(filler) - 4 + n] + word for n, word in enumerate(words))
        name = b"7bit" if encode(b"x") == b"x" else b"base64"
        put(client, b"Content-Transfer-Encoding: %s\r\n\r\n%s" % (name, encode(text).replace(b"\n", b"\r\n")))
    program = " ".join(f"BODY {word.decode()}" for word in words)
    assert client.do(f"SEARCH {program}") == [b"* SEARCH 1 2"]
    assert client.do("SEARCH BODY needle8") == [b"* SEARCH"]


@pytest.mark.parametrize("border", [65_534, 65_535, 65_536, 65_537])
def test_characters_that_the_border_cuts(client, border):
    head = b"Content-Type: text/plain; charset=%s\r\nContent-Transfer-Encoding: %s\r\n\r\n"
    text = "x" * (border - 1) + "äé words"
    put(client, head % (b"utf-8", b"8bit") + text.encode())
    put(client, head % (b"utf-8", b"quoted-printable") + b"x" * (border - 1) + b"=C3=A4=C3=A9=\r\n words")
    put(client, head % (b"shift_jis", b"8bit") + b"x" * (border - 1) + "テ words".encode("shift_jis"))
    assert client.do("SEARCH CHARSET UTF-8 BODY {{äé words}}") == [b"* SEARCH 1 2"]
    assert client.do("SEARCH CHARSET UTF-8 BODY {{テ words}}") == [b"* SEARCH 3"]


@pytest.mark.parametrize(
    "name", ["punycode ", "punycode-", "-punycode", "idna", "unicode_escape", "utf-7", "rot13", "x" * 70]
)
def test_what_is_no_charset_of_mail_is_utf_8(client, name):
    put(client, 'Content-Type: text/plain; charset="{}"\r\nSubject: =?{}?q?=C3=A4-x?=\r\n\r\nä-bcd1\r\n'.format(
        name, name.replace(" ", "")
    ).encode())  # fmt: skip
    assert found(client, "CHARSET UTF-8 BODY {{ä-bcd1}}") and found(client, "CHARSET UTF-8 SUBJECT {{ä-x}}")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ISO-8859-1", "ä"),
        ("windows-1251", "Ж"),
        ("GB2312", "中"),
        ("Big5", "中"),
        ("iso-2022-jp", "テ"),
        ("KOI8-R", "Ж"),
    ],
)
def test_charsets_of_mail(client, name, text):
    octets = text.encode(name)
    put(
        client,
        b"Subject: =?%s?B?%s?=\r\nContent-Type: text/plain; charset=%s\r\n\r\n%s"
        % (name.encode(), base64.b64encode(octets), name.encode(), octets),
    )
    assert found(client, f"CHARSET UTF-8 BODY {{{{{text}}}}} SUBJECT {{{{{text}}}}}")


# ---------------------------------------------------------------------------------------------- header fields


def test_a_field_folded_with_a_tab(client):
    put(client, b"Subject: hello\r\n\tworld\r\nX-A: one\r\n  two\r\n\r\n")
    assert found(client, 'SUBJECT "hello world"') and found(client, 'HEADER X-A "one  two"')
    assert found(client, 'TEXT "hello world"')
    assert b'"hello\tworld"' in client.fetch("ENVELOPE")  # RFC 5322 §2.2.3: only the line end goes


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (b"=?utf-8?q?a_b?=", "a b"),
        (b"=?utf-8?q?a?=\r\n =?utf-8?q?b?= c", "ab c"),
        (b"x =?utf-8?q?a?= y =?utf-8?q?b?=", "x a y b"),
        (b"=?utf-8?b?w6Q?=", "ä"),
        (b"=?utf-8*de?q?=C3=A4?=", "ä"),
        (b"=?utf-8?b?ww==?= =?utf-8?b?pA==?=", "ä"),  # a character cut in two
        (b"=?iso-8859-1?q?=E4?= =?utf-8?q?=C3=A4?=", "ää"),
        (b"=?nothing?x?y?= =?utf-8?q?a", "=?nothing?x?y?= =?utf-8?q?a"),
        ("ä =?utf-8?q?b?=".encode(), "ä b"),
    ],
)
def test_encoded_words(client, sent, meant):
    put(client, b"Subject: <%s>\r\n\r\n" % sent)
    assert found(client, f"CHARSET UTF-8 SUBJECT {{{{<{meant}>}}}}")


def test_addresses_are_never_made_up(client):
    put(
        client,
        b"From: Big Bug bb@example.org\r\nTo: Al <a@example.org> Bo <b@example.org>\r\n"
        b'Cc: "S" <valid@example.org>:<other@example.org>\r\nReply-To: a@b@example.org\r\n\r\nx\r\n',
    )
    sender = b'(("Big Bug bb@example.org" NIL "" ""))'
    assert client.fetch("ENVELOPE") == (
        b'ENVELOPE (NIL NIL %s %s (("a@b@example.org" NIL "" "")) (("Al" NIL "a" "example.org"))'
        b' (("S" NIL "valid" "example.org")) NIL NIL NIL)' % (sender, sender)
    )


def test_every_field_of_addresses_counts(client):
    put(client, b"To: one@example.org\r\nCc: c@example.org\r\nTo: two@example.org\r\nCc: d@example.org\r\n\r\n")
    answer = client.fetch("ENVELOPE")
    assert b'((NIL NIL "one" "example.org")(NIL NIL "two" "example.org"))' in answer
    assert b'((NIL NIL "c" "example.org")(NIL NIL "d" "example.org"))' in answer
    assert found(client, "TO two@example.org") and found(client, "CC d@example.org")


def test_names_of_fields_that_are_no_atoms(client):
    put(client, b'A"b: 1\r\nC(d: 2\r\nE\\f: 3\r\nG]h: 4\r\n\r\n')
    answer = client.fetch('BODY.PEEK[HEADER.FIELDS ("A\\"b" "C(d" "E\\\\f" G]h)]')
    assert answer.startswith(b'BODY[HEADER.FIELDS ("A\\"b" "C(d" "E\\\\f" G]h)] {34}\r\nA"b: 1\r\nC(d: 2\r\n')


# ---------------------------------------------------------------------------------------------- dates and sets


@pytest.mark.parametrize(
    ("date", "shown"),
    [
        (253402300799, b'"31-Dec-9999 23:59:59 +0000"'),
        (253402300800, b'"31-Dec-9999 23:59:59 +0000"'),
        (1 << 60, b'"31-Dec-9999 23:59:59 +0000"'),
        (-(1 << 60), b'" 1-Jan-0001 00:00:00 +0000"'),
        (-1, b'"31-Dec-1969 23:59:59 +0000"'),
    ],
)
def test_a_date_has_four_digits_for_the_year(stage, date, shown):
    client, store = stage["1"], stage.gateway.store
    account = store.account(stage.login[0])
    box = store.mailbox(account.id, "INBOX")
    store.store(b"Subject: x\r\n\r\n", [Delivery(account.address, box.id, account.id, date=date)])
    client.do("SELECT INBOX")
    assert client.fetch("INTERNALDATE") == b"INTERNALDATE " + shown


def test_years_with_five_digits(client):
    client.do(b'APPEND INBOX "31-Dec-9999 23:59:59 -1200" {13+}\r\nSubject: x\r\n\n')
    put(client, b"Date: Fri, 1 Jan 20262 00:00:00 +0000\r\n\r\n")
    assert b'"31-Dec-9999 ' in client.fetch("INTERNALDATE")
    assert client.do("SEARCH SENTSINCE 1-Jan-1990") == [b"* SEARCH"]
    assert client.fails("SEARCH SINCE 1-Jan-20262").startswith(b"BAD")


def test_a_set_of_ten_thousand_numbers(client):
    put(client, b"Subject: x\r\n\r\n")
    numbers = ",".join(map(str, range(1, 4_000_000_000, 400_001)))
    assert len(numbers) > 80_000
    assert client.do(f"UID SEARCH UID {numbers}") == [b"* SEARCH 1"]
    assert client.do(f"UID FETCH {numbers} UID") == [b"* 1 FETCH (UID 1)"]


# ---------------------------------------------------------------------------------------------- asked twice


def test_what_is_asked_for_twice_is_answered_once(client):
    put(client, b"Subject: x\r\n\r\ntext\r\n")
    text = b"BODY[TEXT] {6}\r\ntext\r\n"
    assert client.fetch(f"({' '.join(['BODY.PEEK[TEXT]'] * 200)})") == text
    assert client.fetch("(UID UID FLAGS BODY.PEEK[TEXT] UID BODY.PEEK[text])") == b"UID 1 FLAGS (\\Recent) " + text
    answer = client.fetch("(BODY.PEEK[TEXT]<0.2> BODY.PEEK[TEXT]<0.3> BODY.PEEK[TEXT]<0.2>)")
    assert answer == b"BODY[TEXT]<0> {2}\r\nte BODY[TEXT]<0> {3}\r\ntex"
    assert b"\\Seen" in client.fetch("(BODY.PEEK[TEXT] BODY[TEXT])")


def test_messages_that_others_expunged(stage):
    """What had to be looked into and is gone is not found, and the answer says why (RFC 5530 §3)."""
    one, two = stage["1"], stage["2"]
    for n in range(3):
        put(one, b"Subject: x%d\r\n\r\ntext\r\n" % n)
    two.do("SELECT INBOX")
    two.do("STORE 2 +FLAGS.SILENT (\\Deleted)")
    two.do("EXPUNGE")
    assert one.do("SEARCH ALL") == [b"* SEARCH 1 2 3"]
    for program in ("BODY text", "SUBJECT x", "NOT BODY zz", "NOT HEADER Subject zz"):
        assert one.do(f"SEARCH {program}") == [b"* SEARCH 1 3"]
        one.start(f"SEARCH {program}")
        assert one.finish() == b"OK [EXPUNGEISSUED] Search completed."
