"""The queue by itself: what is sent when. Times are those of the test."""

from __future__ import annotations

import pytest
from chatgate_push import PushOptions
from chatgate_push.queue import Entry, Queue
from hypothesis import given, settings
from hypothesis import strategies as st

T = 1_800_000_000.0


@pytest.fixture
def queue() -> Queue:
    return Queue(PushOptions())


def sent(queue: Queue, now: float, limit: int = 100) -> list[Entry]:
    """Take what is due, and begin the requests."""
    entries, given_up = queue.take(now, limit)
    assert not given_up
    for entry in entries:
        entry.started = now
    return entries


def test_a_burst_is_one_request_after_the_window(queue):
    assert queue.add(b"a", T, T) == "queued"
    assert [queue.add(b"a", T + i / 100, T + i / 100) for i in range(20)] == ["coalesced"] * 20
    assert queue.next_due() == pytest.approx(T + 0.3)
    assert queue.take(T + 0.29, 100) == ([], 0)
    (entry,) = sent(queue, T + 0.31)
    assert entry.stored == T and queue.next_due() is None
    assert not queue.done(entry)
    assert len(queue) == 0


def test_mail_before_the_request_began_is_covered_by_it(queue):
    queue.add(b"a", T, T)
    (entry,), _ = queue.take(T + 1, 1)
    queue.add(b"a", T + 1.1, T + 1.1)  # taken, but not sent yet
    entry.started = T + 1.2
    queue.add(b"a", T + 1.15, T + 1.15)  # told late
    assert not queue.done(entry)
    assert len(queue) == 0


def test_mail_after_the_request_began_gets_one_more(queue):
    queue.add(b"a", T, T)
    (entry,) = sent(queue, T + 1)
    queue.add(b"a", T + 1.5, T + 1.5)
    queue.add(b"a", T + 1.6, T + 1.6)
    assert queue.done(entry)
    assert queue.next_due() == pytest.approx(T + 1.8)
    (again,) = sent(queue, T + 2)
    assert again.stored == T + 1.5 and again.tries == 0
    assert not queue.done(again)


def test_mail_gathered_around_the_start_of_the_request_is_not_covered(queue):
    queue.add(b"a", T, T)
    (entry,) = sent(queue, T + 1)
    queue.add(b"a", T + 0.99, T + 1.01)
    assert queue.done(entry)


def test_retries_come_after_seconds_then_slower_and_end_after_five_hours(queue):
    queue.add(b"a", T, T)
    now, delays = T + 0.3, []
    while True:
        (entry,) = sent(queue, now)
        if not queue.failed(entry, now):
            break
        delays.append(queue.next_due() - now)
        now = queue.next_due()
    for delay, nominal in zip(delays, (2, 8, 32, 128, 512, 1800, 1800), strict=False):
        assert nominal * 0.8 <= delay <= nominal * 1.2
    assert T + 5 * 3600 - 1800 * 1.2 <= now <= T + 5 * 3600
    assert len(queue) == 0 and queue.next_due() is None


def test_new_mail_brings_a_late_retry_forward_and_renews_its_five_hours(queue):
    queue.add(b"a", T, T)
    now = T + 0.3
    for _ in range(6):
        (entry,) = sent(queue, now)
        queue.failed(entry, now)
        now = queue.next_due()
    mail = now - 500  # half an hour was to pass
    queue.add(b"a", mail, mail)
    assert queue.next_due() == mail + 2
    (entry,) = sent(queue, mail + 2)
    assert queue.failed(entry, T + 5 * 3600 - 1000)  # over, counted from the first mail
    assert entry.stored == T


def test_a_lot_of_mail_for_a_token_that_fails_is_no_lot_of_requests(queue):
    now, requests = T, 0
    for i in range(1000):
        now = T + i * 0.1
        queue.add(b"a", now, now)
        for entry in sent(queue, now):
            requests += 1
            queue.failed(entry, now)
    assert 20 <= requests <= 100  # 100 seconds, and at least 1.6 between two


def test_what_waited_too_long_for_the_service_to_work_again_is_given_up():
    queue = Queue(PushOptions(max_waiting=3))
    for key in (b"a", b"b"):
        queue.add(key, T, T)
    queue.add(b"c", T + 60, T + 60)
    queue.add(b"b", T + 60, T + 60)
    entries, given_up = queue.take(T + 5 * 3600 + 1, 10)
    assert (sorted(entry.digest for entry in entries), given_up) == ([b"b", b"c"], 1)
    assert len(queue) == 2 and queue.add(b"d", T + 18060, T + 18060) == "queued"


def test_rescheduling_takes_no_more_and_more_memory(queue):
    queue.load(Entry(b"other", T, T, T + 1400, 5), T)  # in front of what becomes stale
    for i in range(550):  # tokens that the service refuses, and mail for them that always brings the retry forward
        now = T + i * 2.5
        for key in range(10):
            queue.add(bytes([key]), now, now)
        for entry in sent(queue, now):
            entry.tries = 10
            queue.failed(entry, now)
    assert len(queue._heap) < 1100


def test_what_is_too_much_is_dropped_and_a_known_token_is_not(queue):
    queue = Queue(PushOptions(max_waiting=2))
    assert [queue.add(key, T, T) for key in (b"a", b"b", b"c", b"a")] == ["queued", "queued", "dropped", "coalesced"]


def test_take_gives_the_earliest_and_no_more_than_asked_for(queue):
    for i in range(10):
        queue.add(bytes([i]), T - i, T - i)
    assert [entry.digest[0] for entry in sent(queue, T + 1, 3)] == [9, 8, 7]


def test_when_the_service_works_again_all_that_failed_is_due(queue):
    for key in (b"a", b"b"):
        queue.add(key, T, T)
    for entry in sent(queue, T + 1):
        for _ in range(5):
            entry.tries += 1
        queue.failed(entry, T + 1)
    queue.add(b"new", T + 2, T + 2)
    queue.hurry(T + 2)
    assert {entry.digest for entry in sent(queue, T + 2)} == {b"a", b"b"}  # a fresh one still gathers


def test_a_clock_put_back_does_not_stop_what_was_waiting(queue):
    queue.load(Entry(b"a", T, T, T + 900_000.0, 3), T)
    assert queue.next_due() <= T + 1800


def test_a_notification_from_the_future_does_not_wait_for_ever(queue):
    """The clock was years ahead, and then set right."""
    queue.load(Entry(b"a", T + 1e8, T + 1e8, T + 1e8, 3), T)
    (entry,) = sent(queue, T + 1800)
    assert entry.stored == T
    assert not queue.failed(entry, T + 5 * 3600)


def test_mail_that_comes_while_a_request_fails_brings_the_retry_forward(queue):
    queue.add(b"a", T, T)
    (entry,) = sent(queue, T + 1)
    entry.tries = 5
    queue.add(b"a", T + 10, T + 10)
    assert queue.failed(entry, T + 20)
    assert queue.next_due() <= T + 20 + 2.4


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.sampled_from(["mail", "take", "ok", "fail", "back", "hurry"]), st.integers(0, 4), st.floats(0, 5))
    )
)
def test_no_mail_stays_untold(steps):
    """Whatever happens in whatever order: when all is quiet, each token's last mail is older than the beginning of an
    accepted request; never are two requests under way for one token; and nothing remains in the queue.
    """
    queue = Queue(PushOptions(give_up_hours=10_000.0))
    now, mails, told, under_way = T, {}, {}, {}
    for what, key, seconds in steps:
        now += seconds
        digest = bytes([key])
        if what == "mail":
            queue.add(digest, now, now)
            mails[digest] = now
        elif what == "take":
            for entry in sent(queue, now):
                assert entry.digest not in under_way
                under_way[entry.digest] = entry
        elif what == "hurry":
            queue.hurry(now)
        elif entry := under_way.pop(digest, None):
            if what == "ok":
                told[digest] = entry.started
                queue.done(entry)
            elif what == "fail":
                queue.failed(entry, now)
            else:
                queue.put_back(entry, now)
    for digest, entry in under_way.items():
        told[digest] = entry.started
        queue.done(entry)
    while (due := queue.next_due()) is not None:
        now = max(now, due)
        for entry in sent(queue, now):
            told[entry.digest] = now
            queue.done(entry)
    assert len(queue) == 0
    assert all(told[digest] >= time for digest, time in mails.items())
