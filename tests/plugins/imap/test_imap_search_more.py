"""ESEARCH (RFC 4731), SEARCHRES (RFC 5182), WITHIN (RFC 5032), SORT and THREAD (RFC 5256)."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from chatgate_imap.message import subjects
from chatgate_imap.queries import keys, sorting, threads
from chatgate_imap.queries.threads import Item
from chatgate_imap.syntax.parser import Parser
from hypothesis import given
from hypothesis import strategies as st

from chatgate.api import Work


@pytest.fixture
def five(client):
    for number in range(1, 6):
        client.append(b"Subject: %d\r\n\r\n" % number)
    client.do("SELECT INBOX")
    client.do(r"STORE 2,4:5 +FLAGS.SILENT (\Flagged)")
    client.do(r"STORE 1 +FLAGS.SILENT (\Deleted)")
    client.do("EXPUNGE")
    return client  # numbers 1-4 are UIDs 2-5, flagged are 1, 3 and 4


def _esearch(client, command):
    (line,) = client.do(command)
    begin = b'* ESEARCH (TAG "%s")' % client.tag
    assert line.startswith(begin)
    return line[len(begin) :]


def test_esearch(five):
    assert _esearch(five, "SEARCH RETURN (MIN MAX COUNT) FLAGGED") == b" MIN 1 MAX 4 COUNT 3"
    assert _esearch(five, "UID SEARCH RETURN (ALL COUNT) FLAGGED") == b" UID ALL 2,4:5 COUNT 3"
    assert _esearch(five, "SEARCH RETURN () CHARSET UTF-8 FLAGGED") == b" ALL 1,3:4"
    assert _esearch(five, "UID SEARCH return (MIN ALL COUNT) ANSWERED") == b" UID COUNT 0"
    assert _esearch(five, "SEARCH RETURN (ALL) ANSWERED") == b""
    modseqs = [int(n) for n in re.findall(rb"\((\d+)\)", b"".join(five.do("FETCH 1:4 (MODSEQ)")))]
    assert _esearch(five, "SEARCH RETURN (MIN) MODSEQ 1") == b" MIN 1 MODSEQ %d" % modseqs[0]
    assert _esearch(five, "SEARCH RETURN (MIN MAX) MODSEQ 1 1:2") == b" MIN 1 MAX 2 MODSEQ %d" % max(modseqs[:2])
    assert _esearch(five, "SEARCH RETURN (COUNT MAX) MODSEQ 1") == b" MAX 4 COUNT 4 MODSEQ %d" % max(modseqs)
    for wrong in ("RETURN ALL", "RETURN (ALL)", "RETURN (SUM) ALL", "RETURN (MIN ALL", "RETURN (PARTIAL 1:2) ALL"):
        assert five.fails("SEARCH " + wrong).startswith(b"BAD"), wrong


def test_saved_result(five):
    assert five.do("SEARCH $") == [b"* SEARCH"]
    assert five.do("FETCH $ (UID)") == []
    assert five.do("SEARCH RETURN (SAVE) FLAGGED") == []
    assert five.do("FETCH $ (UID)") == [b"* 1 FETCH (UID 2)", b"* 3 FETCH (UID 4)", b"* 4 FETCH (UID 5)"]
    assert five.do("UID SEARCH $") == five.do("UID SEARCH UID $") == [b"* SEARCH 2 4 5"]
    assert five.do("SEARCH NOT $ ALL") == [b"* SEARCH 2"]
    assert _esearch(five, "UID SEARCH RETURN (SAVE ALL) UID $ 3:4") == b" UID ALL 4:5"
    assert len(five.do("UID STORE $ +FLAGS ($a)")) == 4
    five.fails("SEARCH RETURN (SAVE) NONSENSE")  # BAD changes nothing
    five.do("COPY $ Sent")
    assert five.do("STATUS Sent (MESSAGES)") == [b'* STATUS "Sent" (MESSAGES 2)']
    assert five.do("UID MOVE $ Trash")[1:3] == [b"* 4 EXPUNGE", b"* 3 EXPUNGE"]
    assert five.do("UID SEARCH $") == [b"* SEARCH"]
    assert _esearch(five, "SEARCH RETURN (SAVE MAX) ALL") == b" MAX 2"
    assert five.do("SEARCH $") == [b"* SEARCH 2"]  # only what was asked for (RFC 5182 §2.4)
    assert _esearch(five, "SEARCH RETURN (SAVE MIN COUNT) ALL") == b" MIN 1 COUNT 2"
    assert five.do("SEARCH $") == [b"* SEARCH 1 2"]
    assert five.fails("SEARCH RETURN (SAVE) CHARSET KOI7 ALL").startswith(b"NO [BADCHARSET")
    five.do(r"STORE $ +FLAGS.SILENT (\Deleted)")
    five.do("UID EXPUNGE $")
    assert five.do("SEARCH ALL") == [b"* SEARCH"]
    for wrong in ("FETCH $,1 UID", "FETCH 1:$ UID", "SEARCH $:2"):
        assert five.fails(wrong).startswith(b"BAD")


def test_saved_result_is_of_one_mailbox(five):
    five.do("SEARCH RETURN (SAVE) ALL")
    five.do("SELECT INBOX")
    assert five.do("SEARCH $") == [b"* SEARCH"]


def test_within(client):
    for days in (0, 2, 4):
        date = time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime(time.time() - days * 86400))
        client.append(b"x", extra=f'"{date}" ')
    client.do("SELECT INBOX")
    assert client.do("SEARCH YOUNGER 3600") == [b"* SEARCH 1"]
    assert client.do("SEARCH OLDER 90000 YOUNGER 260000") == [b"* SEARCH 2"]
    assert client.do("SEARCH NOT YOUNGER 90000") == client.do("SEARCH OLDER 90000") == [b"* SEARCH 2 3"]
    for wrong in ("OLDER 0", "YOUNGER -1", "OLDER", "YOUNGER x"):
        assert client.fails("SEARCH " + wrong).startswith(b"BAD")


MAILS = (
    b"Date: Mon, 02 Nov 2026 10:00:00 +0000\r\nFrom: B <bob@b.org>\r\nTo: z@x.org\r\nSubject: Re: banana\r\n\r\n",
    b"Date: Mon, 02 Nov 2026 10:30:00 +0100\r\nFrom: alice@b.org\r\nCc: c@x.org\r\n"
    b"Subject: [list] =?utf-8?q?=C3=84pfel?=\r\n\r\n12",
    b"Date: nonsense\r\nFrom: <Alice@a.org>\r\nTo: a@x.org, z@x.org\r\nSubject: FWD: Apple (fwd)\r\n\r\n3456789",
    b"From: carol@a.org\r\nSubject: banana\r\n\r\n",
)


@pytest.fixture
def fruit(client):
    for number, mail in enumerate(MAILS):
        client.append(mail, extra=f'"0{number + 1}-Nov-2026 12:00:00 +0000" ')
    client.do("SELECT INBOX")
    return client


@pytest.mark.parametrize(
    "criteria,order",
    [
        ("ARRIVAL", "1 2 3 4"),
        ("REVERSE ARRIVAL", "4 3 2 1"),
        ("SIZE", "4 3 1 2"),
        ("DATE", "2 1 3 4"),
        ("FROM", "2 3 1 4"),
        ("REVERSE FROM", "4 1 2 3"),
        ("FROM REVERSE DATE", "3 2 1 4"),
        ("SUBJECT", "3 1 4 2"),
        ("SUBJECT REVERSE ARRIVAL", "3 4 1 2"),
        ("TO", "2 4 3 1"),
        ("CC", "1 3 4 2"),
    ],
)
def test_sort(fruit, criteria, order):
    assert fruit.do(f"SORT ({criteria}) UTF-8 ALL") == [b"* SORT " + order.encode()]


def test_sort_of_some(fruit):
    fruit.do(r"STORE 1 +FLAGS.SILENT (\Deleted)")
    fruit.do("EXPUNGE")
    assert fruit.do("UID SORT (REVERSE SIZE) US-ASCII FROM a.org") == [b"* SORT 3 4"]
    assert fruit.do("SORT (SUBJECT) UTF-8 ANSWERED") == [b"* SORT"]
    (line,) = fruit.do("SORT (SUBJECT) UTF-8 MODSEQ 1")
    assert re.fullmatch(rb"\* SORT 2 3 1 \(MODSEQ \d+\)", line)
    assert fruit.fails("SORT (DATE) KOI7 ALL").startswith(b"NO [BADCHARSET")
    for wrong in ("", "DATE UTF-8 ALL", "() UTF-8 ALL", "(REVERSE) UTF-8 ALL", "(X) UTF-8 ALL", "(DATE) ALL", "(DATE)"):
        assert fruit.fails("SORT " + wrong).startswith((b"BAD", b"NO [BADCHARSET")), wrong
    assert fruit.fails(f"SORT ({'DATE ' * 20}DATE) UTF-8 ALL").startswith(b"BAD")


class Unread(Sequence):
    """UIDs that are looked up and never gone through."""

    def __len__(self) -> int:
        return 100_000

    def __getitem__(self, at):
        return 2 * at

    def __iter__(self):
        raise AssertionError("all of them for one key")


def test_what_is_saved_is_not_gone_through_for_each_key():
    key, _ = keys.parse(Parser([b"$ " * 400 + b"NOT UID $"]), keys.Context(200_000, 200_000, Unread()))
    assert not any(key.test(SimpleNamespace(uid=uid), uid) for uid in range(20))
    key, _ = keys.parse(Parser([b"OR NOT $ $"]), keys.Context(200_000, 200_000, Unread()))
    assert all(key.test(SimpleNamespace(uid=uid), uid) for uid in range(20))


def test_a_criterion_given_again_is_not_looked_at_again():
    """What messages are compared by is in memory for all of them at once."""
    compared = sorting.parse(Parser([b"(SIZE REVERSE SIZE ARRIVAL SIZE)"]))
    assert len(compared(SimpleNamespace(size=7, date=5))) == 16


# ---------------------------------------------------------------------------------------------- base subjects


@pytest.mark.parametrize(
    "subject,base,reply",
    [
        ("", "", False),
        ("Hello  World", "hello world", False),
        ("Re: Re[2]: [x] hello", "hello", True),
        ("[a] [b] re: hello", "hello", True),
        ("[a] hello", "hello", False),
        ("[a]", "[a]", False),
        ("re: [a]", "[a]", True),
        ("hello (fwd) (Fwd) ", "hello", True),
        ("[Fwd: [a] re : hello]", "hello", True),
        ("fw: fwd:x", "x", True),
        ("regarding: x", "regarding: x", False),
        ("=?utf-8?q?Re=3A_Gr=C3=BC=C3=9Fe?=", "grüsse", True),
        ("re:", "", True),
    ],
)
def test_base_subject(subject, base, reply):
    assert subjects.base(subject.encode()) == (base, reply)


@given(st.lists(st.sampled_from(["re", ":", "[", "]", "fwd", "(fwd)", " ", "x", "[fwd:", "[a]"]), max_size=400))
def test_any_subject(words):
    text, _ = subjects.base("".join(words).encode())
    assert subjects.base(text.encode())[0] == text or len("".join(words)) > 300


# ---------------------------------------------------------------------------------------------- threads


def _mail(own, references=(), subject="x", minute=0, reply_to=()):
    lines = [f"Message-ID: <{own}@x>", f"Date: Mon, 02 Nov 2026 10:{minute:02}:00 +0000", f"Subject: {subject}"]
    if references:
        lines.append("References: " + "\r\n ".join(f"<{one}@x>" for one in references))
    if reply_to:
        lines.append("In-Reply-To: " + " ".join(f"<{one}@x>" for one in reply_to))
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_thread(client):
    for mail in (
        _mail("a", subject="one", minute=1),
        _mail("b", ["a"], "Re: one", 2),
        _mail("c", ["a", "b"], "Re: one", 3),
        _mail("d", ["a"], "Re: one", 4),
        _mail("e", ["gone"], "other", 5),
        _mail("f", ["gone"], "other", 6),
        _mail("g", ["lost"], "alone", 7),
        _mail("h", subject="Re: alone", minute=8),
        _mail("i", subject="twice", minute=9),
        _mail("j", subject="twice", minute=10),
        _mail("k", reply_to=["d", "a"], subject="new", minute=11),
        _mail("a", subject="same id", minute=12),
    ):
        client.append(mail)
    client.do("SELECT INBOX")
    assert client.do("THREAD REFERENCES UTF-8 ALL") == [
        b"* THREAD (1 (2 3)(4 11))((5)(6))(7 8)((9)(10))(12)",
    ]
    assert client.do("THREAD REFERENCES UTF-8 3:4") == [b"* THREAD ((3)(4))"]
    client.do(r"STORE 1 +FLAGS.SILENT (\Deleted)")
    client.do("EXPUNGE")
    assert client.do("UID THREAD REFERENCES UTF-8 1:3") == [b"* THREAD ((2 3)(4))"]
    assert client.do("THREAD REFERENCES UTF-8 ANSWERED") == [b"* THREAD"]
    for wrong in ("ORDEREDSUBJECT UTF-8 ALL", "REFERENCES ALL", "REFERENCES UTF-8", ""):
        assert client.fails("THREAD " + wrong).startswith((b"BAD", b"NO [BADCHARSET")), wrong


def _threaded(items):
    return b"".join(threads.threads(items, Work()))


@given(
    st.lists(
        st.tuples(
            st.integers(0, 8), st.lists(st.integers(1, 12), max_size=5), st.sampled_from(["", "a", "b"]), st.booleans()
        ),
        max_size=12,
    )
)
def test_each_message_is_in_one_thread(mails):
    items = [Item(n, own, refs, n % 3, subject, reply) for n, (own, refs, subject, reply) in enumerate(mails, 1)]
    text = _threaded(items)
    assert sorted(map(int, re.findall(rb"\d+", text))) == list(range(1, len(mails) + 1))
    assert text.count(b"(") == text.count(b")") and b"()" not in text


class Counted(Work):
    """Counts the steps of the work."""

    steps = 0

    def each(self, items):
        for item in items:
            self.steps += 1
            yield item


def test_deep_threads_take_time_in_proportion():
    """A chain in which each message names the one before, told from the end: no recursion, no long way to the root."""
    chains = {}
    for size in (2000, 4000):
        items = [Item(n, n, [n - 1] if n > 1 else [], n, "s", True) for n in range(size, 0, -1)]
        work = Counted()
        text = b"".join(threads.threads(items, work))
        assert text == b"(" + b" ".join(b"%d" % n for n in range(1, size + 1)) + b")"
        chains[size] = work.steps
    assert chains[4000] < 2.2 * chains[2000]


def test_loops_of_references():
    items = [Item(1, 1, [2], 1, "", False), Item(2, 2, [3], 2, "", False), Item(3, 3, [1], 3, "", False)]
    assert sorted(re.findall(rb"\d", _threaded(items))) == [b"1", b"2", b"3"]
    assert _threaded([Item(1, 1, [1, 1], 1, "", False)]) == b"(1)"
