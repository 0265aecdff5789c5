"""The hooks: a service, a command, checks, and refusals while the disk is full."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import click

from chatgate.api import (
    Domain,
    Envelope,
    Facts,
    Gateway,
    KeptFiles,
    Metric,
    NewAccount,
    Problem,
    Reply,
    Service,
    Stored,
    Trouble,
    hookimpl,
    in_turns,
)
from chatgate_sweeper import command, rules, service
from chatgate_sweeper.clock import BEHIND, Clock
from chatgate_sweeper.forecast import Forecast
from chatgate_sweeper.options import SweeperOptions
from chatgate_sweeper.parties import count_idle, parties
from chatgate_sweeper.sweep import free_here
from chatgate_sweeper.troubles import troubles


class Sweeper:
    """Removes old mail and idle accounts, makes room in full accounts and on a full disk."""

    Options = SweeperOptions
    order = 85

    def __init__(self, gateway: Gateway, options: SweeperOptions, clock: Callable[[], float] = time.time) -> None:
        self.gateway, self.options = gateway, options
        self.clock = Clock(gateway.path(options.clock_file), clock, witness=self._last_used)
        self.service = service.Service(gateway, options, clock, self._now)
        self.evictor = service.Evictor(gateway, options, clock)
        self.forecast = Forecast(gateway, clock)

    def _free(self) -> int:
        return free_here(self.gateway, self.options)

    def _last_used(self) -> float | None:
        """The end of the latest day on which an account was made or logged in to, in Unix seconds. It reads all
        accounts, but only once in the life of a folder. Mail is not considered, as apps may give it any date.
        """
        if self.gateway.read_only:  # then the store is not open
            return None
        newest, after = 0, ""
        while page := self.gateway.store.accounts(after):
            newest = max(newest, *(max(account.created, account.last_login) for account in in_turns(page)))
            after = page[-1].address
        return (newest + 1) * rules.DAY if newest else None

    @hookimpl
    def chatgate_facts(self, domain: Domain) -> Facts:
        own = domain.options(self.options)
        return Facts(mail_days=own.days, large_days=own.large_days, inactive_days=own.account_days, evicts=True)

    @hookimpl
    def chatgate_metrics(self) -> list[Metric]:
        service, removed = self.service, "Messages that were removed, by rule"
        return [
            Metric("chatgate_sweeper_sweeps", "Sweeps", "counter", ("outcome",), dict(service.sweeps.counts)),
            Metric("chatgate_sweeper_removed", removed, "counter", ("rule",), dict(service.removed.counts)),
            Metric(
                "chatgate_sweeper_last_seconds",
                "When the last sweep was over, in Unix seconds; 0: there was none since the start",
                "gauge",
                (),
                {(): service.ended},
                "seconds",
                "max",
            ),
        ]

    @hookimpl
    def chatgate_backup(self) -> list[KeptFiles]:
        return [KeptFiles("clock", self.gateway.path(self.options.clock_file))]

    @hookimpl
    def chatgate_services(self) -> Sequence[Service]:
        self._now()  # before any login, which would count as proof that the machine's clock is right
        return [self.service, self.evictor]

    def _now(self) -> float:
        """The time of our clock. The store is told of it: mail that arrived while the machine's clock was behind must
        not count as old once that is set right.
        """
        now = self.clock.now()
        self.gateway.store.not_before(self.clock.latest())
        return now

    @hookimpl
    def chatgate_commands(self, cli: click.Group) -> None:
        cli.add_command(command.make(self.gateway, self.options, self.clock))

    @hookimpl
    def chatgate_troubles(self) -> list[Trouble]:
        return troubles(self.gateway, self.options, self.service, self.forecast)

    @hookimpl(optionalhook=True)
    def chatgate_admin_pages(self, admin: Any) -> list[Any]:
        from chatgate_sweeper import page  # only where there is a dashboard

        return [page.make(self, admin)]

    @hookimpl
    def chatgate_check(self) -> list[Problem]:
        free, options, found = self._free(), self.options, []
        if free < options.no_large_mail_below_bytes:
            found.append(Problem("error", f"sweeper: {free // 1_000_000} MB are free: large mail is refused for now"))
        elif free < options.no_accounts_below_bytes:
            found.append(Problem("warning", f"sweeper: {free // 1_000_000} MB are free: no new accounts are made"))
        behind = self.clock.behind()
        if behind > BEHIND:
            days = f"{behind // rules.DAY:.0f} days behind"
            text = f"sweeper: the clock has leapt, or the machine was off: the rules are {days}"
            found.append(Problem("warning", f"{text}; if the clock is right: chatgate sweep --force"))
        if self.gateway.read_only:  # then the store is not open; the log and the next sweep tell the rest
            return found
        store = self.gateway.store
        count = count_idle(store, parties(self.gateway.domains, options), time.time() - behind)
        if rules.too_many(count, accounts := store.count_accounts(), options):
            text = f"sweeper: {count} of {accounts} accounts are idle at one time: none is removed"
            found.append(Problem("error", f"{text}; if that is right: chatgate sweep --force"))
        return found

    @hookimpl
    def chatgate_admit(self, request: NewAccount) -> Reply | None:
        if request.way == "operator" or self._free() >= self.options.no_accounts_below_bytes:
            return None
        return Reply(452, "4.3.1", "This server has no room for new accounts, please try again later", imap="LIMIT")

    @hookimpl
    def chatgate_filter(self, envelope: Envelope) -> Reply | None:
        if len(envelope.content) <= self.options.large_bytes or self._free() >= self.options.no_large_mail_below_bytes:
            return None
        return Reply(452, "4.3.1", "This server has no room for large messages, please try again later", imap="LIMIT")

    @hookimpl
    def chatgate_stored(self, stored: Sequence[Stored]) -> None:
        """Note accounts close to their quota, which takes 10 microseconds for each copy; the evictor does the work."""
        for account_id, address in {s.delivery.account_id: s.delivery.recipient for s in stored}.items():
            if rules.percent(self.gateway.store.usage(account_id)) >= self.options.evict_at_percent:
                self.evictor.crowded(account_id, address)
