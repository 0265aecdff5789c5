"""QRESYNC (RFC 7162 §3.2), RECENT after EXPUNGE, and mailboxes too large for one look."""

from __future__ import annotations

import re

import pytest
from chatgate_imap.session.contents import Messages
from chatgate_imap.session.recent import Own
from chatgate_imap.syntax import sets
from hypothesis import given
from hypothesis import strategies as st

from chatgate.api import Delivery, Message


def _state(client) -> tuple[int, int]:
    """UIDVALIDITY and HIGHESTMODSEQ as SELECT tells them."""
    text = b" ".join(client.do("SELECT INBOX"))
    return int(re.search(rb"UIDVALIDITY (\d+)", text)[1]), int(re.search(rb"HIGHESTMODSEQ (\d+)", text)[1])


@pytest.fixture
def two(stage):
    """One client that has seen six messages and gone away; meanwhile 2, 3 and 5 went, 4 was flagged, 7 came."""
    one, other = stage["1"], stage["2"]
    for number in range(6):
        one.append(b"Subject: %d\r\n\r\n" % number)
    state = _state(one)
    one.do("UNSELECT")
    other.do("SELECT INBOX")
    other.do(r"UID STORE 2,3,5 +FLAGS.SILENT (\Deleted)")
    other.do("EXPUNGE")
    other.do(r"UID STORE 4 +FLAGS.SILENT (\Flagged)")
    other.append(b"Subject: 7\r\n\r\n")
    return one, other, *state


def _told(lines: list[bytes]) -> list[bytes]:
    return [re.sub(rb"MODSEQ \(\d+\)", b"MODSEQ", line) for line in lines if b"FETCH" in line or b"VANISHED" in line]


def test_select_tells_what_happened(two):
    one, _, validity, modseq = two
    assert one.fails(f"SELECT INBOX (QRESYNC ({validity} {modseq}))").startswith(b"BAD")
    assert one.do("ENABLE QRESYNC UTF-16") == [b"* ENABLED QRESYNC"]
    gone = b"* VANISHED (EARLIER) 2:3,5"
    changed = rb"* 2 FETCH (UID 4 FLAGS (\Flagged) MODSEQ)"
    new = rb"* 4 FETCH (UID 7 FLAGS () MODSEQ)"
    assert _told(one.do(f"SELECT INBOX (QRESYNC ({validity} {modseq}))")) == [gone, changed, new]
    # By the UIDs that the client knows
    assert _told(one.do(f"SELECT INBOX (QRESYNC ({validity} {modseq} 1:3,6))")) == [b"* VANISHED (EARLIER) 2:3"]
    assert _told(one.do(f"SELECT INBOX (QRESYNC ({validity} {modseq} 1:7 (1:2 1,2)))")) == [gone, changed, new]
    assert _told(one.do(f"EXAMINE INBOX (CONDSTORE QRESYNC ({validity} {modseq} (1,3 1,3)))")) == [gone, changed, new]
    # Another mailbox, or long ago
    assert _told(one.do(f"SELECT INBOX (QRESYNC ({validity + 1} {modseq}))")) == []
    assert _told(one.do(f"SELECT INBOX (QRESYNC ({validity} 1))"))[0] == gone
    assert len(_told(one.do(f"SELECT INBOX (QRESYNC ({validity} 1 1:2,4))"))) == 3
    for wrong in (
        "1",
        "(1)",
        "(1 1 *)",
        "(1 1 1:* )",
        "(1 1 1 1)",
        "(1 1 1 (1))",
        "(1 1 1 (1 1)",
        "(x 1)",
    ):
        assert one.fails(f"SELECT INBOX (QRESYNC {wrong})").startswith(b"BAD"), wrong


def test_closed(client):
    assert b"* OK [CLOSED]" not in b" ".join(client.do("SELECT INBOX"))
    assert client.do("SELECT Sent")[0].startswith(b"* OK [CLOSED]")
    client.fails("SELECT Nowhere")
    assert client.lines[0].startswith(b"* OK [CLOSED]")
    assert b"[CLOSED]" not in b" ".join(client.do("EXAMINE INBOX"))


def test_uid_fetch_vanished(two):
    one, _, _, modseq = two
    one.do("ENABLE QRESYNC")
    one.do("SELECT INBOX")
    lines = one.do(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq} VANISHED)")
    assert lines[0] == b"* VANISHED (EARLIER) 2:3,5" and len(lines) == 3
    assert one.do(f"UID FETCH 3:4 (UID) (VANISHED CHANGEDSINCE {modseq})")[0] == b"* VANISHED (EARLIER) 3"
    for wrong in ("FETCH 1 (UID) (CHANGEDSINCE 1 VANISHED)", "UID FETCH 1 (UID) (VANISHED)", "UID FETCH 1 UID (X)"):
        assert one.fails(wrong).startswith(b"BAD")


def test_vanished_instead_of_expunge(stage):
    stage.play("""
        1> APPEND INBOX {{Subject: one||1}}
        1> APPEND INBOX {{Subject: two||2}}
        1> APPEND INBOX {{Subject: three||3}}
        1> APPEND INBOX {{Subject: four||4}}
        1> SELECT INBOX
        2> ENABLE QRESYNC
        2> SELECT INBOX
        2> IDLE
        2< * 4 EXISTS
        1> STORE 1:2 +FLAGS.SILENT (\\Deleted)
        1> EXPUNGE
        1< * 2 EXPUNGE
        1< * 1 EXPUNGE
        2< * VANISHED 1:2
        2> DONE
        2! * 1 EXPUNGE
        2> UID STORE 3 +FLAGS (\\Deleted)
        2> UID EXPUNGE 3
        2< * VANISHED 3
        2< OK [HIGHESTMODSEQ
        2> UID MOVE 4 Sent
        2< * VANISHED 4
        2> EXPUNGE
        2< OK Expunge
    """)


def test_what_comes_and_goes_between_two_looks(stage):
    stage.play("""
        1> APPEND INBOX {{Subject: one||1}}
        1> SELECT INBOX
        2> SELECT INBOX
        2> APPEND INBOX {{Subject: two||2}}
        2> APPEND INBOX {{Subject: three||3}}
        2> STORE 1:2 +FLAGS (\\Deleted)
        2> EXPUNGE
        1> FETCH 1 (UID)
        1< * 1 FETCH (UID 1)
        1< * 2 EXISTS
        1> NOOP
        1< * 1 EXPUNGE
        1> FETCH 1:* (UID)
        1< * 1 FETCH (UID 3)
        1! * 2
    """)


def test_recent_is_told_again_when_it_shrinks(stage):
    stage.play("""
        1> APPEND INBOX (\\Deleted) {{Subject: one||1}}
        1> APPEND INBOX {{Subject: two||2}}
        1> SELECT INBOX
        1< * 2 RECENT
        1> EXPUNGE
        1< * 1 EXPUNGE
        1< * 1 RECENT
        2> APPEND INBOX {{Subject: three||3}}
        1> STORE 1 +FLAGS.SILENT (\\Deleted)
        1> EXPUNGE
        1< * 1 EXPUNGE
        1> FETCH 1 (UID FLAGS)
        1< * 1 FETCH (UID 3 FLAGS (\\Recent))
        2> SELECT INBOX
        2< * 0 RECENT
    """)


def test_a_large_mailbox_is_read_in_turns(imap_gateway, stage):
    """More messages than one look at the database brings; what is gone is told as it should be."""
    store = imap_gateway.store
    client = stage["1"]
    account = store.account(stage.login[0])
    box = store.mailbox(account.id, "INBOX").id
    store.store(b"x", [Delivery("", box, account.id)] * 2500)
    assert b"* 2500 EXISTS" in client.do("SELECT INBOX")
    assert client.do("UID FETCH 2500 (UID)") == [b"* 2500 FETCH (UID 2500)"]
    client.do("STORE 1:2499 +FLAGS.SILENT ($x)")
    (line,) = client.do("UID SEARCH KEYWORD $x")
    assert line.count(b" ") == 2500
    store.expunge(box, range(1, 2500, 2), only_deleted=False)
    lines = client.do("NOOP")
    assert len(lines) == 1251 and lines[0] == b"* 2499 EXPUNGE" and lines[-1] == b"* 1250 RECENT"
    assert client.do("FETCH 1250 (UID)") == [b"* 1250 FETCH (UID 2500)"]


# ---------------------------------------------------------------------------------------------- the parts

UIDS = st.lists(st.integers(1, 50), unique=True).map(sorted)


@given(UIDS, UIDS)
def test_ranges(one, other):
    def numbers(ranges):
        return [n for first, last in ranges for n in range(first, last + 1)]

    assert numbers(sets.spans(one)) == one
    assert numbers(sets.gaps(one, 51)) == [n for n in range(1, 51) if n not in one]
    assert numbers(sets.common(sets.spans(one), sets.spans(other))) == sorted(set(one) & set(other))
    assert sets.compact(reversed(one)) == sets.text(sets.spans(one))


@given(st.lists(st.integers(1, 200), min_size=1, unique=True).map(sorted), st.data())
def test_messages_are_as_a_list_of_them(uids, data):
    records = [Message(uid, uid * 2, frozenset([f"f{uid % 3}"]), uid * 10**9, -uid) for uid in uids]
    messages = Messages()
    messages.extend(records[:3])
    messages.extend(records[3:])
    assert list(messages) == records and messages[len(uids) - 1] == records[-1]
    assert [messages.position(uid) for uid in range(201)] == [uids.index(n) if n in uids else None for n in range(201)]
    gone = data.draw(st.sets(st.integers(0, len(uids) - 1)))
    messages.remove(sorted(gone, reverse=True))
    assert list(messages) == [record for at, record in enumerate(records) if at not in gone]


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), max_size=8))
def test_own_recents(claims):
    own, expected, highest = Own(), set(), 0
    for first, end in claims:
        expected |= {uid for uid in range(first, end) if uid > highest}
        own.add(first, end)
        highest = max([highest, *expected])
    assert {uid for uid in range(70) if uid in own} == expected
    assert own.count(range(1, 70)) == len(expected) and own.count([]) == 0


def test_own_recents_are_not_more_and_more_ranges():
    """Two sessions that take turns in hearing of what comes."""
    own = Own()
    for uid in range(1, 10_000, 2):
        own.add(uid, uid + 1)
    assert own.count(range(1, 10_000)) == 200 and 9999 in own and 1 not in own


def test_close_tells_no_modseq(two):
    """RFC 7162 §3.2.8: with one the client would believe it knew what others changed meanwhile."""
    one, *_ = two
    one.do("ENABLE QRESYNC")
    one.do("SELECT INBOX")
    one.do(r"STORE 1 +FLAGS.SILENT (\Deleted)")
    one.start("CLOSE")
    assert one.finish() == b"OK Close completed." and one.lines == [b"OK Close completed."]
