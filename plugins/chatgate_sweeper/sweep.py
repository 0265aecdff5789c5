"""One sweep: the rules, applied to the store. The service runs it on its timer, `chatgate sweep` by hand."""

from __future__ import annotations

import collections
import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from operator import attrgetter
from typing import Any

from chatgate.api import Account, Gateway, Kept, free_octets, in_turns
from chatgate_sweeper import rules
from chatgate_sweeper.options import SweeperOptions
from chatgate_sweeper.parties import Party, count_idle, parties

RULES = {
    "idle": "accounts without a login",
    "old": "old messages",
    "large": "large messages that were fetched",
    "quota": "messages of accounts close to their quota",
    "disk": "large messages, for want of disk space",
}

_PAGE = 100  # accounts examined together


@dataclass
class Count:
    messages: int = 0
    octets: int = 0
    accounts: int = 0


@dataclass
class Report:
    """What was removed (or, in a dry run, would be). rules: by name. cleaned: the counts of the plugins' `expire`
    hooks. held_back: idle accounts that were kept as there were too many at the same time. behind: seconds by which the
    time of the rules is behind the machine's clock.
    """

    dry_run: bool
    now: int
    rules: dict[str, Count] = field(default_factory=lambda: {name: Count() for name in RULES})
    cleaned: dict[str, int] = field(default_factory=dict)
    held_back: int = 0
    behind: int = 0

    @property
    def messages(self) -> int:
        return sum(count.messages for count in self.rules.values())

    def data(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_data(cls, data: dict[str, Any]) -> Report:
        """What `data` was made of. Raises TypeError for anything else."""
        counts = {name: Count(**count) for name, count in data["rules"].items()}
        return cls(**{**data, "rules": {name: counts.get(name, Count()) for name in RULES}})


def free_here(gateway: Gateway, options: SweeperOptions) -> int:
    """Octets on the disk with the mail that are free for us. Plenty if the path does not exist."""
    try:
        return free_octets(gateway.path(options.disk))
    except OSError:
        return 1 << 62


class Sweep:
    """now: Unix seconds that decide what is old, see `chatgate_sweeper.clock`. real: the time by the machine's clock,
    if different, which is used for eviction. dry_run: nothing is changed. tell: called with numbers of messages as they
    are removed. force: remove idle accounts however many there are.
    Its methods raise StoreError.
    """

    def __init__(
        self,
        gateway: Gateway,
        options: SweeperOptions,
        now: float,
        dry_run: bool = False,
        tell: Callable[[int], object] = lambda messages: None,
        real: float | None = None,
        force: bool = False,
    ) -> None:
        self._gateway, self._store, self._options, self._now = gateway, gateway.store, options, now
        self._parties = parties(gateway.domains, options)
        self._real, self._force = now if real is None else real, force
        self._dry_run, self._tell = dry_run, tell
        self._leaving: set[int] = set()  # in a dry run: mailboxes of accounts that would be removed
        self.report = Report(dry_run, int(now), behind=max(0, int(self._real - now)))

    def everything(self) -> Report:
        """Apply all rules to all accounts, and call the `expire` hooks of the plugins."""
        self._remove_idle()
        self._remove_due()
        after = 0
        while page := self._store.crowded_accounts(self._options.evict_at_percent / 100, after, _PAGE):
            for account in page:
                self.evict(account.id, account.address)
            after = page[-1].id
        self._free_disk()
        if not self._dry_run:
            cleaned: collections.Counter[str] = collections.Counter()
            for counts in self._gateway.hub.expire(now=self._now):
                cleaned.update({kind: count for kind, count in counts.items() if count})
            self.report.cleaned = dict(cleaned)
        return self.report

    def account(self, account: Account) -> Report:
        """Apply the rules about accounts and messages to one account."""
        options = self._rules_at(account.address)
        if rules.idle(account, options, self._now):
            self._remove_account(account, options)
        else:
            kept = self._store.kept(account.id)
            for rule in ("old", "large"):
                due = (k for k in kept if rules.due(k, options, self._now) == rule)
                self._remove(due, self.report.rules[rule])
            self.evict(account.id, account.address)
        return self.report

    def evict(self, account_id: int, address: str) -> None:
        """Make room in an account that has come close to its quota; what is due anyway is not counted here. address:
        one of its domain.
        """
        usage, options = self._store.usage(account_id), self._rules_at(address)
        kept = (k for k in in_turns(self._store.kept(account_id)) if not rules.due(k, options, self._now))
        going = rules.evicted((k for k in kept if k.mailbox_id not in self._leaving), usage, options, self._real)
        self._remove(going, self.report.rules["quota"])

    def _rules_at(self, address: str) -> SweeperOptions:
        domain = self._gateway.domains.of(address)
        return domain.options(self._options) if domain else self._options

    def _remove_due(self) -> None:
        for party in self._parties:
            self._remove_due_of(party)

    def _remove_due_of(self, party: Party) -> None:
        options, now = party.options, self._now
        if options.days:  # else all messages would be examined in vain
            old = self._store.old(rules.old_before(options, now), party.only)
            self._remove(self._staying(old), self.report.rules["old"])
        found = self._store.large(options.large_bytes, rules.large_before(options, now), party.only)
        large = (kept for kept in found if rules.due(kept, options, now) == "large")  # in a dry run the old are there
        self._remove(self._staying(large), self.report.rules["large"])

    def _remove(self, messages: Iterable[Kept], count: Count) -> None:
        def pairs() -> Iterator[tuple[int, int]]:
            for kept in messages:
                count.octets += kept.size
                yield kept.mailbox_id, kept.uid

        if self._dry_run:
            count.messages += sum(1 for _ in pairs())
        else:
            count.messages += self._store.remove(pairs(), self._tell)

    def _staying(self, messages: Iterator[Kept]) -> Iterator[Kept]:
        return (kept for kept in messages if kept.mailbox_id not in self._leaving)

    def _remove_idle(self) -> None:
        count = count_idle(self._store, self._parties, self._now)
        if not self._force and rules.too_many(count, self._store.count_accounts(), self._options):
            self.report.held_back = count
            return
        for party in self._parties:
            before = rules.idle_before(party.options, self._now)
            if self._dry_run:
                for account in self._store.idle_accounts(before, 1 << 31, party.only):
                    self._remove_account(account, party.options)
                continue
            while page := self._store.idle_accounts(before, _PAGE, party.only):
                for account in page:
                    self._remove_account(account, party.options)

    def _remove_account(self, account: Account, options: SweeperOptions) -> None:
        current = self._store.account(account.address)  # its owner may have come back a moment ago
        if current is None or not rules.idle(current, options, self._now):
            return
        if account.id in self._gateway.logins.accounts:
            if not self._dry_run:
                self._store.set_last_login(account.id, int(self._now) // rules.DAY)
            return
        count, usage = self.report.rules["idle"], self._store.usage(account.id)
        count.accounts += 1
        count.messages += usage.messages
        count.octets += usage.octets
        if self._dry_run:
            self._leaving |= {mailbox.id for mailbox in self._store.mailboxes(account.id)}
        else:
            self._gateway.accounts.delete(account)
        self._tell(usage.messages)

    def _free_disk(self) -> None:
        """Remove large messages, the oldest first, until their octets make up for the missing space. If several
        accounts share a body this frees too little; the service checks again a minute later.
        """
        missing = self._options.no_large_mail_below_bytes - free_here(self._gateway, self._options)
        if missing > 0:
            self._remove(self._oldest_large(missing), self.report.rules["disk"])

    def _oldest_large(self, octets: int) -> Iterator[Kept]:
        found = [self._not_due(party) for party in self._parties]
        for kept in heapq.merge(*found, key=attrgetter("date", "mailbox_id", "uid")):
            if rules.sheltered(kept, self._options, self._real):
                continue
            yield kept
            octets -= kept.size
            if octets <= 0:
                return

    def _not_due(self, party: Party) -> Iterator[Kept]:
        """The large ones that the rules leave alone, the oldest first."""
        found = self._store.large(party.options.large_bytes, int(self._real) + 1, party.only)
        return (kept for kept in self._staying(found) if not rules.due(kept, party.options, self._now))
