"""Whose rules are whose: domains may have other ones than the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from chatgate.api import Domains, OfDomains, Store
from chatgate_sweeper import rules
from chatgate_sweeper.options import SweeperOptions


class Party(NamedTuple):
    """Accounts with the same rules. only: which; None: all there are, so that nobody asks for their domains."""

    options: SweeperOptions
    only: OfDomains | None = None


def parties(domains: Domains, general: SweeperOptions) -> list[Party]:
    """Each account is in one of them. Those of a domain that is not ours any more go by the general rules."""
    names: dict[SweeperOptions, list[str]] = {}
    for domain in domains:
        own = domain.options(general)
        if own != general:
            names.setdefault(own, []).append(domain.name)
    if not names:
        return [Party(general)]
    others = OfDomains(frozenset(name for some in names.values() for name in some), others=True)
    return [Party(general, others), *(Party(own, OfDomains(frozenset(some))) for own, some in names.items())]


def count_idle(store: Store, parties: Sequence[Party], now: float) -> int:
    """How many accounts are idle, each by its own rules."""
    return sum(store.count_accounts(rules.idle_before(party.options, now), party.only) for party in parties)
