"""Tag lists, signatures, records, and who is the author: what is read and what is refused."""

import re

import pytest
from chatgate_dkim import record, signature, tags, verifying
from chatgate_dkim.message import Message
from chatgate_dkim.tags import Malformed
from chatgate_gate import mime
from hypothesis import given
from hypothesis import strategies as st

from tests.plugins.dkim.sample import ED25519, RSA, rsa_key, signed

FIELD = (
    b"DKIM-Signature: v=1; a=rsa-sha256; d=Example.NET; s=sel; t=1000; x=2000; h=From : to:\r\n\tsubject;"
    b" i=a@sub.example.net; c=relaxed; q=dns/txt; z=a|b; bh=YWJj; b=ZGV\r\n mZw==;\r\n"
)


def test_a_tag_list():
    assert tags.tags(b" a = 1 ;\r\n\tb=x y=z;c=;") == {"a": b"1", "b": b"x y=z", "c": b""}
    assert tags.tags(b"") == {}


@pytest.mark.parametrize(
    "text",
    [
        b"a",
        b"a=1;;b=2",
        b"=1",
        b"1a=1",
        b"a b=1",
        b"a=1\nb=2",
        b"a=\x01",
        b"a=1; a=2",
        b"a=1;" * 51,
        b"a=" + b"x" * 20_000,
    ],
)
def test_what_is_no_tag_list(text):
    with pytest.raises(Malformed):
        tags.tags(text)


@given(st.binary(max_size=60) | st.text("ab=;: \t\r\n\xe4", max_size=60).map(str.encode))
def test_any_octets_are_a_tag_list_or_malformed(text):
    try:
        found = tags.tags(text)
    except Malformed:
        return
    assert tags.tags(b";".join(b"%b=%b" % (name.encode(), value) for name, value in found.items())) == found


def test_a_signature():
    claim = signature.parse(FIELD)
    assert (claim.kind, claim.domain, claim.record) == ("rsa", "example.net", "sel._domainkey.example.net")
    assert (claim.identity, claim.header, claim.body) == ("sub.example.net", "relaxed", "simple")
    assert claim.names == (b"from", b"to", b"subject") and claim.value == b"defg" and claim.body_hash == b"abc"
    assert not claim.stale(1500, 0) and not claim.stale(900, 100) and not claim.stale(2100, 100)
    assert "expired" in claim.stale(2101, 100) and "future" in claim.stale(899, 100)
    assert signature.parse(FIELD, signature.read(FIELD)) == claim


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b"v=1", b"v=2", "version"),
        (b"v=1; ", b"", "no v="),
        (b"rsa-sha256", b"rsa-sha1", "rsa-sha1 is not accepted"),
        (b"rsa-sha256", b"rsa-md5", "algorithm"),
        (b"z=a|b", b"l=10", "part of the body"),
        (b"q=dns/txt", b"q=http", "not in the DNS"),
        (b"i=a@sub.example.net", b"i=a@example.com", "i="),
        (b"i=a@sub.example.net", b"i=a@badexample.net", "i="),
        (b"d=Example.NET", b"d=exa mple.net", "d= or s="),
        (b"d=Example.NET", b"d=[192.0.2.1]", "d= or s="),
        (b"s=sel", b"s=" + b"a." * 120 + b"a", "d= or s="),
        (b"s=sel", b"s=*", "d= or s="),
        (b"c=relaxed", b"c=nowsp", "canonicalization"),
        (b"c=relaxed", b"c=relaxed/simple/simple", "canonicalization"),
        (b"From : ", b"", "From"),
        (b"From :", b"From ::", "h="),
        (b"From :", b"From :" + b"a:" * 300, "h="),
        (b"x=2000", b"x=1000", "expires"),
        (b"x=2000", b"x=-1", "x= is no number"),
        (b"t=1000", b"t=1000000000000000", "t= is no number"),
        (b"bh=YWJj", b"bh=YWJ", "bh= is not base64"),
        (b"bh=YWJj", b"bh=", "no bh="),
        (b"b=ZGV", b"b=Z*V", "b= is not base64"),
        (b"z=a", b"a=a", "a= twice"),
    ],
)
def test_a_signature_that_is_not_accepted(old, new, why):
    assert old in FIELD
    with pytest.raises(Malformed, match=re.escape(why)):
        signature.parse(FIELD.replace(old, new, 1))


def test_the_signature_itself_is_left_out_of_what_it_signs():
    bare = b"DKIM-Signature: bh=b=;\r\n b =;\tx=b=1"
    assert signature.unsigned(b"DKIM-Signature: bh=b=;\r\n b = a\r\n b=c ;\tx=b=1\r\n") == bare


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (b"Example.NET", "example.net"),
        (b"_test.example", "_test.example"),
        ("bücher.example".encode(), "xn--bcher-kva.example"),
        (b"XN--bcher-kva.example", "xn--bcher-kva.example"),
        (b"example..net", None),
        (b"example.net.", None),
        (b".", None),
        (b"", None),
        (b"\xff.example", None),
        ("ä".encode() * 5000, None),
    ],
)
def test_international_names_have_one_spelling(written, name):
    assert tags.domain(written) == name


SPKI = RSA.text.partition(b"p=")[2]


@pytest.mark.parametrize(
    "text",
    [
        RSA.text,
        b"p=" + SPKI,
        b"v=DKIM1;k=rsa;p=" + SPKI + b";s=email;t=s",
        b"v=DKIM1; h=sha1:sha256; s=*; n=any thing; t=y; p=" + SPKI,
        # As people paste it: the strings of a zone file, and lines.
        b'"v=DKIM1; k=rsa; p=' + SPKI[:100] + b'" "' + SPKI[100:] + b'"',
        b"v=DKIM1;\r\n k=rsa; p=" + SPKI[:60] + b"\n  " + SPKI[60:],
    ],
)
def test_a_record(text):
    key = record.parse(text)
    assert (key.kind, key.bits, key.strict) == ("rsa", 1024, b"t=s" in text)
    assert record.parse(ED25519.text).kind == "ed25519"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"hello", "list of tags"),
        (b"v=spf1 a ~all", "version"),
        (b"v=DKIM2; p=" + SPKI, "version"),
        (b"p=" + SPKI + b"; v=DKIM1", "version"),
        (b"v=DKIM1", "no key"),
        (b"v=DKIM1; p=", "revoked"),
        (b"v=DKIM1; h=sha1; p=" + SPKI, "SHA-256"),
        (b"v=DKIM1; s=tlsrpt; p=" + SPKI, "not for mail"),
        (b"v=DKIM1; k=dsa; p=" + SPKI, "unknown kind"),
        (b"v=DKIM1; k=ed25519; p=" + SPKI, "damaged"),
        (b"v=DKIM1; p=" + SPKI[:-8], "damaged"),
        (b"v=DKIM1; p=@@@@", "damaged"),
        (b"v=DKIM1; p=" + SPKI + b"; n=" + b"x" * 5000, "too long"),
    ],
)
def test_a_record_without_a_key_for_this(text, why):
    with pytest.raises(Malformed, match=why):
        record.parse(text)


@given(
    st.binary(max_size=80)
    | st.lists(st.sampled_from([b"v=DKIM1", b";", b"p=", b"k=ed25519", b"QUJD", b'"'])).map(b"".join)
)
def test_any_octets_are_a_record_or_malformed(text):
    try:
        record.parse(text)
    except Malformed:
        pass


def test_keys_that_do_not_fit_the_signature():
    claim = signature.parse(FIELD)
    assert "weak" in verifying.key_problem(record.parse(rsa_key(1024).text), claim, 2048)
    assert "sub-domain" in verifying.key_problem(record.parse(RSA.text + b"; t=y:s"), claim, 1024)
    assert "another kind" in verifying.key_problem(record.parse(ED25519.text), claim, 1024)
    assert not verifying.key_problem(record.parse(RSA.text), claim, 1024)


@pytest.mark.parametrize(
    ("header", "author"),
    [
        (b"From: a@Example.NET\r\n", "example.net"),
        (b'from : "x@evil.example" (a)\r\n <a.b@example.net> (note)\r\n', "example.net"),
        ("From: <a@bücher.example>\r\n".encode(), "xn--bcher-kva.example"),
        (b"From: a@[IPv6:2001:DB8::1]\r\n", "[ipv6:2001:db8::1]"),
        (b"From: a@192.0.2.1\r\n", "192.0.2.1"),
        (b"From: a@example.net, b@example.net\r\n", None),
        (b"From: x@evil.example <a@example.net>\r\n", None),
        (b"From: <a@example.net> <b@example.net>\r\n", None),
        (b"From: group: a@example.net;\r\n", None),
        (b'From: "a"@example.net\r\n', None),
        (b"From: <@evil.example:a@example.net>\r\n", None),
        (b"From: a@example.net\r\nFROM: a@example.net\r\n", None),
        (b"To: a@example.net\r\n", None),
        (b"From: nobody\r\n", None),
        (b"From: " + b"x" * 3000 + b" <a@example.net>\r\n", None),
    ],
)
def test_the_author(header, author):
    assert Message(header + b"\r\n").author == author


PARTS = [
    b"a@b.example",
    b"<a@b.example>",
    b"<",
    b">",
    b"@",
    b'"',
    b"(",
    b")",
    b"x",
    b",",
    b":",
    b";",
    b" ",
    b"\\",
    b"=?q?=",
]


@given(st.lists(st.sampled_from(PARTS), max_size=7).map(b"".join))
def test_the_gate_and_dkim_read_the_same_author(value):
    """If they did not, a signature of one domain could admit a message that shows another."""
    here, gate = Message(b"From: " + value + b"\r\n\r\n").author, mime.address(value.strip(b" \t"))
    assert here == (gate and gate.rpartition("@")[2])


@pytest.mark.parametrize(
    "content",
    [
        b"From: <a@b.example>\r\n",
        b"From: <a@b.example>\r\nno field\r\n\r\n",
        b" From: <a@b.example>\r\n\r\n",
        b"From: <a@b.example>\nTo: x\r\n\r\n",
        b"From: <a@b.example>\r\nTo: x\ry\r\n\r\n",
        b": x\r\n\r\n",
        b"\r\n",
        b"From: <a@b.example>\r\n" + b"X: y\r\n" * 3000 + b"\r\n",
        b"From: <a@b.example>\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_message(content):
    with pytest.raises(Malformed, match="Malformed"):
        Message(content)


@given(st.binary(max_size=200))
def test_any_octets_are_a_message_or_malformed(content):
    for data in (content, b"From: <a@example.net>\r\n" + content):
        try:
            message = Message(data)
            _ = message.author
            message.body_hash("relaxed")
        except Malformed:
            pass


def test_verify_says_what_is_wrong():
    made = signed()
    claim = signature.parse(Message(made).fields[0][1])
    assert verifying.verify(Message(made), claim, RSA.text) == ""
    assert verifying.verify(Message(made + b"x\r\n"), claim, RSA.text) == "the body was changed"
    assert verifying.verify(Message(made.replace(b"[...]", b"[x]")), claim, RSA.text) == "the signature does not match"
    assert verifying.verify(Message(made), claim, b"v=DKIM1; p=").startswith("says that the key is revoked")
