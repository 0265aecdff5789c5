"""The rules, without a store: what goes, in which order, and what never goes."""

import pytest
from chatgate_sweeper import SweeperOptions, rules
from hypothesis import example, given
from hypothesis import strategies as st

from chatgate.api import Account, Kept

DAY = 86400
NOW = 1000 * DAY
OPTIONS = SweeperOptions(large_bytes=200)

messages = st.builds(
    Kept,
    mailbox_id=st.integers(1, 3),
    uid=st.integers(1, 1000),
    size=st.integers(0, 400),
    date=st.integers(NOW - 30 * DAY, NOW + DAY),
    fetched=st.booleans(),
)
mailboxes = st.lists(messages, max_size=40, unique_by=lambda kept: (kept.mailbox_id, kept.uid))
quotas = st.integers(0, 10_000)


def size(kept):
    return sum(k.size for k in kept)


def sheltered(kept):
    """Said once more, in other words than the code's."""
    return not kept.fetched and NOW - kept.date < 24 * 3600


@given(mailboxes, quotas)
@example([Kept(1, 1, 100, NOW - 24 * 3600, False), Kept(1, 2, 100, NOW - 24 * 3600 + 1, False)], 200)
@example([Kept(1, 1, 100, NOW + DAY, False)], 100)
def test_what_is_young_and_unfetched_is_never_evicted(kept, quota):
    assert not any(map(sheltered, rules.evicted(kept, quota, OPTIONS, NOW)))


@given(mailboxes, quotas)
def test_eviction_begins_at_one_share_and_ends_at_the_other(kept, quota):
    going = rules.evicted(kept, quota, OPTIONS, NOW)
    assert len(set(going)) == len(going) and set(going) <= set(kept)
    left = size(kept) - size(going)
    if not quota or size(kept) < 0.75 * quota:
        assert going == []
    elif left > 0.7 * quota:
        assert all(map(sheltered, set(kept) - set(going)))  # nothing more may go
    if going:
        assert left + going[-1].size > 0.7 * quota  # and not one more than needed


@given(mailboxes, quotas)
def test_fetched_go_first_then_large_then_the_oldest(kept, quota):
    going = rules.evicted(kept, quota, OPTIONS, NOW)
    staying = [k for k in kept if k not in going and not sheltered(k)]
    for gone in going:
        for stays in staying:
            assert gone.fetched or not stays.fetched
            if gone.fetched == stays.fetched:
                assert gone.size > 200 or stays.size <= 200
                if (gone.size > 200) == (stays.size > 200):
                    assert gone.date <= stays.date


@given(mailboxes, quotas, st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_the_order_of_reading(kept, quota, random):
    shuffled = random.sample(kept, len(kept))
    assert rules.evicted(shuffled, quota, OPTIONS, NOW) == rules.evicted(kept, quota, OPTIONS, NOW)


@pytest.mark.parametrize(
    ("kept", "rule"),
    [
        (Kept(1, 1, 1, NOW - 20 * DAY, False), None),
        (Kept(1, 1, 1, NOW - 20 * DAY - 1, False), "old"),
        (Kept(1, 1, 201, NOW - 20 * DAY - 1, True), "old"),
        (Kept(1, 1, 201, NOW - 7 * DAY - 1, True), "large"),
        (Kept(1, 1, 201, NOW - 7 * DAY, True), None),
        (Kept(1, 1, 200, NOW - 7 * DAY - 1, True), None),
        (Kept(1, 1, 201, NOW - 7 * DAY - 1, False), None),
    ],
)
def test_what_is_due(kept, rule):
    assert rules.due(kept, OPTIONS, NOW) == rule


def test_rules_that_are_off():
    off = SweeperOptions(days=0, large_days=0, account_days=0)
    assert rules.due(Kept(1, 1, 1 << 30, 0, True), off, NOW) is None
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
        {"no_large_mail_below_bytes": 2_000_000_000},
    ],
)
def test_options_that_contradict_each_other(options):
    with pytest.raises(ValueError):
        SweeperOptions(**options)
