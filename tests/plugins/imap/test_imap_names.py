"""Mailbox names: modified UTF-7, INBOX, LIST patterns."""

from __future__ import annotations

import re

import pytest
from chatgate_imap import names
from chatgate_imap.answers import No
from hypothesis import given
from hypothesis import strategies as st

from tests.growth.growing import steep

TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=40)


@pytest.mark.parametrize(
    "wire,text",
    [
        (b"INBOX", "INBOX"),
        (b"p&AOQA5A-", "pää"),
        (b"&-", "&"),
        (b"a&-b", "a&b"),
        # RFC 3501 §5.1.3
        (b"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),
        (b"&2D3eAA-", "😀"),
    ],
)
def test_examples(wire, text):
    assert names.decode(wire) == text
    assert names.encode(text) == wire


@pytest.mark.parametrize(
    "wire", [b"&", b"&AOQ", b"&AOQA5A", b"&AGE-", b"&AOQ=-", b"&AO/-", b"\xc3\xa4", b"&2D0-", b"a&b"]
)
def test_not_modified_utf7(wire):
    with pytest.raises(ValueError):
        names.decode(wire)
    with pytest.raises(No):
        names.parse(wire)


@given(TEXT)
def test_round_trip(text):
    assert names.decode(names.encode(text)) == text
    assert re.fullmatch(rb"[\x20-\x7e]*", names.encode(text))


@given(st.binary(max_size=40))
def test_any_octets_decode_or_are_refused(octets):
    try:
        text = names.decode(octets)
    except ValueError:
        return
    assert names.encode(text) == octets


@pytest.mark.parametrize(
    "given_,kept",
    [("inbox", "INBOX"), ("iNbOx/a", "INBOX/a"), ("inboxes", "inboxes"), ("a/inbox", "a/inbox"), ("INBOX", "INBOX")],
)
def test_inbox_has_no_case(given_, kept):
    assert names.canonical(given_) == kept


@pytest.mark.parametrize("name", ["", "/", "a//b", "/a", "x" * 256, "/".join("a" * 20), "a*", "a%", "a\x7f"])
def test_not_fit_to_be_made(name):
    with pytest.raises(No):
        names.for_creation(name)


def test_parents():
    assert names.parents("a/b/c") == ["a", "a/b"]
    assert names.parents("a") == []


def _by_regex(pattern: str, name: str) -> bool:
    parts = {"*": ".*", "%": "[^/]*"}
    return re.fullmatch("".join(parts.get(c) or re.escape(c) for c in pattern), name, re.S) is not None


@given(st.text("ab/*%", max_size=8), st.text("ab/", max_size=10))
def test_patterns_match_as_regular_expressions_would(pattern, name):
    assert names.Pattern(pattern).matches(name) == _by_regex(pattern, name)


def test_patterns_and_inbox():
    assert names.Pattern("in%").matches("INBOX")
    assert names.Pattern("inbox").matches("INBOX")
    assert not names.Pattern("in%").matches("INSIDE")
    assert not names.Pattern("work").matches("WORK")


def test_a_hostile_pattern_takes_time_in_proportion():
    """To its length; a search that tries all ways would not end at all."""

    def matches(pattern):
        assert not names.Pattern(pattern.decode() + "b").matches("a" * 250)

    assert not steep(matches, lambda times: b"a*" * 100 * times)
