"""The rules, without a store: what goes, in which order, and what never goes."""

import gevent
import pytest
from chatgate_sweeper import SweeperOptions, rules
from hypothesis import example, given
from hypothesis import strategies as st

from chatgate.api import Account, Kept, Usage

DAY = 86400
NOW = 1000 * DAY
LARGE = 100_000
OPTIONS = SweeperOptions(large_bytes=LARGE)

messages = st.builds(
    Kept,
    mailbox_id=st.integers(1, 3),
    uid=st.integers(1, 1000),
    size=st.integers(0, 2 * LARGE),
    date=st.integers(NOW - 30 * DAY, NOW + DAY),
    fetches=st.integers(0, 3),
)
mailboxes = st.lists(messages, max_size=40, unique_by=lambda kept: (kept.mailbox_id, kept.uid))
quotas = st.integers(0, 50 * LARGE)


def under(quota, messages=0):
    return Usage(0, 0, quota, messages)


def size(kept):
    return sum(k.size for k in kept)


def had(kept, among):
    """Has every device it, as far as that shows? Said once more, in other words than the code's."""
    return kept.fetches > 0 and all(
        kept.fetches >= older.fetches
        for older in among
        if (older.date, older.mailbox_id, older.uid) < (kept.date, kept.mailbox_id, kept.uid)
    )


def sheltered(kept, among):
    return not had(kept, among) and NOW - kept.date < 24 * 3600


@given(mailboxes, quotas)
@example([Kept(1, 1, 100, NOW - 24 * 3600, 0), Kept(1, 2, 100, NOW - 24 * 3600 + 1, 0)], 200)
@example([Kept(1, 1, 100, NOW - 24 * 3600, 2), Kept(1, 2, 100, NOW - 24 * 3600 + 1, 1)], 200)
@example([Kept(1, 1, 100, NOW + DAY, 0)], 100)
def test_what_is_young_and_not_on_every_device_is_never_evicted(kept, quota):
    going = rules.evicted(kept, under(quota), OPTIONS, NOW)
    assert not any(sheltered(k, kept) or (not k.fetches and NOW - k.date < 24 * 3600) for k in going)


@given(mailboxes, quotas)
def test_eviction_begins_at_one_share_and_ends_at_the_other(kept, quota):
    going = rules.evicted(kept, under(quota), OPTIONS, NOW)
    assert len(set(going)) == len(going) and set(going) <= set(kept)
    left = size(kept) - size(going)
    if not quota or size(kept) < 0.75 * quota:
        assert going == []
    elif left > 0.7 * quota:
        assert all(sheltered(k, kept) for k in set(kept) - set(going))  # nothing more may go
    if going:
        assert left + going[-1].size > 0.7 * quota  # and not one more than needed


@given(mailboxes, quotas)
def test_what_all_devices_have_goes_first_then_large_then_the_oldest(kept, quota):
    going = rules.evicted(kept, under(quota), OPTIONS, NOW)
    staying = [k for k in kept if k not in going and not sheltered(k, kept)]
    for gone in going:
        for stays in staying:
            assert had(gone, kept) or not had(stays, kept)
            if had(gone, kept) == had(stays, kept):
                assert gone.size > LARGE or stays.size <= LARGE
                if (gone.size > LARGE) == (stays.size > LARGE):
                    assert gone.date <= stays.date


def test_a_second_device_counts_from_its_coming_on():
    day = [NOW - n * DAY for n in range(6)]
    alone, both, one = Kept(1, 1, 1, day[5], 1), Kept(1, 2, 1, day[4], 2), Kept(1, 3, 1, day[3], 1)
    assert rules.had_by_all([one, both, alone]) == {alone, both}
    newer = [Kept(2, 4, 1, day[2], 3), Kept(1, 4, 1, day[1], 2), Kept(1, 5, 1, day[0], 0)]
    assert rules.had_by_all([alone, both, one, *newer]) == {alone, both, newer[0]}


@given(mailboxes, quotas, st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_the_order_of_reading(kept, quota, random):
    shuffled = random.sample(kept, len(kept))
    assert rules.evicted(shuffled, under(quota), OPTIONS, NOW) == rules.evicted(kept, under(quota), OPTIONS, NOW)


def test_a_mailbox_of_thousands_leaves_turns_to_others(short_turns):
    turns = []

    def other():
        while True:
            turns.append(1)
            gevent.sleep(0)

    task = gevent.spawn(other)
    going = rules.evicted([Kept(1, n, 10, NOW - n, 1) for n in range(10_000)], under(100_000), OPTIONS, NOW)
    task.kill()
    assert len(going) == 3000 and len(turns) > 50


@pytest.mark.parametrize(
    ("kept", "rule"),
    [
        (Kept(1, 1, 1, NOW - 20 * DAY, 0), None),
        (Kept(1, 1, 1, NOW - 20 * DAY - 1, 0), "old"),
        (Kept(1, 1, LARGE + 1, NOW - 20 * DAY - 1, 1), "old"),
        (Kept(1, 1, LARGE + 1, NOW - 7 * DAY - 1, 1), "large"),
        (Kept(1, 1, LARGE + 1, NOW - 7 * DAY, 1), None),
        (Kept(1, 1, LARGE, NOW - 7 * DAY - 1, 1), None),
        (Kept(1, 1, LARGE + 1, NOW - 7 * DAY - 1, 0), None),
    ],
)
def test_what_is_due(kept, rule):
    assert rules.due(kept, OPTIONS, NOW) == rule


def test_rules_that_are_off():
    off = SweeperOptions(days=0, large_days=0, account_days=0)
    assert rules.due(Kept(1, 1, 1 << 30, 0, 1), off, NOW) is None
    assert not rules.idle(Account(1, "a@b"), off, NOW)


def test_idle_accounts():
    def idle(last_login, created, disabled="", now=NOW):
        account = Account(1, "a@b", "", last_login, created, disabled)
        return rules.idle(account, OPTIONS, now)

    assert idle(909, 1) and not idle(910, 1) and not idle(999, 1)
    assert idle(0, 909) and not idle(0, 910)
    assert not idle(909, 1, "disabled")
    assert not idle(909, 1, now=NOW - 1)


@pytest.mark.parametrize(
    "options",
    [
        {"evict_at_percent": 60},
        {"evict_to_percent": 0},
        {"evict_at_percent": 101},
        {"large_bytes": 65535},
        {"no_large_mail_below_bytes": 2_000_000_000},
    ],
)
def test_options_that_contradict_each_other(options):
    with pytest.raises(ValueError):
        SweeperOptions(**options)


@given(mailboxes, st.integers(1, 60))
def test_an_account_with_too_many_messages_is_evicted_by_their_number(kept, most):
    going = rules.evicted(kept, under(0, most), OPTIONS, NOW)
    if len(kept) * 100 < most * OPTIONS.evict_at_percent:
        assert going == []
    else:
        left = len(kept) - len(going)
        free = [k for k in kept if k not in going and not sheltered(k, kept)]
        assert left * 100 <= most * OPTIONS.evict_to_percent or not free
        assert not going or (left + 1) * 100 > most * OPTIONS.evict_to_percent


@pytest.mark.parametrize("usage, percent", [((50, 1, 100, 0), 50), ((50, 9, 100, 10), 90), ((50, 9, 0, 0), 0)])
def test_how_full_an_account_is(usage, percent):
    assert rules.percent(Usage(*usage)) == percent
