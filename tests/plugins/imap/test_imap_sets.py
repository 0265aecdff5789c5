"""Sequence sets."""

from __future__ import annotations

import pytest
from chatgate_imap.syntax import sets
from chatgate_imap.syntax.answers import Bad
from hypothesis import given
from hypothesis import strategies as st

NUMBER = st.one_of(st.integers(1, 60).map(str), st.just("*"))
SET = st.lists(st.one_of(NUMBER, st.tuples(NUMBER, NUMBER).map(":".join)), min_size=1, max_size=8).map(",".join)


def _meant(text: str, largest: int) -> set[int]:
    found = set()
    for part in text.split(","):
        ends = [largest if end == "*" else int(end) for end in part.split(":")]
        found |= set(range(min(ends), max(ends) + 1))
    return found


@given(st.sets(st.integers(1, 50)), st.integers(0, 51))
def test_place(numbers, number):
    ascending = sorted(numbers)
    assert sets.place(ascending, number) == (ascending.index(number) if number in numbers else None)


def test_ten_thousand_uids_one_by_one(client):
    """Some clients write no ranges. Every second UID, as neighbours would become a range."""
    for _ in range(3):
        client.append(b"x")
    client.do("SELECT INBOX")
    uids = b"1,3," + b",".join(b"%d" % (4_000_000_000 + 2 * n) for n in range(9998))
    assert len(client.do(b"UID FETCH %s (FLAGS)" % uids)) == 2
    assert len(client.do(b"UID STORE %s +FLAGS ($a)" % uids)) == 4
    assert client.do(b"UID SEARCH UID %s" % uids) == [b"* SEARCH 1 3"]
    client.do(b"UID COPY %s Sent" % uids)
    client.do(b"UID EXPUNGE %s" % uids)
    client.do(b"UID MOVE %s Sent" % uids)
    assert client.do("STATUS Sent (MESSAGES)") == [b'* STATUS "Sent" (MESSAGES 4)']


@given(SET, st.sets(st.integers(1, 60), min_size=1))
def test_by_uid(text, uids):
    ordered = sorted(uids)
    expected = [at for at, uid in enumerate(ordered) if uid in _meant(text, ordered[-1])]
    assert list(sets.by_uid(sets.parse(text.encode()), ordered)) == expected


@given(SET, st.integers(1, 60))
def test_by_number(text, count):
    ranges = sets.parse(text.encode())
    meant = _meant(text, count)
    if max(meant) > count:
        with pytest.raises(Bad):
            sets.by_number(ranges, count)
    else:
        assert list(sets.by_number(ranges, count)) == [number - 1 for number in sorted(meant)]


@given(SET, st.integers(1, 60), st.integers(1, 70))
def test_holds(text, largest, number):
    assert sets.holds(sets.ordered(sets.parse(text.encode()), largest), number) == (number in _meant(text, largest))


@given(st.sets(st.integers(1, 200), min_size=1))
def test_compact_says_the_same(numbers):
    assert _meant(sets.compact(numbers).decode(), 0) == numbers


def test_compact():
    assert sets.compact([7, 1, 2, 3, 3]) == b"1:3,7"
    assert sets.compact([]) == b""


def test_an_empty_mailbox():
    """Delta Chat asks 5:504 of an empty box; there `*` is nobody."""
    for text in (b"5:504", b"1:*", b"*"):
        assert not sets.by_uid(sets.parse(text), [])
        with pytest.raises(Bad):
            sets.by_number(sets.parse(text), 0)


def test_beyond_the_last_uid_only_the_star_means_the_last():
    assert not sets.by_uid(sets.parse(b"5:504"), [1, 4])
    assert list(sets.by_uid(sets.parse(b"5:*"), [1, 4])) == [1]
    assert list(sets.by_uid(sets.parse(b"*:5"), [1, 4])) == [1]


def test_a_huge_range_is_no_work():
    assert list(sets.by_uid(sets.parse(b"1:4294967295"), [3, 9])) == [0, 1]


@pytest.mark.parametrize(
    "text", [b"", b"0", b"1:", b":1", b"1,,2", b"a", b"1 2", b"-1", b"4294967296", b"1:2:3", b"**"]
)
def test_refused(text):
    with pytest.raises(Bad):
        sets.parse(text)


def test_too_many_ranges():
    with pytest.raises(Bad):
        sets.parse(b",".join([b"1"] * (sets.MAX_RANGES + 1)))


@given(st.binary(max_size=30))
def test_any_octets_parse_or_are_refused(octets):
    try:
        sets.ordered(sets.parse(octets), 10)
    except Bad:
        pass
