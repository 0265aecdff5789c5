"""What the operator does with rows of the queue, by a command or in a browser."""

from __future__ import annotations

import time
from collections.abc import Collection

from chatgate.api import Gateway, Queued, Reply
from chatgate_courier.outcomes import Outcomes
from chatgate_courier.peers import change, release
from chatgate_courier.policy import Policies


def retry(gateway: Gateway, ids: Collection[int]) -> list[Queued]:
    """Have these rows tried now, frozen ones, too. Returns those that there are."""
    return gateway.store.offer(list(ids), time.time())


def drop(gateway: Gateway, outcomes: Outcomes, ids: Collection[int]) -> list[Queued]:
    """Remove these rows; their senders are not told. Returns those that were there."""
    dropped = gateway.store.drop(list(ids))
    for row in dropped:
        outcomes.note(row.trace or "-", row.domain, "", "", "dropped", 1, Reply(550, "5.0.0", "by the operator"))
    outcomes.save()
    return dropped


def freeze_domain(policies: Policies, domain: str) -> None:
    """Have all mail for a domain wait, later mail, too. Ends the command if that fails."""
    change(policies, domain, {"hold": True})


def thaw_domain(policies: Policies, domain: str) -> bool:
    """Undo `freeze_domain`; its rows are to be tried then. False: it was not frozen."""
    if not policies.of(domain).hold:
        return False
    release(policies, domain)
    return True
