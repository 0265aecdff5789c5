"""The rules as pure functions: nothing here reads a clock, a disk or a store. An account may have some 100 000
messages: functions that examine all of them give other greenlets turns.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Literal

from chatgate.api import Account, Kept, Usage, in_order, in_turns
from chatgate_sweeper.options import SweeperOptions

DAY = 86400

# A time before all mail: the result of rules that are turned off.
NEVER = -(1 << 60)


def old_before(options: SweeperOptions, now: float) -> int:
    """The date, in Unix seconds, before which a message is old."""
    return int(now) - options.days * DAY if options.days else NEVER


def large_before(options: SweeperOptions, now: float) -> int:
    """The date, in Unix seconds, before which a large message that was fetched has been kept long enough."""
    return int(now) - options.large_days * DAY if options.large_days else NEVER


def idle_before(options: SweeperOptions, now: float) -> int:
    """The day, since 1970-01-01, before which an account's last login must be for the account to be idle."""
    return int(now) // DAY - options.account_days if options.account_days else NEVER


def idle(account: Account, options: SweeperOptions, now: float) -> bool:
    """Is the account idle? One without any login counts from its creation. A disabled one is not idle: it stays until
    the operator has decided.
    """
    return not account.disabled and max(account.last_login, account.created) < idle_before(options, now)


def too_many(idle: int, accounts: int, options: SweeperOptions) -> bool:
    """Are so many accounts idle at the same time that something else must be wrong?"""
    return idle > options.few_idle_accounts and idle * 100 > accounts * options.most_idle_percent


def due(kept: Kept, options: SweeperOptions, now: float) -> Literal["old", "large"] | None:
    """The rule, if any, by which a message is removed regardless of its account's usage."""
    if kept.date < old_before(options, now):
        return "old"
    if kept.fetches and kept.size > options.large_bytes and kept.date < large_before(options, now):
        return "large"
    return None


def sheltered(kept: Kept, options: SweeperOptions, now: float) -> bool:
    """Is the message too young to be evicted while some device may still need it? Only its age is considered here. With
    a date in the future, which APPEND can give it, it is too young.
    """
    return kept.date > now - options.floor_hours * 3600


def had_by_all(messages: Iterable[Kept]) -> set[Kept]:
    """The messages that every device of the account has fetched, as far as can be told: each was fetched as often as
    any older one. A device that is added later does not fetch older mail, so that mail is judged by the devices of its
    time. A device that is gone for good makes newer mail look as if it were still needed, which errs on the safe side.
    """
    devices, found = 1, set()
    for kept in in_order(messages, attrgetter("date", "mailbox_id", "uid")):
        devices = max(devices, kept.fetches)
        if kept.fetches == devices:
            found.add(kept)
    return found


def percent(usage: Usage) -> float:
    """How full an account is, by octets or by messages, whichever is more."""
    octets = usage.octets / usage.limit if usage.limit else 0.0
    messages = usage.messages / usage.message_limit if usage.message_limit else 0.0
    return max(octets, messages) * 100


def evicted(messages: Iterable[Kept], usage: Usage, options: SweeperOptions, now: float) -> list[Kept]:
    """The messages to evict from an account, in order. messages: all messages of the account. Nothing is evicted below
    `evict_at_percent`, else as many as bring the usage down to `evict_to_percent`, as far as they may be evicted.
    """
    messages = list(messages)
    octets, count = sum(kept.size for kept in messages), len(messages)
    if percent(usage._replace(octets=octets, messages=count)) < options.evict_at_percent:
        return []
    had = had_by_all(messages)

    def order(kept: Kept) -> tuple[bool, bool, int, int, int]:
        """First the messages that all devices have; then large ones; then the oldest."""
        return kept not in had, kept.size <= options.large_bytes, kept.date, kept.mailbox_id, kept.uid

    going: list[Kept] = []
    candidates = (kept for kept in in_turns(messages) if kept in had or not sheltered(kept, options, now))
    for kept in in_order(candidates, order):
        if percent(usage._replace(octets=octets, messages=count)) <= options.evict_to_percent:
            break
        going.append(kept)
        octets -= kept.size
        count -= 1
    return going
