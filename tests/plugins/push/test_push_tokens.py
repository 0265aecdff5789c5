"""Tokens: set and read as METADATA, dropped when old."""

from __future__ import annotations

import pytest
from chatgate_push.hooks import Days
from hypothesis import given, settings
from hypothesis import strategies as st
from push_fakes import ENTRY, Memory, session

from chatgate.api import Account

DAY = 86400


@pytest.fixture(params=["file", "memory"])
def memory(request):
    """Each of these tests holds wherever the tokens are."""
    return Memory() if request.param == "memory" else None


def test_tokens_come_back_in_order_with_a_blank_between(push):
    plugin = push()
    plugin.set(1, "openpgp:one", "two")
    plugin.set(2, "three")
    assert plugin.get(1) == "openpgp:one two"
    assert plugin.get(2) == "three"
    assert plugin.get(3) == ""


def test_the_same_token_again_is_no_second_one(push):
    plugin = push()
    plugin.set(1, "one", "two", "one", "one")
    assert plugin.get(1) == "one two"


def test_tokens_survive_a_restart(push):
    push().set(1, "one")
    assert push().get(1) == "one"


def test_a_token_is_dropped_after_90_days_unless_set_again(push, clock):
    plugin = push(clock=clock)
    plugin.set(1, "old", "used")
    clock.now += 60 * DAY
    plugin.set(1, "used")
    clock.now += 30 * DAY
    assert plugin.get(1) == "old used"
    clock.now += DAY
    assert plugin.get(1) == "used"
    assert plugin.chatgate_expire(clock.now) == {"push_tokens": 1}
    assert plugin.chatgate_expire(clock.now) == {"push_tokens": 0}


def test_a_token_from_the_future_does_not_live_for_ever(push, clock):
    plugin = push(clock=clock)
    clock.now += 1000 * DAY
    plugin.set(1, "one")
    clock.now -= 1000 * DAY
    assert plugin.get(1) == ""
    plugin.set(1, "one")
    assert plugin.get(1) == "one"


def test_the_device_not_seen_for_longest_goes_when_there_are_too_many(push, clock):
    plugin = push(clock=clock, max_tokens=3)
    plugin.set(1, "a", "b", "c")
    clock.now += DAY
    plugin.set(1, "a")
    plugin.set(1, "d")
    assert plugin.get(1) == "a c d"


def test_nil_removes_all_of_this_account(push):
    plugin = push()
    plugin.set(1, "a", "b")
    plugin.set(2, "c")
    reply = plugin.chatgate_set_metadata(session(1), "INBOX", ENTRY, None)
    assert reply.accepts
    assert (plugin.get(1), plugin.get(2)) == ("", "c")


@pytest.mark.parametrize("value", ["", "two words", "new\nline", "nul\0", "t\xfcr", "x" * 4097])
def test_what_is_no_token_is_refused(push, value):
    plugin = push()
    assert not plugin.set(1, value).accepts
    assert plugin.get(1) == ""


def test_the_longest_token(push):
    plugin = push()
    assert plugin.set(1, "x" * 4096).accepts
    assert plugin.get(1) == "x" * 4096


@pytest.mark.parametrize(
    "mailbox, entry", [("", ENTRY), ("Sent", ENTRY), ("INBOX", "/private/other"), ("INBOX", "/shared/devicetoken")]
)
def test_other_entries_are_for_other_plugins(push, mailbox, entry):
    plugin = push()
    plugin.set(1, "one")
    assert plugin.chatgate_set_metadata(session(1), mailbox, entry, b"x") is None
    assert plugin.chatgate_get_metadata(session(1), mailbox, entry) is None


def test_nobody_logged_in(push):
    stranger = session(1)
    stranger.account = None
    assert push().chatgate_get_metadata(stranger, "INBOX", ENTRY) is None
    assert push().chatgate_set_metadata(stranger, "INBOX", ENTRY, b"x") is None


def test_tokens_of_a_removed_account_go(push):
    plugin = push()
    plugin.set(1, "one")
    plugin.chatgate_account_removed(Account(1, "user1@example.org"))
    assert plugin.get(1) == ""


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 2), st.sampled_from("abcdef"), st.integers(0, 40)), max_size=20))
def test_tokens_like_a_plain_dictionary(push, clock, steps):
    """Against a model: {account: {value: day it was set last}} with the limits of 4 tokens and 90 days."""
    plugin = push(clock=clock, max_tokens=4)
    for account in (1, 2):
        plugin.chatgate_set_metadata(session(account), "INBOX", ENTRY, None)
    model: dict[int, dict[str, int]] = {1: {}, 2: {}}
    for account, value, days in steps:
        clock.now += days * DAY
        today = Days.at(clock.now, 90).today
        plugin.set(account, value)
        mine, known = model[account], value in model[account]
        mine[value] = today
        while not known and len(mine) > 4:
            order = list(mine)
            del mine[min(order, key=lambda token: (mine[token], order.index(token)))]
        for owner, kept in model.items():
            assert plugin.get(owner).split() == [token for token, day in kept.items() if day >= today - 90]
    plugin.stop()
