"""Header fields, parameters and addresses."""

import pytest
from chatgate_gate.mime import Header, Malformed, address, before_blank_lines, content_type, split


def test_fields_are_unfolded_and_found_in_any_case():
    content = b"A: 1\r\nCONTENT-type: text/plain;\r\n\tcharset=x \r\n\r\nbody"
    header, body = split(content, 1000)
    assert header.get(b"a") == b"1"
    assert header.get(b"content-type") == b"text/plain;\tcharset=x"
    assert header.get(b"b") is None
    assert header.names == {b"a", b"content-type"}
    assert content[body:] == b"body"


@pytest.mark.parametrize(
    "section",
    [
        b"no colon\r\n",
        b"A : 1\r\n",
        b"A B: 1\r\n",
        b": 1\r\n",
        b" A: 1\r\n",
        b"\tA: 1\r\n",
        b"A: 1\r\n \r\nB: 2\r\n",
        b"A: 1\r\n\t \t\r\n",
        b"A: 1\nB: 2\r\n",
        b"A: 1\rB: 2\r\n",
        b"A: 1\r\r\n",
        b"A: 1\n\r\n",
        b"A: \x00\r\n",
        b"A: \x0b\r\n",
        b"A: \x7f\r\n",
        b"\xc3\xa4: 1\r\n",
        b"From someone Mon Jan  1 00:00:00 2024\r\n",
        b"A: 1",
    ],
)
def test_unclear_header_lines_are_refused(section):
    with pytest.raises(Malformed):
        Header(section)


def test_a_field_given_twice_is_refused_when_it_matters():
    header = Header(b"A: 1\r\nB: 2\r\na: 3\r\n 4\r\n")
    assert header.get(b"b") == b"2"
    with pytest.raises(Malformed):
        header.get(b"a")


def test_header_limit_and_end():
    with pytest.raises(Malformed, match="too long"):
        split(b"A: " + b"x" * 100 + b"\r\n\r\n", 50)
    with pytest.raises(Malformed, match="no empty line"):
        split(b"A: 1\r\n", 50)
    with pytest.raises(Malformed):
        split(b"", 50)
    with pytest.raises(Malformed):
        split(b"\r\n\r\nbody", 50)
    split(b"A: " + b"x" * 45 + b"\r\n\r\n", 50)


@pytest.mark.parametrize(
    ("value", "boundary"),
    [
        (b"multipart/mixed; boundary=abc", b"abc"),
        (b'multipart/mixed; boundary="a b:c"', b"a b:c"),
        (b'MULTIPART/Mixed ;\tBoundary="abc" ; ', b"abc"),
        (b'multipart/mixed;boundary="abc";protocol="x/y"', b"abc"),
        (b"multipart/mixed; boundary=" + b"x" * 70, b"x" * 70),
    ],
)
def test_boundary(value, boundary):
    found = content_type(Header(b"Content-Type: " + value + b"\r\n"))
    assert (found.kind, found.boundary) == (b"multipart/mixed", boundary)


@pytest.mark.parametrize(
    "value",
    [
        b"multipart/mixed",
        b"multipart/mixed; boundary=",
        b'multipart/mixed; boundary=""',
        b'multipart/mixed; boundary="abc "',
        b'multipart/mixed; boundary="a\\bc"',
        b'multipart/mixed; boundary="abc',
        b"multipart/mixed; boundary=a=c",
        b"multipart/mixed; boundary=a/c",
        b"multipart/mixed; boundary=abc (comment)",
        b"multipart/mixed (comment); boundary=abc",
        b"multipart/mixed; boundary=abc; boundary=def",
        b"multipart/mixed; boundary=abc; BOUNDARY=abc",
        b"multipart/mixed; boundary*=us-ascii''abc",
        b"multipart/mixed; boundary*0=ab; boundary*1=c",
        b"multipart/mixed; boundary=abc; boundary*0=def",
        b"multipart/mixed; boundary = abc",
        b"multipart/mixed;; boundary=abc",
        b"multipart/mixed boundary=abc",
        b"multipart/mixed, boundary=abc",
        b'multipart/mixed; boundary="=?utf-8?q?abc?="',
        b"=?utf-8?q?multipart/mixed?=; boundary=abc",
        b"multipart/mixed; boundary='abc'",
        b"multipart/mixed; boundary=\xc3\xa4",
        b"multipart; boundary=abc",
        b"multipart/; boundary=abc",
        b"",
        b"multipart/mixed; boundary=" + b"x" * 71,
    ],
)
def test_an_unclear_type_is_refused(value):
    with pytest.raises(Malformed):
        content_type(Header(b"Content-Type: " + value + b"\r\n"))


@pytest.mark.parametrize("encoding", [b"base64", b"quoted-printable", b"x-uuencode", b"7bit base64", b"7bit;"])
def test_an_encoded_multipart_is_refused(encoding):
    with pytest.raises(Malformed):
        content_type(
            Header(b"Content-Type: multipart/mixed; boundary=a\r\nContent-Transfer-Encoding: " + encoding + b"\r\n")
        )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"a@b.org", "a@b.org"),
        (b"<a@b.org>", "a@b.org"),
        (b"Alice <a@b.org>", "a@b.org"),
        (b'"Doe, Alice" <a@b.org>', "a@b.org"),
        (b'"alice@work \\"x\\"" <a@b.org>', "a@b.org"),
        (b"=?utf-8?q?J=C3=B6rg?= <a@b.org>", "a@b.org"),
        ("Jörg <a@b.org>".encode(), "a@b.org"),
        (b"Alice (at work) <a@b.org>", "a@b.org"),
        (b"MAILER-DAEMON@b.org (Mail Delivery System)", "MAILER-DAEMON@b.org"),
        (b"a.b+c_d-e@_b.test", "a.b+c_d-e@_b.test"),
        (b"a@[127.0.0.1]", "a@[127.0.0.1]"),
        (b"<a@[IPv6:::1]>", "a@[IPv6:::1]"),
    ],
)
def test_address(value, expected):
    assert address(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"alice",
        b"<>",
        b"a@b.org, c@d.org",
        b"<a@b.org>, <c@d.org>",
        b"<a@b.org> <c@d.org>",
        b"a@b.org <c@d.org>",
        b"a@b.org c@d.org",
        b"Doe, Alice <a@b.org>",
        b"friends: a@b.org;",
        b'"hidden-recipients": ;',
        b"<@relay.org:a@b.org>",
        b'"a b"@b.org',
        b"a@b@c.org",
        b"<a@b.org",
        b"a@b.org>",
        b"<<a@b.org>>",
        b"a @b.org",
        b".a@b.org",
        b"a..b@b.org",
        b"a@b..org",
        b"a@.org",
        b"a@b.org.",
        b"a@",
        b"@b.org",
        "ä@b.org".encode(),
        "a@ä.org".encode(),
        b'"a <x@y.org>',
        b"(x) (y (z)) <a@b.org>",
        b"a@b.org (x) (y)",
        b"<a@b.org> trailing",
        b"x" * 3000 + b"<a@b.org>",
        b"a" * 400 + b"@b.org",
        b'"' * 1999,
        b"(" * 1999,
        b'"a"' * 600 + b"<",
    ],
)
def test_not_one_clear_address(value):
    assert address(value) is None


def test_blank_lines_at_the_end():
    assert before_blank_lines(b"ab\r\n\r\n") == 2
    assert before_blank_lines(b"ab\n\r\n") == 3
    assert before_blank_lines(b"ab" + b"\r\n" * 9) == 4
    assert before_blank_lines(b"") == 0
