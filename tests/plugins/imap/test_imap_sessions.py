"""Several sessions on one mailbox see each other, with sequence numbers that are right at every moment."""

from chatgate_imap.session import view
from chatgate_imap.session.contents import FETCHED


def test_arrival_flags_and_expunge_are_told_at_the_next_command(stage):
    stage.play("""
        1> SELECT INBOX
        2> SELECT INBOX
        1> APPEND INBOX {{Subject: one||1}}
        1< * 1 EXISTS
        1< * 1 RECENT
        1< OK [APPENDUID
        2> NOOP
        2< * 1 EXISTS
        2< OK
        2! * 1 RECENT
        2> STORE 1 +FLAGS (\\Flagged)
        2< * 1 FETCH (FLAGS (\\Flagged))
        2< OK
        1> NOOP
        1< * 1 FETCH (FLAGS (\\Flagged \\Recent))
        1> STORE 1 +FLAGS.SILENT (\\Deleted)
        1! * 1 FETCH
        1> EXPUNGE
        1< * 1 EXPUNGE
        1< OK
        2> CHECK
        2< * 1 EXPUNGE
        2! * 1 FETCH
        2< OK
        2> NOOP
        2! * 1
    """)


def test_no_expunge_while_numbers_are_in_use(stage):
    """RFC 3501 §7.4.1: not during FETCH, STORE, SEARCH; UID commands may tell."""
    stage.play("""
        1> SELECT INBOX
        1> APPEND INBOX {{Subject: one||1}}
        1> APPEND INBOX {{Subject: two||2}}
        1> APPEND INBOX {{Subject: three||3}}
        2> SELECT INBOX
        2< * 3 EXISTS
        1> STORE 1 +FLAGS (\\Deleted)
        1> EXPUNGE
        1< * 1 EXPUNGE
        2> FETCH 2 (UID)
        2< * 2 FETCH (UID 2)
        2! * 1 EXPUNGE
        2> STORE 3 +FLAGS (\\Seen)
        2< * 3 FETCH (FLAGS (\\Seen
        2! * 1 EXPUNGE
        2> SEARCH ALL
        2< * SEARCH 1 2 3
        2! * 1 EXPUNGE
        2> STORE 1 +FLAGS (\\Answered)
        2< * 1 FETCH (FLAGS (\\Answered
        2< OK
        2> FETCH 1 (BODY[])
        2< NO [EXPUNGEISSUED]
        2> UID FETCH 3 (FLAGS)
        2< * 3 FETCH (UID 3 FLAGS (\\Seen
        2< * 1 EXPUNGE
        2> FETCH 1:2 (UID)
        2< * 1 FETCH (UID 2)
        2< * 2 FETCH (UID 3)
        2! * 3
    """)


def test_nothing_is_copied_when_something_is_gone(stage):
    stage.play("""
        1> APPEND INBOX {{Subject: one||1}}
        1> APPEND INBOX {{Subject: two||2}}
        1> APPEND INBOX {{Subject: three||3}}
        1> CREATE Other
        1> SELECT INBOX
        2> SELECT INBOX
        2> STORE 2 +FLAGS.SILENT (\\Deleted)
        2> EXPUNGE
        1> COPY 1:3 Other
        1< * 2 EXPUNGE
        1< NO [EXPUNGEISSUED]
        1> STATUS Other (MESSAGES UIDNEXT)
        1< * STATUS "Other" (MESSAGES 0 UIDNEXT 1)
        2> STORE 2 +FLAGS.SILENT (\\Deleted)
        2> EXPUNGE
        1> UID MOVE 1,3 Other
        1! * 1 EXPUNGE
        1< * 2 EXPUNGE
        1< NO [EXPUNGEISSUED]
        1> UID MOVE 1,3 Other
        1< * OK [COPYUID … 1 1]
        1< * 1 EXPUNGE
        1< OK
    """)


def test_flags_changed_by_others_are_no_answers_to_fetch(stage):
    """Delta Chat gives the connection up when a FETCH response lacks what it asked for."""
    stage.play("""
        1> SELECT INBOX
        1> APPEND INBOX {{Subject: one||1}}
        1> APPEND INBOX {{Subject: two||2}}
        2> SELECT INBOX
        1> STORE 1 +FLAGS (\\Seen)
        1> APPEND INBOX {{Subject: three||3}}
        2> UID FETCH 2:500 (UID RFC822.SIZE)
        2< * 2 FETCH (UID 2 RFC822.SIZE
        2< * 3 EXISTS
        2! * 1 FETCH
        2> FETCH 2 (BODY[])
        2! * 1 FETCH
        2> FETCH 1 (FLAGS)
        2< * 1 FETCH (FLAGS (\\Seen
        2> IDLE
        2< * 1 FETCH (FLAGS (\\Seen
        2> DONE
        2< OK
        1> STORE 1 +FLAGS (\\Deleted)
        2> UID FETCH 2 (UID)
        2! * 1 FETCH
        1> EXPUNGE
        2> NOOP
        2! * 1 FETCH
        2< * 1 EXPUNGE
    """)


def test_expunge_and_arrival_together(stage):
    stage.play("""
        1> SELECT INBOX
        1> APPEND INBOX {{Subject: one||1}}
        1> APPEND INBOX {{Subject: two||2}}
        2> SELECT INBOX
        2> APPEND INBOX {{Subject: three||3}}
        2> STORE 1,2 +FLAGS.SILENT (\\Deleted)
        2> EXPUNGE
        2< * 2 EXPUNGE
        2< * 1 EXPUNGE
        1> NOOP
        1< * 2 EXPUNGE
        1< * 1 EXPUNGE
        1< * 1 EXISTS
        1< OK
        1> FETCH 1 (UID)
        1< * 1 FETCH (UID 3)
    """)


def test_idle_hears_everything(stage):
    stage.play("""
        1> SELECT INBOX
        1> IDLE
        2> APPEND INBOX {{Subject: one||1}}
        1< * 1 EXISTS
        2> SELECT INBOX
        2> STORE 1 +FLAGS (\\Seen)
        1< * 1 FETCH (FLAGS (\\Seen
        2> STORE 1 +FLAGS (\\Deleted)
        2> EXPUNGE
        1< * 1 EXPUNGE
        1> DONE
        1< OK
    """)


def test_close_and_move_by_another_session(stage):
    stage.play("""
        1> SELECT INBOX
        1> APPEND INBOX {{Subject: one||1}}
        1> APPEND INBOX {{Subject: two||2}}
        2> SELECT INBOX
        2> UID STORE 1 +FLAGS (\\Deleted)
        2> CLOSE
        2! * 1 EXPUNGE
        1> NOOP
        1< * 1 EXPUNGE
        2> SELECT INBOX
        2> MOVE 1 Trash
        2< * OK [COPYUID
        2< * 1 EXPUNGE
        2< OK
        1> NOOP
        1< * 1 EXPUNGE
        1> STATUS Trash (MESSAGES)
        1< * STATUS "Trash" (MESSAGES 1)
    """)


def test_keywords_without_end_are_not_all_announced(client, monkeypatch):
    monkeypatch.setattr(view, "_MOST_KEYWORDS", 3)
    client.append(b"x")
    client.append(b"x")
    client.do("SELECT INBOX")
    client.do("STORE 1 +FLAGS ($a $b)")
    flags = client.do("STORE 2 +FLAGS ($c $d $e)")[0]
    assert flags.count(b"$") == 3 and {b"$a", b"$b"} < set(flags[9:-1].split())
    assert client.do("STORE 2 +FLAGS ($f)") == [rb"* 2 FETCH (FLAGS ($c $d $e $f \Recent))"]
    assert client.do("SELECT INBOX")[1].count(b"$") == 3
    assert client.do("SEARCH KEYWORD $e KEYWORD $F") == [b"* SEARCH 2"]


def test_what_was_fetched_is_forgotten_with_the_message(client, monkeypatch):
    kept = []
    monkeypatch.setattr(view.View, "_expunge", lambda self, real=view.View._expunge: kept.append(self) or real(self))
    for _ in range(2):
        client.append(b"x")
    client.do("SELECT INBOX")
    client.do("FETCH 1:2 BODY[]")
    client.do("STORE 1 +FLAGS (\\Deleted)")
    client.do("EXPUNGE")
    assert kept[0].uids[0] == 2 and list(kept[0].messages.marks) == [FETCHED]


def test_what_another_one_has_changed_is_told_with_an_own_change_that_is_not(stage):
    """It could not be told during FETCH. Without it the answer had no item at all."""
    for more in ("", " (CONDSTORE)"):
        stage.play(f"""
            1> APPEND INBOX {{{{x}}}}
            1> SELECT INBOX{more}
            2> SELECT INBOX
            2> STORE * +FLAGS.SILENT ($other)
            1> FETCH * (RFC822.SIZE)
            """)
        line = stage["1"].do("STORE * +FLAGS.SILENT ($own)")[-1]
        assert b"$other" in line and b"$own" in line and (b"MODSEQ" in line) == bool(more)


def test_a_new_keyword_is_announced_before_it_is_used(stage):
    stage.play("""
        1> SELECT INBOX
        1> APPEND INBOX {{Subject: one||1}}
        2> SELECT INBOX
        2> STORE 1 +FLAGS ($Forwarded)
        2< * FLAGS (…$Forwarded)
        2< * OK [PERMANENTFLAGS (…$Forwarded \\*)]
        2< * 1 FETCH (FLAGS ($Forwarded
        1> NOOP
        1< * FLAGS (…$Forwarded)
        1< * 1 FETCH (FLAGS ($Forwarded
        1> STORE 1 -FLAGS ($forwarded)
        1< * 1 FETCH (FLAGS (\\Recent))
    """)


def test_recent_belongs_to_the_first_session_told(stage):
    stage.play("""
        1> APPEND INBOX {{Subject: one||1}}
        1> STATUS INBOX (RECENT)
        1< * STATUS "INBOX" (RECENT 1)
        1> EXAMINE INBOX
        1< * 1 RECENT
        2> SELECT INBOX
        2< * 1 RECENT
        2> SEARCH RECENT
        2< * SEARCH 1
        3> SELECT INBOX
        3< * 0 RECENT
        3> FETCH 1 FLAGS
        3< * 1 FETCH (FLAGS ())
        3> SEARCH OLD
        3< * SEARCH 1
        3> STATUS INBOX (RECENT)
        3< * STATUS "INBOX" (RECENT 0)
    """)


def test_deleting_the_mailbox_says_goodbye_to_those_in_it(stage):
    stage.play("""
        1> CREATE Work
        1> SELECT Work
        2> SELECT Work
        3> SELECT Work
        3> IDLE
        1> DELETE Work
        1< OK
        1> FETCH 1 FLAGS
        1< BAD
        3< * BYE
    """)
    assert stage["2"].start("NOOP") and stage["2"].line().startswith(b"* BYE")
    assert stage["2"].closed() and stage["3"].closed()


def test_renaming_inbox_moves_its_messages(stage):
    stage.play("""
        1> SELECT INBOX
        1> APPEND INBOX {{Subject: one||1}}
        2> RENAME INBOX Old
        2< OK
        1> NOOP
        1< * 1 EXPUNGE
        2> STATUS Old (MESSAGES)
        2< * STATUS "Old" (MESSAGES 1)
    """)


def test_the_store_is_told_what_was_read_and_not_what_was_looked_at(stage):
    stage.play("""
        1> SELECT INBOX
        1> APPEND INBOX {{Subject: one||1}}
        1> APPEND INBOX {{Subject: two||2}}
        1> UID FETCH 1:2 (UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS (SUBJECT)])
        1< OK
        1> UID FETCH 2 (BODY.PEEK[])
        1< * 2 FETCH
        1< OK
        1> NOOP
        1< OK
        1> STORE 1 +FLAGS (\\Flagged)
        1< OK
    """)
    account = stage.gateway.store.account(stage.login[0])
    assert {kept.uid: kept.fetches for kept in stage.gateway.store.kept(account.id)} == {1: 0, 2: 1}
