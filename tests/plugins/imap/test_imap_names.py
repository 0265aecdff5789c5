"""Mailbox names: modified UTF-7, INBOX, LIST patterns."""

from __future__ import annotations

import re

import pytest
from chatgate_imap.syntax import mailbox_names
from chatgate_imap.syntax.answers import No
from hypothesis import given
from hypothesis import strategies as st

from chatgate.api import mailbox_name
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
    assert mailbox_names.decode(wire) == text
    assert mailbox_names.encode(text) == wire


@pytest.mark.parametrize(
    "wire", [b"&", b"&AOQ", b"&AOQA5A", b"&AGE-", b"&AOQ=-", b"&AO/-", b"\xc3\xa4", b"&2D0-", b"a&b"]
)
def test_not_modified_utf7(wire):
    with pytest.raises(ValueError):
        mailbox_names.decode(wire)
    with pytest.raises(No):
        mailbox_names.parse(wire)


@given(TEXT)
def test_round_trip(text):
    assert mailbox_names.decode(mailbox_names.encode(text)) == text
    assert re.fullmatch(rb"[\x20-\x7e]*", mailbox_names.encode(text))


@given(st.binary(max_size=40))
def test_any_octets_decode_or_are_refused(octets):
    try:
        text = mailbox_names.decode(octets)
    except ValueError:
        return
    assert mailbox_names.encode(text) == octets


@pytest.mark.parametrize(
    "given_,kept",
    [("inbox", "INBOX"), ("iNbOx/a", "INBOX/a"), ("inboxes", "inboxes"), ("a/inbox", "a/inbox"), ("INBOX", "INBOX")],
)
def test_inbox_has_no_case(given_, kept):
    assert mailbox_name(given_) == kept


@pytest.mark.parametrize("name", ["", "/", "a//b", "/a", "x" * 256, "/".join("a" * 20), "a*", "a%", "a\x7f"])
def test_not_fit_to_be_made(name):
    with pytest.raises(No):
        mailbox_names.for_creation(name)


def test_parents():
    assert mailbox_names.parents("a/b/c") == ["a", "a/b"]
    assert mailbox_names.parents("a") == []


def _by_regex(pattern: str, name: str) -> bool:
    parts = {"*": ".*", "%": "[^/]*"}
    return re.fullmatch("".join(parts.get(c) or re.escape(c) for c in pattern), name, re.S) is not None


@given(st.text("ab/*%", max_size=8), st.text("ab/", max_size=10))
def test_patterns_match_as_regular_expressions_would(pattern, name):
    assert mailbox_names.Pattern(pattern).matches(name) == _by_regex(pattern, name)


def test_patterns_and_inbox():
    assert mailbox_names.Pattern("in%").matches("INBOX")
    assert mailbox_names.Pattern("inbox").matches("INBOX")
    assert not mailbox_names.Pattern("in%").matches("INSIDE")
    assert not mailbox_names.Pattern("work").matches("WORK")


def test_a_hostile_pattern_takes_time_in_proportion():
    """To its length; a search that tries all ways would not end at all."""

    def matches(pattern):
        assert not mailbox_names.Pattern(pattern.decode() + "b").matches("a" * 250)

    assert not steep(matches, lambda times: b"a*" * 100 * times)
