"""What plugins state about how this server treats people and their mail, for the pages and commands that show it."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A plugin states the facts that it brings about, for one domain. None: the plugin has no say in this. 0: no limit.

    listens: addresses by service, such as "imaps", "submissions", "mx". message_octets: the largest message that is
    accepted. quota_octets, quota_messages: how much one account may keep. mail_days, large_days, inactive_days: after
    how many days messages, large messages that were fetched, and accounts that nobody logs in to are removed. evicts:
    an account that fills up loses messages before their time. tombstone_days: for how many days a deleted address is
    not given away. keeps_hash: a hash of each password is kept. keeps_days: the days on which an account was made and
    last logged in to are kept. pushes: the host of the service that wakes phones; token_days: for how many days it is
    told about a phone that stays away. cleartext: unencrypted mail from elsewhere passes for accounts that the operator
    has opened for it. closed: who may have an account: "" anybody, "closed" nobody without an invitation, "frozen"
    nobody at the moment; closed_by: why, for the operator; closed_until: the day (UTC) from which it is open again, if
    that is known. ways: of `NewAccount.way`, those by which anybody may have an account without an invitation. invites:
    there are invitations. name_lengths: fewest and most characters of a new account's name. account_page: the path of
    the page where people see and delete their account. keeps: what else is kept, a sentence each, for the privacy page.
    """

    listens: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    message_octets: int | None = None
    quota_octets: int | None = None
    quota_messages: int | None = None
    mail_days: float | None = None
    large_days: float | None = None
    inactive_days: float | None = None
    evicts: bool | None = None
    tombstone_days: float | None = None
    keeps_hash: bool | None = None
    keeps_days: bool | None = None
    pushes: str | None = None
    token_days: float | None = None
    cleartext: bool | None = None
    closed: Literal["", "closed", "frozen"] | None = None
    closed_by: str | None = None
    closed_until: datetime.date | None = None
    ways: tuple[str, ...] | None = None
    invites: bool | None = None
    name_lengths: tuple[int, int] | None = None
    account_page: str | None = None
    keeps: tuple[str, ...] = ()


def together(stated: Iterable[Facts]) -> Facts:
    """All statements as one: each fact from the first plugin that states it; `listens` and `keeps` from all of them."""
    first: dict[str, object] = {}
    listens: dict[str, tuple[str, ...]] = {}
    keeps: tuple[str, ...] = ()
    for one in stated:
        listens = {**one.listens, **listens}
        keeps += one.keeps
        for name in _SINGLE:
            if first.get(name) is None:
                first[name] = getattr(one, name)
    return Facts(listens=listens, keeps=keeps, **first)  # type: ignore[arg-type]  # each value is of its own field


_SINGLE = [one.name for one in fields(Facts) if one.name not in ("listens", "keeps")]
