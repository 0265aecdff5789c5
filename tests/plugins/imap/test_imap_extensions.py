"""CONDSTORE, QUOTA, METADATA."""

from __future__ import annotations

import re
import time

import pytest
from imap_trace import Client, Plugin

from chatgate.api import Reply, hookimpl

# ---------------------------------------------------------------------------------------------- condstore


def _modseq(line: bytes) -> int:
    return int(re.search(rb"(?:MODSEQ |MODSEQ \()(\d+)", line)[1])


def test_modseq_is_fetched_searched_and_told(stage):
    client = stage["1"]
    for number in range(3):
        client.append(b"Subject: %d\r\n\r\n" % number)
    client.do("SELECT INBOX (CONDSTORE)")
    first = [_modseq(line) for line in client.do("FETCH 1:* (MODSEQ)")]
    assert first == sorted(first) and len(set(first)) == 3
    (line,) = client.do("STORE 2 +FLAGS (\\Seen)")
    assert re.fullmatch(rb"\* 2 FETCH \(UID 2 FLAGS \(\\Seen \\Recent\) MODSEQ \(\d+\)\)", line)
    highest = _modseq(line)
    assert highest > max(first)
    (line,) = client.do(f"FETCH 1:* (FLAGS) (CHANGEDSINCE {max(first)})")
    assert line.startswith(b"* 2 FETCH (") and _modseq(line) == highest
    assert client.do(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {highest})") == []
    assert client.do(f"SEARCH MODSEQ {highest}") == [b"* SEARCH 2 (MODSEQ %d)" % highest]
    assert client.do(f"SEARCH MODSEQ {highest + 1}") == [b"* SEARCH"]
    (line,) = client.do("STATUS INBOX (HIGHESTMODSEQ)")
    assert _modseq(line) == highest
    (line,) = client.do("STORE 2 +FLAGS.SILENT (\\Answered)")
    assert re.fullmatch(rb"\* 2 FETCH \(UID 2 MODSEQ \(\d+\)\)", line) and _modseq(line) > highest


def test_unchangedsince(stage):
    client, other = stage["1"], stage["2"]
    for number in range(2):
        client.append(b"Subject: %d\r\n\r\n" % number)
    client.do("SELECT INBOX")
    known = max(_modseq(line) for line in client.do("FETCH 1:2 (MODSEQ)"))
    other.do("SELECT INBOX")
    other.do("STORE 1 +FLAGS ($other)")
    client.start(f"STORE 1:2 (UNCHANGEDSINCE {known}) +FLAGS.SILENT (\\Deleted)")
    assert client.finish().startswith(b"OK [MODIFIED 1]")
    assert any(line.startswith(b"* 2 FETCH (UID 2 MODSEQ (") for line in client.lines)
    assert b"\\Deleted" not in client.fetch("FLAGS")
    client.start(f"UID STORE 1 (UNCHANGEDSINCE {known}) +FLAGS (\\Deleted)")
    assert client.finish().startswith(b"OK [MODIFIED 1]")
    for wrong in ("STORE 1 (UNCHANGEDSINCE) FLAGS x", "STORE 1 (FOO 1) FLAGS x", "FETCH 1 FLAGS (CHANGEDSINCE)"):
        assert client.fails(wrong).startswith(b"BAD")


def test_no_modseq_for_who_did_not_ask(stage):
    stage.play("""
        1> APPEND INBOX {{Subject: x||}}
        1> SELECT INBOX
        1> STORE 1 +FLAGS (\\Seen)
        1< * 1 FETCH (FLAGS (\\Seen \\Recent))
        1> ENABLE CONDSTORE
        1> STORE 1 +FLAGS (\\Flagged)
        1< * 1 FETCH (UID 1 FLAGS (\\Flagged \\Seen \\Recent) MODSEQ (
    """)


# ---------------------------------------------------------------------------------------------- quota


def test_quota(own_gateway):
    client = Client(own_gateway(maildb={"quota_bytes": 102400, "quota_messages": 1000}))
    client.do("LOGIN a@example.org passpass1")
    client.append(b"x" * 2000)
    assert client.do('GETQUOTAROOT "INBOX"') == [
        b'* QUOTAROOT "INBOX" "User quota"',
        b'* QUOTA "User quota" (STORAGE 2 100 MESSAGE 1 1000)',
    ]
    assert client.do('GETQUOTA "User quota"') == [b'* QUOTA "User quota" (STORAGE 2 100 MESSAGE 1 1000)']
    assert client.fails('GETQUOTA ""').startswith(b"NO [NONEXISTENT]")
    assert client.fails("GETQUOTAROOT Nowhere").startswith(b"NO [NONEXISTENT]")
    assert client.fails('SETQUOTA "User quota" (STORAGE 500)').startswith(b"NO [NOPERM]")
    assert client.fails("GETQUOTA").startswith(b"BAD")


# ---------------------------------------------------------------------------------------------- metadata


class Notes(Plugin):
    """Knows the comment and one entry that cannot be set, collects device tokens as the push plugin does."""

    tokens: list[bytes]

    def __init__(self, gateway, options):
        self.tokens = []

    @hookimpl
    def chatgate_metadata_entries(self, mailbox):
        shared = ["/shared/comment", "/shared/vendor/x/long", "/shared/vendor/x/none", "/private/vendor/x/alone"]
        return {"": shared, "INBOX": ["/private/devicetoken"]}.get(mailbox)

    @hookimpl
    def chatgate_get_metadata(self, session, mailbox, entry):
        if (mailbox, entry) == ("INBOX", "/private/devicetoken"):
            return b" ".join(self.tokens) or None
        return {"/shared/comment": b"hello", "/shared/vendor/x/long": b"y" * 50}.get(entry) if not mailbox else None

    @hookimpl
    def chatgate_set_metadata(self, session, mailbox, entry, value):
        if entry == "/shared/broken":
            raise RuntimeError("details")
        if (mailbox, entry) == ("INBOX", "/private/devicetoken") and value:
            self.tokens.append(value)
            return Reply(250)
        return None


@pytest.fixture
def noted(own_gateway):
    client = Client(own_gateway(Notes))
    client.do("LOGIN a@example.org passpass1")
    return client


def test_metadata_of_plugins(noted):
    """Line for line what Delta Chat's and the relay's tests read."""
    noted.send(b'a GETMETADATA "" (/shared/comment /shared/admin /Shared/Vendor/x/long)\r\n')
    assert noted.line() == b'* METADATA "" (/shared/comment {5}\r\nhello /shared/vendor/x/long {50}\r\n%s)' % (
        b"y" * 50
    )
    assert noted.line() == b"a OK Getmetadata completed."
    assert noted.do('GETMETADATA "" /shared/nothing') == []
    for token in (b"openpgp:one", b"two"):
        noted.start(b'SETMETADATA "INBOX" (/private/devicetoken "%s")' % token)
        assert noted.finish() == b"OK Setmetadata completed."
    noted.send(b"a GETMETADATA INBOX /private/devicetoken\r\n")
    assert noted.line() == b'* METADATA "INBOX" (/private/devicetoken {15}\r\nopenpgp:one two)'
    assert noted.line() == b"a OK Getmetadata completed."


def test_private_notes(noted):
    noted.do('SETMETADATA INBOX (/private/comment "a" /private/x/y {{b\0c}} /private/x/y/z "d")')
    assert noted.do("GETMETADATA INBOX /private/comment") == [b'* METADATA "INBOX" (/private/comment {1}\r\na)']
    assert noted.do('GETMETADATA "" /private/comment') == []
    assert noted.do("GETMETADATA (DEPTH 1) INBOX /private/x") == [b'* METADATA "INBOX" (/private/x/y {3}\r\nb\x80c)']
    (line,) = noted.do("GETMETADATA (DEPTH infinity) INBOX (/private/x /private/comment)")
    assert line.count(b"/private/") == 3
    noted.do("SETMETADATA INBOX (/private/comment NIL)")
    assert noted.do("GETMETADATA INBOX /private/comment") == []


def test_metadata_sizes(noted):
    noted.start('GETMETADATA (MAXSIZE 10) "" (/shared/comment /shared/vendor/x/long)')
    assert noted.finish() == b"OK [METADATA LONGENTRIES 50] Getmetadata completed."
    assert noted.lines[0] == b'* METADATA "" (/shared/comment {5}\r\nhello)'
    assert noted.fails(f'SETMETADATA "" (/private/x "{"x" * 4097}")').startswith(b"NO [METADATA MAXSIZE 4096]")
    noted.do(f'SETMETADATA "" (/private/x "{"x" * 4096}")')


def test_metadata_is_set_as_a_whole_or_not_at_all(noted):
    before = noted.do("GETMETADATA (DEPTH infinity) INBOX (/private)")
    for other in ('/shared/comment "x"', '/shared/broken "x"', f'/private/b "{"x" * 4097}"'):
        assert noted.fails(f'SETMETADATA INBOX (/private/a "1" {other})').startswith(b"NO")
        assert noted.fails(f'SETMETADATA INBOX ({other} /private/a "1")').startswith(b"NO")
        assert noted.fails(f'SETMETADATA INBOX (/private/devicetoken "t" {other})').startswith(b"NO")
    many = " ".join(f'/private/{n} "x"' for n in range(99))
    noted.do(f"SETMETADATA Sent ({many})")
    refusal = noted.fails('SETMETADATA Sent (/private/0 NIL /private/x "x" /private/y "x" /private/z "x")')
    assert refusal == b"NO [METADATA TOOMANY] Too many annotations"
    assert noted.do("GETMETADATA Sent /private/0") and not noted.do("GETMETADATA Sent /private/x")
    assert noted.do("GETMETADATA (DEPTH infinity) INBOX (/private)") == before == []


def test_notes_of_an_account_take_so_much_and_no_more(own_gateway):
    """However many mailboxes it spreads them over."""
    client = Client(own_gateway(maildb={"max_annotations_bytes": 10_000}))
    client.do("LOGIN a@example.org passpass1")
    for mailbox in ("INBOX", "Sent"):
        client.do(f'SETMETADATA {mailbox} (/private/x "{"x" * 4000}")')
    refusal = client.fails(f'SETMETADATA Trash (/private/x "{"x" * 4000}")')
    assert refusal == b"NO [OVERQUOTA] The annotations would take too much"
    client.do("SETMETADATA Sent (/private/x NIL)")
    client.do(f'SETMETADATA Trash (/private/x "{"x" * 4000}")')


def test_an_entry_of_a_plugin_is_set_alone(noted):
    token = '/private/devicetoken "t"'
    for both in (f'/private/a "1" {token}', f'{token} /private/a "1"', f"{token} /shared/comment NIL"):
        assert noted.fails(f"SETMETADATA INBOX ({both})").startswith(b"NO [CANNOT] One of these entries")
    assert noted.do("GETMETADATA (DEPTH infinity) INBOX /private") == []
    noted.do('SETMETADATA INBOX (/private/devicetoken "t")')
    assert noted.do("GETMETADATA INBOX /private/devicetoken") == [b'* METADATA "INBOX" (/private/devicetoken {1}\r\nt)']
    ours = '/private/vendor/chatgate/password "x"'
    assert noted.fails(f'SETMETADATA "" (/private/a "1" {ours})').startswith(b"NO [NOPERM]")


def test_depth_finds_what_plugins_have(noted):
    noted.do('SETMETADATA INBOX (/private/devicetoken "t")')
    noted.do('SETMETADATA INBOX (/private/x/y "note")')
    noted.do('SETMETADATA "" (/private/comment "mine")')

    def found(depth, mailbox, entries):
        lines = noted.do(f"GETMETADATA (DEPTH {depth}) {mailbox} {entries}")
        return re.findall(rb"(/[a-z/]+) \{", b"".join(lines))

    everything = [b"/shared/comment", b"/shared/vendor/x/long"]
    assert found("infinity", '""', "/shared") == everything
    assert found("1", '""', "/shared") == [b"/shared/comment"]
    assert found("1", '""', "/shared/vendor/x") == [b"/shared/vendor/x/long"]
    assert found("0", '""', "/shared/vendor/x") == []
    assert found("infinity", '""', "(/shared /private /shared/vendor)") == [*everything, b"/private/comment"]
    assert found("1", "INBOX", "/private") == [b"/private/devicetoken"]
    assert found("infinity", "INBOX", "/private") == [b"/private/devicetoken", b"/private/x/y"]
    assert found("infinity", "Sent", "(/private /shared)") == []


class BadNames(Plugin):
    @hookimpl
    def chatgate_metadata_entries(self, mailbox):
        return {"": ["/shared/Comment"], "Sent": 1 / 0 if mailbox == "Sent" else None}.get(mailbox)


def test_a_plugin_that_names_no_entries(own_gateway):
    """What others have is found all the same; but nothing is set that might not be set as a whole."""
    with Client(own_gateway(Notes, BadNames)) as client:
        client.do("LOGIN a@example.org passpass1")
        (line,) = client.do('GETMETADATA (DEPTH infinity) "" /shared')
        assert b"/shared/comment {" in line and b"Comment" not in line
        for mailbox in ('""', "Sent"):
            refused = client.fails(f'SETMETADATA {mailbox} (/private/a "1" /private/b "2")')
            assert refused.startswith(b"NO [UNAVAILABLE]")
            assert client.do(f"GETMETADATA {mailbox} (/private/a /private/b)") == []
        client.do('SETMETADATA INBOX (/private/a "1" /private/b "2")')


def test_metadata_as_clients_write_it(noted):
    """A blank before the parenthesis; options behind the mailbox, as the examples of RFC 5464 §4.2.1 have them."""
    noted.do('SETMETADATA INBOX (/private/a/b "1" /private/c "2" )')
    assert noted.do("GETMETADATA INBOX (DEPTH infinity) (/private/a)") == [
        b'* METADATA "INBOX" (/private/a/b {1}\r\n1)'
    ]
    (line,) = noted.do("GETMETADATA (DEPTH infinity) INBOX /private")
    assert line.count(b"/private/") == 2
    noted.start('GETMETADATA "" (MAXSIZE 10) /shared/vendor/x/long')
    assert noted.finish().startswith(b"OK [METADATA LONGENTRIES 50]")
    for wrong in (
        "GETMETADATA INBOX /private",
        "GETMETADATA (DEPTH 1) INBOX (MAXSIZE 1) /private/a",
        'SETMETADATA INBOX ( /private/a "1")',
        'SETMETADATA INBOX (/private/a "1"  )',
    ):
        assert noted.fails(wrong).startswith(b"BAD"), wrong


def test_a_client_that_hangs_up_without_a_turn_server(noted):
    """Delta Chat 2.35 without DNS. The next time it is told an address that needs none; others hear what there is."""
    ask = 'GETMETADATA "" (/shared/comment /shared/vendor/deltachat/turn)'

    def told(name, hang_up=True, go_on=False):
        with Client(noted.gateway) as client:
            client.do("LOGIN a@example.org passpass1")
            client.do("SELECT INBOX")
            client.do(f'ID ("name" "{name}")')
            (line,) = client.do(ask)
            if go_on:
                client.do("IDLE")
            if not hang_up:
                client.do("LOGOUT")
                assert client.closed()
        return re.search(rb"turn \{\d+}\r\n127\.0\.0\.1:9:\d+:none", line) is not None

    assert not told("Delta Chat", go_on=True) and not told("Delta Chat", hang_up=False)
    assert not told("other") and not told("other") and not told("Delta Chat")
    until = time.monotonic() + 60
    while not told("Delta Chat"):  # the server has to notice that the other is gone
        assert time.monotonic() < until
    assert not told("other")


def test_metadata_that_cannot_be(noted):
    assert noted.fails('SETMETADATA "" (/shared/comment "x")').startswith(b"NO [NOPERM]")
    broken = noted.fails('SETMETADATA "" (/shared/broken "x")')
    assert broken.startswith(b"NO [UNAVAILABLE]") and b"details" not in broken
    assert noted.fails("GETMETADATA Nowhere /shared/comment").startswith(b"NO [NONEXISTENT]")
    assert noted.fails('SETMETADATA Nowhere (/private/x "x")').startswith(b"NO [NONEXISTENT]")
    assert noted.fails('SETMETADATA "" (/private/vendor/chatgate/password "x")').startswith(b"NO [NOPERM]")
    for wrong in (
        "GETMETADATA",
        'GETMETADATA ""',
        'GETMETADATA "" ()',
        'GETMETADATA "" comment',
        'GETMETADATA "" /other/x',
        'GETMETADATA "" /shared//x',
        'GETMETADATA "" "/shared/*"',
        'GETMETADATA "" /shared/x/',
        'GETMETADATA (DEPTH 2) "" /shared/x',
        'GETMETADATA (FOO 2) "" /shared/x',
        'SETMETADATA "" (/private/x)',
        'SETMETADATA "" /private/x "y"',
        'SETMETADATA "" ()',
    ):
        assert noted.fails(wrong).startswith(b"BAD"), wrong
