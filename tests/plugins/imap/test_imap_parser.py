"""Tokens, FETCH items and SEARCH keys: what the grammar allows is read, anything else is BAD, nothing else happens."""

from __future__ import annotations

import calendar
import email.utils

import pytest
from chatgate_imap.queries import items, keys
from chatgate_imap.syntax.answers import Bad, No
from chatgate_imap.syntax.parser import Parser
from hypothesis import given
from hypothesis import strategies as st

CONTEXT = keys.Context(10, 20)


@pytest.mark.parametrize(
    "parts,value",
    [
        ([b"atom]x"], b"atom]x"),
        ([b'"quoted \\"x\\\\"'], b'quoted "x\\'),
        ([b'""'], b""),
        ([b"{3}", b'a"\r', b""], b'a"\r'),
        ([b"{0+}", b"", b""], b""),
    ],
)
def test_astring(parts, value):
    parser = Parser(parts)
    assert parser.astring() == value
    parser.end()


@pytest.mark.parametrize(
    "line", [b"", b" ", b'"open', b'"a\\b"', b"(", b"{3}", b"{3", b"a b", b"\xe4", b'"\x00"', b"a\x7f"]
)
def test_no_astring(line):
    parser = Parser([line])
    with pytest.raises(Bad):
        parser.astring()
        parser.end()


def test_flags():
    assert Parser([rb"(\Seen \DELETED $Label1 NIL)"]).flags() == {"\\Seen", "\\Deleted", "$Label1", "NIL"}
    assert Parser([rb"\Seen x"]).flags() == {"\\Seen", "x"}
    assert Parser([b"()"]).flags() == frozenset()
    for line in (rb"(\Recent)", rb"(\Odd)", b"(", b"(a", b"(a  b)", b"(a )", b"x" * 65, b"(%)"):
        with pytest.raises(Bad):
            Parser([line]).flags()


@given(st.integers(-60 * 60 * 24 * 365, 2**32), st.integers(-14 * 4, 14 * 4))
def test_date_time(seconds, quarters):
    zone = quarters * 15 * 60
    when = email.utils.datetime.datetime.fromtimestamp(seconds + zone, email.utils.datetime.timezone.utc)
    sign, rest = ("-", -quarters) if quarters < 0 else ("+", quarters)
    text = f'"{when.day:2d}-{when:%b-%Y %H:%M:%S} {sign}{rest // 4:02d}{rest % 4 * 15:02d}"'
    assert Parser([text.encode()]).date_time() == seconds


@pytest.mark.parametrize(
    "text",
    [b'"31-Feb-2020 00:00:00 +0000"', b'" 1-Foo-2020 00:00:00 +0000"', b'" 1-Jan-2020 24:00:00 +0000"', b"1-Jan-2020"],
)
def test_no_date_time(text):
    with pytest.raises(Bad):
        Parser([text]).date_time()


def test_date():
    assert Parser([b"1-Feb-1994"]).date() == calendar.timegm((1994, 2, 1, 0, 0, 0))
    assert Parser([b'"01-feb-1994"']).date() == calendar.timegm((1994, 2, 1, 0, 0, 0))
    for text in (b"0-Feb-1994", b"30-Feb-1994", b"1-Feb-94", b"1-Feb-0000", b"1 Feb 1994"):
        with pytest.raises(Bad):
            Parser([text]).date()


@pytest.mark.parametrize(
    "written",
    [
        b"ALL",
        b"fast",
        b"FULL",
        b"UID",
        b"(uid flags internaldate rfc822.size envelope body bodystructure rfc822 rfc822.header rfc822.text modseq)",
        b"BODY[]",
        b"body.peek[]<0.10>",
        b"BODY[1.2.3.MIME]",
        b"BODY[HEADER.FIELDS (A b)]",
        b'BODY[1.HEADER.FIELDS.NOT ("A")]<5.1>',
        b"(BODY[TEXT] BODY[1] BODY[HEADER])",
    ],
)
def test_fetch_items(written):
    parser = Parser([written])
    assert items.parse(parser).items
    parser.end()


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"()",
        b"(ALL)",
        b"FOO",
        b"(UID",
        b"(UID  FLAGS)",
        b"BODY[",
        b"BODY[]<0>",
        b"BODY[]<0.0>",
        b"BODY[MIME]",
        b"BODY[0]",
        b"BODY[1.]",
        b"BODY[1.0]",
        b"BODY[.1]",
        b"BODY[HEADER.FIELDS]",
        b"BODY[HEADER.FIELDS ()]",
        b'BODY[HEADER.FIELDS ("a b")]',
        b"BODY[HEADERS]",
        b"BODY[] FLAGS",
        b"BODY.PEEK",
        b"BODY[" + b"1." * 100 + b"1]",
        b"(" + b" ".join(b"BODY[%d]" % n for n in range(1, 102)) + b")",
    ],
)
def test_no_fetch_items(written):
    with pytest.raises(Bad):
        items.cached(written)


@pytest.mark.parametrize(
    "program",
    [
        b"ALL",
        b"1:5,* UID 1:* SEEN",
        b'CHARSET utf-8 SUBJECT "caf\xc3\xa9"',
        b"OR (SEEN DELETED) NOT NOT FLAGGED",
        b"SINCE 1-Jan-2020 BEFORE 2-Jan-2020 ON 1-Jan-2020",
        b"SENTSINCE 1-Jan-2020 SENTBEFORE 1-Jan-2020 SENTON 1-Jan-2020",
        b'FROM a TO b CC c BCC d SUBJECT e BODY f TEXT g HEADER h ""',
        b"KEYWORD a UNKEYWORD b LARGER 1 SMALLER 2 NEW OLD RECENT",
        b"ANSWERED DELETED DRAFT FLAGGED SEEN UNANSWERED UNDELETED UNDRAFT UNFLAGGED UNSEEN",
        b'MODSEQ 5 MODSEQ "/flags/\\\\draft" all 5',
    ],
)
def test_search_keys(program):
    keys.parse(Parser([program]), CONTEXT)


@pytest.mark.parametrize(
    "program",
    [
        b"",
        b"FOO",
        b"OR SEEN",
        b"NOT",
        b"(SEEN",
        b"SEEN)",
        b"()",
        b"SUBJECT",
        b"LARGER x",
        b"UID x",
        b"ON 99-Jan-2020",
        b"KEYWORD \\Seen x",
        b"SEEN  DELETED",
        b"NOT " * 100 + b"SEEN",
        b"(" * 100 + b"SEEN" + b")" * 100,
        b" ".join([b"SEEN"] * 600),
    ],
)
def test_no_search_keys(program):
    with pytest.raises(Bad):
        keys.parse(Parser([program]), CONTEXT)


def test_unknown_charset():
    with pytest.raises(No) as refusal:
        keys.parse(Parser([b"CHARSET KOI8-R ALL"]), CONTEXT)
    assert refusal.value.code == "BADCHARSET (US-ASCII UTF-8)"


WORDS = st.sampled_from(
    b'( ) { } {3} {3+} " \\ [ ] < > . , : * % UID FLAGS BODY BODY[ HEADER.FIELDS SEEN NOT OR SUBJECT'.split()
    + b"MODSEQ \\Seen 1 1:2 NIL".split()
)
LINE = st.lists(st.one_of(WORDS, st.just(b" "), st.binary(max_size=3)), max_size=15).map(b"".join)


@given(LINE, st.sampled_from(["fetch", "search", "flags", "astrings", "date_time", "date", "string", "list_mailbox"]))
def test_any_line_is_read_or_bad(line, what):
    parser = Parser([line, b"abc", b" " + line])
    try:
        if what == "fetch":
            items.parse(parser)
        elif what == "search":
            keys.parse(parser, CONTEXT)
        else:
            getattr(parser, what)()
        parser.end()
    except (Bad, No):
        pass
