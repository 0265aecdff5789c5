"""The rules as pure functions: nothing here reads a clock, a disk or a store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from chatgate.api import Account, Kept
from chatgate_sweeper.options import SweeperOptions

DAY = 86400

# A time before all mail: the answer of rules that are off.
NEVER = -(1 << 60)


def old_before(options: SweeperOptions, now: float) -> int:
    """A message of an earlier date (Unix seconds) is old."""
    return int(now) - options.days * DAY if options.days else NEVER


def large_before(options: SweeperOptions, now: float) -> int:
    """A large, fetched message of an earlier date has been kept long enough."""
    return int(now) - options.large_days * DAY if options.large_days else NEVER


def idle_before(options: SweeperOptions, now: float) -> int:
    """An account whose last login is before this day (since 1970-01-01) is idle."""
    return int(now) // DAY - options.account_days if options.account_days else NEVER


def idle(account: Account, options: SweeperOptions, now: float) -> bool:
    """An account without any login counts from its creation. A disabled one stays until the operator has decided."""
    return not account.disabled and max(account.last_login, account.created) < idle_before(options, now)


def due(kept: Kept, options: SweeperOptions, now: float) -> Literal["old", "large"] | None:
    """The rule by which a message goes whatever its account's usage is, if any."""
    if kept.date < old_before(options, now):
        return "old"
    if kept.fetched and kept.size > options.large_bytes and kept.date < large_before(options, now):
        return "large"
    return None


def may_go(kept: Kept, options: SweeperOptions, now: float) -> bool:
    """May this be evicted at all? Never what is younger than the floor and unfetched. A date in the future, as
    APPEND may give it, is as young as can be.
    """
    return kept.fetched or kept.date <= now - options.floor_hours * 3600


def order(kept: Kept, options: SweeperOptions) -> tuple[bool, bool, int, int, int]:
    """Sorts what is evicted first to the front: fetched ones; then large ones; then the oldest."""
    return not kept.fetched, kept.size <= options.large_bytes, kept.date, kept.mailbox_id, kept.uid


def evicted(messages: Iterable[Kept], quota: int, options: SweeperOptions, now: float) -> list[Kept]:
    """What an account loses that keeps these messages (all of them) under this quota, in order: nothing below
    `evict_at_percent`, else as many as bring it down to `evict_to_percent`, as far as they may go.
    """
    messages = list(messages)
    octets = sum(kept.size for kept in messages)
    if not quota or octets * 100 < quota * options.evict_at_percent:
        return []
    going: list[Kept] = []
    candidates = (kept for kept in messages if may_go(kept, options, now))
    for kept in sorted(candidates, key=lambda kept: order(kept, options)):
        if octets * 100 <= quota * options.evict_to_percent:
            break
        going.append(kept)
        octets -= kept.size
    return going
