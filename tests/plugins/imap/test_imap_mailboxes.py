"""The commands of the authenticated state, RFC 3501 §6.3, with NAMESPACE, CHILDREN, SPECIAL-USE, APPENDLIMIT."""

from __future__ import annotations

import pytest
from imap_trace import Client


def _listed(client, command: str) -> dict[str, set[str]]:
    """Name to attributes."""
    found = {}
    for line in client.do(command):
        attributes, name = line.split(b" ", 2)[2].rsplit(b' "/" ', 1)
        found[name.strip(b'"').decode()] = set(attributes.strip(b"()").decode().split())
    return found


def test_select(stage):
    stage.play("""
        1> APPEND INBOX (\\Seen) {{Subject: one||1}}
        1> APPEND INBOX {{Subject: two||2}}
        1> SELECT inbox
        1< * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)
        1< * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)]
        1< * 2 EXISTS
        1< * 2 RECENT
        1< * OK [UNSEEN 2]
        1< * OK [UIDVALIDITY
        1< * OK [UIDNEXT 3]
        1< * OK [HIGHESTMODSEQ
        1< OK [READ-WRITE] Select completed.
    """)


def test_examine_changes_nothing(stage):
    stage.play("""
        1> APPEND INBOX {{Subject: one||1}}
        1> EXAMINE INBOX
        1< * OK [PERMANENTFLAGS ()]
        1< * 1 RECENT
        1< OK [READ-ONLY]
        1> STORE 1 +FLAGS (\\Seen)
        1< NO [READ-ONLY]
        1> EXPUNGE
        1< NO [READ-ONLY]
        1> MOVE 1 Trash
        1< NO [READ-ONLY]
        1> FETCH 1 BODY[]
        1< * 1 FETCH (BODY[]
        1> FETCH 1 FLAGS
        1< * 1 FETCH (FLAGS (\\Recent))
        1> COPY 1 Trash
        1< OK [COPYUID
        2> SELECT INBOX
        2< * 1 RECENT
        2> STORE 1 +FLAGS (\\Deleted)
        1> CLOSE
        1> SELECT INBOX
        1< * 1 EXISTS
    """)


def test_a_failed_select_leaves_nothing_selected(stage):
    stage.play("""
        1> SELECT INBOX
        1> SELECT Nowhere
        1< NO [NONEXISTENT]
        1> CHECK
        1< BAD
        1> EXAMINE ""
        1< NO
        1> SELECT
        1< BAD
        1> SELECT INBOX (FOO)
        1< BAD
        1> SELECT INBOX x
        1< BAD
    """)


def test_close_unselect(stage):
    stage.play("""
        1> APPEND INBOX (\\Deleted) {{Subject: one||1}}
        1> SELECT INBOX
        1> UNSELECT
        1< OK
        1> SELECT INBOX
        1< * 1 EXISTS
        1> CLOSE
        1! * 1 EXPUNGE
        1> SELECT INBOX
        1< * 0 EXISTS
        1< * OK [UIDNEXT 2]
        1> SELECT Trash
        1> CLOSE x
        1< BAD
    """)


def test_uids_are_never_used_again(stage):
    stage.play("""
        1> APPEND INBOX (\\Deleted) {{Subject: one||1}}
        1< OK [APPENDUID
        1> SELECT INBOX
        1> CLOSE
        1> APPEND INBOX {{Subject: two||2}}
        1> SELECT INBOX
        1> FETCH 1 UID
        1< * 1 FETCH (UID 2)
        1> UID FETCH 3:502 (UID)
        1! * 1 FETCH
        1> UID FETCH 3:* (UID)
        1< * 1 FETCH (UID 2)
    """)


def test_create_list_delete(client):
    client.do("CREATE Work/Old/2020/")
    assert _listed(client, 'LIST "" Work*') == {
        "Work": {"\\HasChildren"},
        "Work/Old": {"\\HasChildren"},
        "Work/Old/2020": {"\\HasNoChildren"},
    }
    assert client.fails("CREATE Work").startswith(b"NO [ALREADYEXISTS]")
    assert client.fails("CREATE inbox").startswith(b"NO [ALREADYEXISTS]")
    client.do("DELETE Work/Old")
    assert _listed(client, 'LIST "" Work/*') == {
        "Work/Old": {"\\Noselect", "\\HasChildren"},
        "Work/Old/2020": {"\\HasNoChildren"},
    }
    assert client.fails("SELECT Work/Old").startswith(b"NO [NONEXISTENT]")
    assert client.fails("DELETE Work/Old").startswith(b"NO [NONEXISTENT]")
    client.do("DELETE Work/Old/2020")
    assert _listed(client, 'LIST "" Work*') == {"Work": {"\\HasNoChildren"}}
    assert client.fails("DELETE INBOX").startswith(b"NO")
    assert client.fails("DELETE Nowhere").startswith(b"NO [NONEXISTENT]")


@pytest.mark.parametrize("name", ['""', '"a//b"', '"/a"', '"a*"', '"a%"', '"&bad"', '"p\xe4"', "x" * 300])
def test_names_that_cannot_be(client, name):
    assert client.fails(b"CREATE " + name.encode("latin-1")).startswith((b"NO", b"BAD"))


def test_names_in_modified_utf7(client):
    client.do('CREATE "p&AOQA5A-/&U,BTFw-"')
    assert set(_listed(client, 'LIST "" p*')) == {"p&AOQA5A-", "p&AOQA5A-/&U,BTFw-"}
    assert client.do('STATUS "p&AOQA5A-" (MESSAGES)') == [b'* STATUS "p&AOQA5A-" (MESSAGES 0)']
    assert client.do('LIST "" "p&AOQ*"') == []


def test_list_of_a_new_account(client):
    assert _listed(client, 'LIST "" *') == {
        "INBOX": {"\\HasNoChildren"},
        "Drafts": {"\\HasNoChildren", "\\Drafts"},
        "Junk": {"\\HasNoChildren", "\\Junk"},
        "Sent": {"\\HasNoChildren", "\\Sent"},
        "Trash": {"\\HasNoChildren", "\\Trash"},
    }
    assert client.do('LIST "" ""') == [b'* LIST (\\Noselect) "/" ""']
    assert set(_listed(client, 'LIST "" inbox')) == {"INBOX"}
    assert set(_listed(client, "LIST Dra fts")) == {"Drafts"}
    assert set(_listed(client, 'LIST {{}} "%k"')) == {"Junk"}
    assert _listed(client, 'LIST "" nowhere') == {}
    assert client.do("NAMESPACE") == [b'* NAMESPACE (("" "/")) NIL NIL']
    for wrong in ("LIST", "LIST x", 'LIST "" (x', 'LIST "" * x', 'LIST "" ' + "*" * 1001, 'LIST "" ' + "a*" * 21):
        assert client.fails(wrong).startswith(b"BAD")


def test_percent_stops_at_the_separator(client):
    client.do("CREATE a/b/c")
    assert set(_listed(client, 'LIST "" a/%')) == {"a/b"}
    assert set(_listed(client, 'LIST "" a/%/%')) == {"a/b/c"}
    assert set(_listed(client, 'LIST "a/" *')) == {"a/b", "a/b/c"}
    assert set(_listed(client, 'LIST "" %')) == {"INBOX", "Drafts", "Junk", "Sent", "Trash", "a"}


def test_rename(client):
    client.do("CREATE a/b")
    client.append(b"Subject: x\r\n\r\n", "a/b")
    client.do("RENAME a x/y")
    assert set(_listed(client, 'LIST "" *')) == {"INBOX", "Drafts", "Junk", "Sent", "Trash", "x", "x/y", "x/y/b"}
    assert client.do("STATUS x/y/b (MESSAGES)") == [b'* STATUS "x/y/b" (MESSAGES 1)']
    assert client.fails("RENAME a b").startswith(b"NO [NONEXISTENT]")
    assert client.fails("RENAME x INBOX").startswith(b"NO [ALREADYEXISTS]")
    assert client.fails("RENAME x x/z").startswith(b"NO [CANNOT]")
    assert client.fails("RENAME x").startswith(b"BAD")
    client.do("DELETE x")
    client.do("RENAME x z")
    assert set(_listed(client, 'LIST "" z*')) == {"z", "z/y", "z/y/b"}


def test_too_many_mailboxes(own_gateway):
    client = Client(own_gateway(imap={"max_mailboxes": 7}))
    client.do("LOGIN a@example.org passpass1")
    client.do("CREATE a")
    assert client.fails("CREATE b/c").startswith(b"NO [LIMIT]")
    client.do("CREATE b")
    assert client.fails("CREATE c").startswith(b"NO [LIMIT]")


def test_subscriptions(client):
    for name in _listed(client, 'LSUB "" *'):
        client.do(f"UNSUBSCRIBE {name}")
    client.do("CREATE a/b")
    client.do("SUBSCRIBE a/b")
    client.do("SUBSCRIBE INBOX")
    assert set(_listed(client, 'LSUB "" *')) == {"INBOX", "a/b"}
    assert _listed(client, 'LSUB "" %') == {"INBOX": set(), "a": {"\\Noselect"}}
    assert client.do('LSUB "" ""') == [b'* LSUB (\\Noselect) "/" ""']
    client.do("DELETE a/b")  # subscriptions outlive their mailbox
    assert set(_listed(client, 'LSUB "" *')) == {"INBOX", "a/b"}
    client.do("UNSUBSCRIBE a/b")
    client.do("UNSUBSCRIBE a/b")
    assert set(_listed(client, 'LSUB "" *')) == {"INBOX"}
    assert client.fails("SUBSCRIBE Nowhere").startswith(b"NO [NONEXISTENT]")
    assert client.fails("SUBSCRIBE").startswith(b"BAD")


def test_status(client):
    client.append(b"Subject: x\r\n\r\n12345\r\n", extra="(\\Seen) ")
    client.append(b"Subject: y\r\n\r\n12345\r\n")
    (line,) = client.do("STATUS inbox (messages recent uidnext unseen size appendlimit)")
    assert line == b'* STATUS "INBOX" (MESSAGES 2 RECENT 2 UIDNEXT 3 UNSEEN 1 SIZE 42 APPENDLIMIT 52428800)'
    (line,) = client.do("STATUS INBOX (UIDVALIDITY HIGHESTMODSEQ)")
    assert line.startswith(b'* STATUS "INBOX" (UIDVALIDITY ')
    assert client.fails("STATUS Nowhere (MESSAGES)").startswith(b"NO [NONEXISTENT]")
    for wrong in ("STATUS INBOX", "STATUS INBOX ()", "STATUS INBOX (FOO)", "STATUS INBOX MESSAGES"):
        assert client.fails(wrong).startswith(b"BAD")


def test_more_flags_than_a_message_can_have(client):
    client.append(b"x")
    client.do("SELECT INBOX")
    for flags in (" ".join(f"$k{n}" for n in range(51)), " ".join(f"${n:059}" for n in range(17))):
        for command in (f"STORE 1 FLAGS ({flags})", f"APPEND INBOX ({flags}) {{1+}}\r\nx"):
            assert client.fails(command.encode()) == b"NO [LIMIT] Too many flags"
    client.do("STORE 1 FLAGS ($a $b)")
    some = " ".join(f"$k{n}" for n in range(49))
    assert client.fails(f"STORE 1 +FLAGS ({some})") == b"NO [LIMIT] Too many flags"  # with those that it has
    assert client.do("FETCH 1 FLAGS") == [rb"* 1 FETCH (FLAGS ($a $b \Recent))"]


def test_append_with_flags_date_and_literals_that_wait(client):
    message = b"Subject: x\r\n\r\nbody \xe4\r\n"
    client.send(b'a APPEND INBOX (\\Seen $Forwarded) " 7-Feb-1994 21:52:25 -0800" {%d}\r\n' % len(message))
    assert client.line().startswith(b"+ ")
    client.send(message + b"\r\n")
    assert client.line().startswith(b"a OK [APPENDUID ")
    client.do("SELECT INBOX")
    assert client.fetch("(FLAGS INTERNALDATE BODY.PEEK[] RFC822.SIZE)") == (
        b'FLAGS (\\Seen $Forwarded \\Recent) INTERNALDATE " 8-Feb-1994 05:52:25 +0000" BODY[] {%d}\r\n%s RFC822.SIZE %d'
        % (len(message), message, len(message))
    )


def test_append_that_cannot_be(client):
    assert client.fails("APPEND Nowhere {{Subject: x||}}").startswith(b"NO [TRYCREATE]")
    assert client.fails("APPEND INBOX {{}}").startswith(b"NO")
    assert client.fails("APPEND INBOX {{a\0b}}").startswith(b"NO")
    assert client.fails("APPEND INBOX (\\Recent) {{x}}").startswith(b"BAD")
    assert client.fails("APPEND INBOX (\\Odd) {{x}}").startswith(b"BAD")
    assert client.fails('APPEND INBOX "yesterday" {{x}}').startswith(b"BAD")
    assert client.fails("APPEND INBOX").startswith(b"BAD")
    assert client.fails("APPEND INBOX atom").startswith(b"BAD")
    assert client.do("STATUS INBOX (MESSAGES)") == [b'* STATUS "INBOX" (MESSAGES 0)']


def test_append_over_quota(own_gateway):
    client = Client(own_gateway(maildb={"quota_bytes": 1000}))
    client.do("LOGIN a@example.org passpass1")
    assert client.fails("APPEND INBOX {{" + "x" * 1001 + "}}").startswith(b"NO [OVERQUOTA]")
    client.append(b"x" * 600)
    client.do("SELECT INBOX")
    assert client.fails("COPY 1 Trash").startswith(b"NO [OVERQUOTA]")
