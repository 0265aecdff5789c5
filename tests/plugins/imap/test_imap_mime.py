"""The MIME tree against Python's email package, and on bytes that are no mail at all."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path

import pytest
from chatgate_imap.message import addresses as imap_addresses
from chatgate_imap.message import envelope as imap_envelope
from chatgate_imap.message import mime
from chatgate_imap.message.header import Header
from hypothesis import given
from hypothesis import strategies as st

from chatgate.api import Work
from tests.octets import Octets

MAIL = Path(__file__).parents[2] / "mail"

ATTACHED = b"""From: outer@example.org\r
Subject: outer\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary="one"\r
\r
preamble\r
--one\r
Content-Type: text/plain; charset=utf-8\r
Content-ID: <1@x>\r
\r
hello\r
--one\r
Content-Type: message/rfc822\r
\r
From: inner@example.org\r
Subject: inner\r
Content-Type: multipart/alternative; boundary=two\r
\r
--two\r
\r
plain\r
--two\r
Content-Type: text/html\r
Content-Transfer-Encoding: quoted-printable\r
\r
<p>\r
--two--\r
epilogue\r
--one\r
Content-Type: application/pdf; name="a \\"b\\".pdf"\r
Content-Disposition: attachment; filename=a.pdf; size=3\r
Content-Transfer-Encoding: base64\r
Content-Language: de, en\r
Content-MD5: Q2hlY2s=\r
Content-Location: http://example.org/\r
\r
AAAA\r
--one--\r
"""


def parse(data: bytes) -> mime.Part:
    return mime.parse(Octets(data), Work())


def structure(data: bytes, extended: bool = True) -> bytes:
    return imap_envelope.structure(parse(data), Octets(data), Work(), extended)


def envelope(header: bytes) -> bytes:
    return imap_envelope.envelope(Header(header, Work()), Work())


def addresses(*values: bytes) -> list[imap_addresses.Address]:
    return imap_addresses.addresses(list(values), Work())


def _same(ours: mime.Part, theirs: email.message.Message, data: bytes) -> None:
    assert f"{ours.type.decode()}/{ours.subtype.decode()}".lower() == theirs.get_content_type()
    if theirs.get_content_type() == "message/rfc822":
        assert ours.message is not None
        _same(ours.message, theirs.get_payload(0), data)
    elif theirs.get_content_maintype() == "multipart":
        assert len(ours.children) == len(theirs.get_payload())
        for child, other in zip(ours.children, theirs.get_payload(), strict=True):
            _same(child, other, data)
    elif theirs.get_content_maintype() != "message":  # the others the email package takes apart, IMAP does not
        assert data[ours.body : ours.end].decode("latin-1") == theirs.get_payload().encode(
            "ascii", "surrogateescape"
        ).decode("latin-1")


@pytest.mark.parametrize("path", sorted(MAIL.glob("*.eml")), ids=lambda path: path.stem)
def test_real_mail(path):
    data = b"\r\n".join(path.read_bytes().splitlines()) + b"\r\n"
    _same(parse(data), email.message_from_bytes(data), data)


def test_a_message_in_a_message():
    root = parse(ATTACHED)
    _same(root, email.message_from_bytes(ATTACHED), ATTACHED)
    assert mime.find(root, (2, 2)).subtype == b"html"
    inner = mime.find(root, (2,)).message
    assert ATTACHED[inner.start : inner.body].startswith(b"From: inner") and inner.header.get(b"subject") == b"inner"
    assert mime.find(root, (3,)).parameter(b"name") == b'a "b".pdf'
    for missing in ((4,), (1, 1), (2, 3), (2, 2, 2), (1, 2)):
        assert mime.find(root, missing) is None


INNER = ATTACHED[ATTACHED.index(b"From: inner") : ATTACHED.index(b"\r\n--one\r\nContent-Type: application")]


def test_bodystructure():
    assert structure(ATTACHED) == (
        b'(("text" "plain" ("charset" "utf-8") "<1@x>" NIL "7bit" 5 0 NIL NIL NIL NIL)'
        b'("message" "rfc822" NIL NIL NIL "7bit" %d (NIL "inner" ((NIL NIL "inner" "example.org"))'
        b' ((NIL NIL "inner" "example.org")) ((NIL NIL "inner" "example.org")) NIL NIL NIL NIL NIL)'
        b' (("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 5 0 NIL NIL NIL NIL)'
        b'("text" "html" ("charset" "us-ascii") NIL NIL "quoted-printable" 3 0 NIL NIL NIL NIL)'
        b' "alternative" ("boundary" "two") NIL NIL NIL) %d NIL NIL NIL NIL)'
        b'("application" "pdf" ("name" "a \\"b\\".pdf") NIL NIL "base64" 4 "Q2hlY2s="'
        b' ("attachment" ("filename" "a.pdf" "size" "3")) ("de" "en") "http://example.org/")'
        b' "mixed" ("boundary" "one") NIL NIL NIL)' % (len(INNER), INNER.count(b"\n"))
    )


def test_sections_have_the_sizes_that_bodystructure_says():
    root = parse(ATTACHED)
    part = mime.find(root, (2,))
    assert ATTACHED[part.body : part.end] == INNER


@pytest.mark.parametrize(
    "value",
    [
        b"a@b.org",
        b"A B <a@b.org>",
        b'"Q, x" <a@b.org>, c@d.org (C D)',
        b"=?utf-8?q?J=C3=BC?= <j@x.org>",
        b"undisclosed: a@b.org, c@d.org;, e@f.org",
        b"a.b.c@[127.0.0.1]",
        b"A <a@b.org>,, B <c@d.org>",
        b'"hidden-recipients": ;',
    ],
)
def test_addresses_as_the_email_package_sees_them(value):
    header = email.message_from_bytes(b"To: " + value + b"\r\n\r\n", policy=email.policy.default)["to"]
    theirs = [(address.username, address.domain) for group in header.groups for address in group.addresses]
    ours = [
        (local.decode(), host.decode())
        for _, _, local, host in addresses(value)
        if local is not None and host is not None
    ]
    assert ours == theirs


def test_groups_routes_comments():
    assert addresses(b"g: a@b;, c@d") == [
        (None, None, b"g", None),
        (None, None, b"a", b"b"),
        (None, None, None, None),
        (None, None, b"c", b"d"),
    ]
    assert addresses(b"<@r1,@r2:u@d>") == [(None, b"@r1,@r2", b"u", b"d")]
    assert addresses(b"u@d (a (b) c)") == [(b"a b c".replace(b"b", b"(b)"), None, b"u", b"d")]
    assert addresses(b"") == addresses(b" , ,") == []
    assert addresses(b"open: a@b") == [(None, None, b"open", None), (None, None, b"a", b"b"), (None, None, None, None)]


def test_envelope_defaults():
    fields = b"From: a@b\r\nSubject: x\r\n y\r\nSender:\r\nSubject: second\r\n\r\n"
    who = b'((NIL NIL "a" "b"))'
    assert envelope(fields) == b'(NIL "x y" %s %s %s NIL NIL NIL NIL NIL)' % (who, who, who)


def test_odd_text_becomes_a_literal():
    assert envelope(b"Subject: caf\xe9\r\n").startswith(b"(NIL {4}\r\ncaf\xe9 NIL")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"\n",
        b"no header at all",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\nnever begun",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nnever ended",
        b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\nbare\n--x--\n",
        b"Content-Type: message/rfc822\r\n\r\n",
        b'Content-Type: /;;;="\r\n\r\n',
    ],
)
def test_broken_messages_have_a_structure(data):
    root = parse(data)
    assert structure(data).count(b"(") == structure(data).count(b")")
    assert 0 <= root.start <= root.body <= root.end == len(data)


def test_nesting_and_splitting_are_bounded():
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(500))
    wide = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n\r\n\r\n" * 50000
    nested = b"Content-Type: message/rfc822\r\n\r\n" * 5000
    for data in (deep, wide, nested):
        assert structure(data).count(b"(") <= 6 * mime.MAX_PARTS


def test_what_comes_behind_the_last_part_that_is_read():
    """It belongs to nobody, and what is outside is found all the same."""
    inner = b"Content-Type: multipart/mixed; boundary=in\r\n\r\n" + b"--in\r\n\r\nx\r\n" * (mime.MAX_PARTS + 5)
    data = b"Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n%s--out\r\n\r\nlast\r\n--out--\r\n" % inner
    (child,) = parse(data).children
    assert len(child.children) == mime.MAX_PARTS - 2 and data[child.end :].startswith(b"\r\n--out\r\n\r\nlast")


PIECE = st.sampled_from(
    [
        b"\r\n",
        b"\n",
        b"--x",
        b"--x--",
        b"Content-Type: multipart/mixed; boundary=x",
        b"Content-Type: message/rfc822",
        b":",
        b" ",
    ]
)


@given(st.lists(st.one_of(PIECE, st.binary(max_size=6)), max_size=40).map(b"".join))
def test_any_octets_have_a_structure(data):
    root = parse(data)
    waiting = [root]
    while waiting:
        part = waiting.pop()
        assert 0 <= part.start <= part.body <= part.end <= len(data)
        waiting += part.children + ([part.message] if part.message else [])
    structure(data), structure(data, False), envelope(data[: root.body])


@given(st.binary(max_size=60))
def test_any_octets_are_addresses(value):
    addresses(value)
