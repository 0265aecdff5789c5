"""What connections keep in memory of mailboxes: it is little, and it has bounds."""

from __future__ import annotations

import tracemalloc
from types import SimpleNamespace

import pytest
from chatgate_imap.message.header import Header
from chatgate_imap.queries import sorting, threads
from chatgate_imap.session import recent, view
from chatgate_imap.session.contents import FETCHED, GONE, UNTOLD, Messages
from chatgate_imap.session.gathered import _LITTLE, Gathered, Share
from chatgate_imap.syntax import flags
from chatgate_imap.syntax.answers import No
from chatgate_imap.syntax.parser import Parser
from hypothesis import given
from hypothesis import strategies as st
from imap_trace import Client

from chatgate.api import Changes, Message, Work

FLAGS = st.frozensets(st.sampled_from(["\\Seen", "\\Deleted", "$a", "$b", "$c", "$d", "$e", "$f"]))
MAILBOX = st.lists(st.tuples(st.integers(1, 2**60), FLAGS, st.integers(0, 2**40), st.integers(-(2**40), 2**40)))


NONE = frozenset[str]()


def mailbox(columns, first=1):
    return [Message(uid, *column) for uid, column in enumerate(columns, first)]


def filled(messages):
    made = Messages()
    made.extend(messages)
    return made


@given(MAILBOX, MAILBOX, st.data())
def test_messages_come_out_as_they_went_in(columns, later, data):
    there = mailbox(columns)
    kept = Messages()
    assert kept.extend(there) == {message.flags for message in there}
    coming = mailbox(later, len(there) + 1)
    kept.join(filled(coming))
    there += coming
    for at in range(len(there)):
        if data.draw(st.booleans()):
            there[at] = there[at]._replace(flags=data.draw(FLAGS), modseq=7)
            kept.change([(at, there[at])])
    assert list(kept) == there and [kept[at] for at in range(len(there))] == there
    for at, message in enumerate(there):
        if message.uid % 3 == 0:
            kept.mark(at, FETCHED)
    gone = data.draw(st.sets(st.sampled_from(range(len(there))))) if there else set()
    kept.remove(sorted(gone, reverse=True))
    assert list(kept) == [message for at, message in enumerate(there) if at not in gone]
    assert list(kept.marks) == [FETCHED if message.uid % 3 == 0 else 0 for message in kept]
    assert kept.octets >= 37 * len(kept)
    kept.remove(range(len(kept) - 1, -1, -1))
    assert kept.octets == 0


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30), st.sets(st.integers(0, 29)))
def test_marks(marked, gone):
    kept = filled(mailbox([(1, NONE, 1, 1)] * len(marked)))
    for at, (untold, fetched) in enumerate(marked):
        for mark in [UNTOLD] * untold + [FETCHED] * fetched:
            assert kept.mark(at, mark) and not kept.mark(at, mark)
    assert list(kept.marked(UNTOLD)) == [at for at, (untold, _) in enumerate(marked) if untold]
    assert list(kept.marked(UNTOLD | FETCHED)) == [at for at, either in enumerate(marked) if any(either)]
    kept.mark_all(GONE)
    stay = [at for at in range(len(marked)) if at not in gone]
    for at in stay:
        kept.unmark(at, GONE | FETCHED)
    assert not any(kept.marks[at] & FETCHED for at in stay)
    kept.remove(list(kept.marked(GONE))[::-1])
    assert [uid - 1 for uid in kept.uids] == stay and not list(kept.marked(GONE))
    assert [bool(mark & UNTOLD) for mark in kept.marks] == [marked[at][0] for at in stay]


class Changing:
    """A store with one mailbox, in which all messages have changed since it was opened, or all are gone."""

    def __init__(self, count, expunged):
        self.count, self.expunged = count, expunged

    def status(self, mailbox_id):
        return SimpleNamespace(modseq=1, uidnext=self.count + 1)

    def pages(self, mailbox_id, uidnext, modseq=1):
        for first in range(1, uidnext, 1000):
            yield mailbox([(modseq, NONE, 1, 1)] * 1000, first)

    def changes(self, mailbox_id, since):
        there = (m for page in self.pages(mailbox_id, self.count + 1, 2) for m in page)
        gone = range(1, self.count + 1) if self.expunged else []
        return Changes(2, self.count + 1, [] if self.expunged else there, gone)


@pytest.mark.parametrize("expunged", [False, True])
def test_to_tell_of_many_changes_takes_next_to_no_memory(expunged):
    """What is noted of them stands in columns. As sets it took 100 octets and more for each."""
    count = 20_000
    store, place = Changing(count, expunged), SimpleNamespace(id=1)
    opened = view.View(store, place, recent.Recent(), False, Work(), Share(Gathered(1 << 30, 1 << 30), 1))
    list(opened.messages.marked(GONE))
    tracemalloc.start()
    try:
        said = sum(1 for _ in opened.news(expunges=True))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert said >= count
    assert most < 20 * count + 500_000  # of which a page of the store is the most


@pytest.mark.parametrize("each,length", [(50, 18), (50, 2), (4, 200), (0, 0), (1, 10)])
def test_flags_of_many_messages_take_little_more_than_their_text(each, length):
    """50 000 messages with 50 keywords each once took 200 MB in every session."""

    def pages():
        for start in range(0, 4000, 500):
            yield [
                Message(uid, 1, frozenset(f"{uid}{n}".ljust(length, "x") for n in range(each)) or NONE, 1, 1)
                for uid in range(start + 1, start + 501)
            ]

    tracemalloc.start()
    try:
        kept = Messages()
        for page in pages():
            kept.extend(page)
        del page
        flags.packed.cache_clear()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    text = sum(len(" ".join(message.flags)) for message in kept)
    assert taken < 2 * text + 450 * len(kept)
    assert taken / 2 < kept.octets + 50_000 and kept.octets < 2 * taken + 50_000


@given(
    st.lists(st.tuples(st.integers(0, 2**40), st.integers(-(2**40), 2**40)), max_size=30),
    st.permutations(["SIZE", "ARRIVAL"]),
    st.tuples(st.booleans(), st.booleans()),
)
def test_numbers_are_compared_as_numbers(rows, names, falling):
    criteria = " ".join("REVERSE " * down + name for name, down in zip(names, falling, strict=True))
    compared = sorting.parse(Parser([b"(%s)" % criteria.encode()]))
    sources = [SimpleNamespace(size=size, date=date) for size, date in rows]

    def key(source):
        values = {"SIZE": source.size, "ARRIVAL": source.date}
        return [-values[name] if down else values[name] for name, down in zip(names, falling, strict=True)]

    assert sorted(sources, key=compared) == sorted(sources, key=key)


TEXTS = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5), max_size=30)


@given(TEXTS)
def test_texts_are_compared_as_texts(texts):
    assert sorted(texts, key=sorting._octets) == sorted(texts)
    falling = sorted(texts, key=lambda text: sorting._octets(text).translate(sorting._TURNED_ROUND))
    assert falling == sorted(texts, reverse=True)


def test_what_is_compared_has_a_length():
    assert len(sorting._octets("ä" * 10_000)) <= 201


def test_an_account_has_its_share_and_all_together_too(monkeypatch):
    monkeypatch.setattr("chatgate_imap.session.gathered._LITTLE", 0)
    gathered = Gathered(10, 15)
    one, other, same = Share(gathered, 1), Share(gathered, 2), Share(gathered, 1)
    one.hold(8)
    with pytest.raises(No):
        same.more(3)
    same.more(2)
    with pytest.raises(No):
        Gathered(10, 15).add(1, 11)
    other.hold(5)
    with pytest.raises(No):
        other.more(1)
    one.hold(1)  # less is always possible
    other.more(5)
    for share in (one, other, same):
        share.release()
    assert gathered.total == 0 and not gathered._held


def test_when_all_is_taken_those_who_have_little_may_have_that():
    gathered = Gathered(10 * _LITTLE, 10 * _LITTLE)
    Share(gathered, 1).hold(10 * _LITTLE)
    other = Share(gathered, 2)
    other.hold(_LITTLE)
    with pytest.raises(No):
        other.more(1)


@pytest.fixture
def crowded(own_gateway):
    """An account with 40 messages that may have 3000 octets of them open."""
    gateway = own_gateway(imap={"max_gathered_bytes_per_account": 3000})
    with Client(gateway) as client:
        client.do("LOGIN a@example.org passpass1")
        client.append(b"Subject: a\r\n\r\n")
        for count in (1, 2, 4, 8, 16, 8):
            client.do("SELECT INBOX")
            client.do(f"COPY 1:{count} INBOX")
    return gateway


def login(gateway):
    client = Client(gateway)
    client.do("LOGIN a@example.org passpass1")
    return client


def test_more_connections_than_an_account_may_have_mailboxes_open(crowded):
    with login(crowded) as one, login(crowded) as other:
        one.do("SELECT INBOX")
        other.do("SELECT INBOX")
        with login(crowded) as third:
            assert third.fails("SELECT INBOX").startswith(b"NO [LIMIT] Too many messages are open")
            other.do("UNSELECT")
            third.do("SELECT INBOX")
        other.do("CREATE empty")
        other.do("SELECT empty")


@pytest.mark.parametrize("command", ["SORT (SUBJECT DATE) UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL"])
def test_what_is_sorted_counts_while_it_is_sorted(crowded, command):
    with login(crowded) as client:
        client.do("SELECT INBOX")
        assert client.fails(command).startswith(b"NO [LIMIT]")
        for _ in range(20):
            assert client.do(command.replace("ALL", "1:3"))
        assert client.do("SEARCH ALL")


def test_a_view_that_grows_beyond_the_share_ends(crowded):
    with login(crowded) as watching, login(crowded) as busy:
        watching.do("SELECT INBOX")
        busy.do("SELECT INBOX")
        with pytest.raises(EOFError):
            busy.do("COPY 1:20 INBOX")
        assert busy.lines[-1].startswith(b"* BYE [LIMIT]")
        assert b"* 60 EXISTS" in watching.do("NOOP")


def test_what_is_to_be_told_takes_no_more(crowded):
    """It waits while only FETCH runs, RFC 3501 §7.4.1, however many messages it is of."""
    with login(crowded) as busy, login(crowded) as other:
        busy.do("SELECT INBOX")
        other.do("SELECT INBOX")
        other.do("STORE 1:40 +FLAGS (\\Deleted)")
        other.do("EXPUNGE")
        assert len(busy.do("FETCH 1:40 UID")) == 40
        assert busy.do("NOOP") == [b"* %d EXPUNGE" % number for number in range(40, 0, -1)]


def test_recents_are_counted_when_messages_have_come_or_gone(own_gateway, monkeypatch):
    counted = []
    count = recent.Own.count
    monkeypatch.setattr(recent.Own, "count", lambda self, uids: counted.append(1) or count(self, uids))
    with login(own_gateway()) as client:
        client.append(b"x")
        client.do("SELECT INBOX")
        at = len(counted)
        for _ in range(5):
            client.do("NOOP")
            client.do("STORE 1 +FLAGS (\\Flagged)")
            client.do("STORE 1 -FLAGS (\\Flagged)")
        assert len(counted) == at
        client.append(b"y")
        assert len(counted) == at + 1
        client.do("STORE 1 +FLAGS (\\Deleted)")
        assert b"* 1 RECENT" in client.do("EXPUNGE")


def test_what_thread_knows_of_a_message_is_small():
    references = b" ".join(b"<%d@x>" % n for n in range(100))
    octets = b"Subject: %s\r\nReferences: %s\r\n\r\n" % (b"s" * 250, references)
    source = SimpleNamespace(header=lambda: Header(octets, Work()), date=1)
    items = threads.Items(SimpleNamespace(more=lambda octets: None))
    tracemalloc.start()
    try:
        items.add(source, 1)
        before, _ = tracemalloc.get_traced_memory()
        for number in range(200):
            items.add(source, number)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / 200 < 1300  # 800 of them for the references


def test_many_changes_are_told_whole(own_gateway, monkeypatch):
    monkeypatch.setattr(view, "_AT_ONCE", 3)
    gateway = own_gateway()
    with login(gateway) as one, login(gateway) as other:
        for _ in range(10):
            one.append(b"x")
        for client in (one, other):
            client.do("SELECT INBOX")
        other.do("STORE 2:9 +FLAGS ($one)")
        other.do("COPY 1:10 INBOX")
        other.do("STORE 12 +FLAGS ($two)")
        told = one.do("NOOP")
        assert sum(b"FETCH" in line for line in told) == 8 and b"* 20 EXISTS" in told
        assert any(b"$two" in line for line in told if line.startswith(b"* FLAGS"))
        assert one.do("SEARCH KEYWORD $one") == [b"* SEARCH 2 3 4 5 6 7 8 9 12 13 14 15 16 17 18 19"]
