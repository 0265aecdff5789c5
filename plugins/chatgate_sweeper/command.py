"""`chatgate sweep`."""

from __future__ import annotations

import contextlib
import datetime
import sys
import time
from collections.abc import Callable, Iterator

import click

from chatgate.api import Account, Gateway, json_option, show
from chatgate_sweeper import lately
from chatgate_sweeper.clock import BEHIND, Clock
from chatgate_sweeper.options import SweeperOptions
from chatgate_sweeper.rules import DAY
from chatgate_sweeper.sweep import RULES, Report, Sweep


def make(gateway: Gateway, options: SweeperOptions, clock: Clock) -> click.Command:
    @click.command("sweep")
    @click.option("--dry-run", is_flag=True, help="Count what would be removed, and remove nothing.")
    @click.option("--account", "address", metavar="ADDRESS", help="Sweep this account only.")
    @click.option("--now", type=click.DateTime(), metavar="TIME", help="Sweep as if it were this time (UTC).")
    @click.option("--force", is_flag=True, help="The clock is right, and idle accounts go however many they are.")
    @click.option("--last", is_flag=True, help="Only show what the last sweep removed, of the gateway or a command.")
    @json_option
    def sweep(
        dry_run: bool, address: str | None, now: datetime.datetime | None, force: bool, last: bool, as_json: bool
    ) -> None:
        """Remove old mail and idle accounts now.

        It goes by the rules in conf.d, cleans up, and works beside a running gateway: apps that are connected are told
        at once.
        """
        if last:
            found = lately.last(gateway)
            show(found, as_json, _lines(Report.of_data(found)) if found else ["there was none yet"])
            return
        if now:
            at = real = now.replace(tzinfo=datetime.UTC).timestamp()
        else:
            real = time.time()
            at = real if force else real - clock.behind()
            if not dry_run:
                at = clock.trust() if force else clock.now()
        account = _account(gateway, address) if address else None

        def run(dry: bool, tell: Callable[[int], object] = lambda messages: None) -> Report:
            swept = Sweep(gateway, options, at, dry, tell, real, force)
            return swept.account(account) if account else swept.everything()

        if dry_run:
            report = run(True)
        else:
            with _bar(run) as tell:
                report = run(False, tell)
            if not account:
                lately.remember(gateway, report)
        show(report.data(), as_json, _lines(report))

    return sweep


def _account(gateway: Gateway, address: str) -> Account:
    full = gateway.domains.full(address)
    account = gateway.store.account(full)
    if account is None:
        raise click.ClickException(f"no account {full}")
    return account


@contextlib.contextmanager
def _bar(run: Callable[[bool], Report]) -> Iterator[Callable[[int], object]]:
    """A progress bar on a terminal; a dry run determines how much there is to do."""
    if not sys.stderr.isatty():
        yield lambda messages: None
        return
    with click.progressbar(length=run(True).messages, label="Removing", file=sys.stderr) as bar:
        yield bar.update


def _lines(report: Report) -> list[str]:
    lines = []
    for name, text in RULES.items():
        count = report.rules[name]
        accounts = f"{count.accounts} accounts, " if name == "idle" else ""
        lines.append(f"{text:<45} {accounts}{count.messages} messages, {_size(count.octets)}")
    lines += [f"{kind:<45} {count}" for kind, count in report.cleaned.items()]
    if report.held_back:
        lines.append(f"{report.held_back} accounts are idle at one time: none is removed. If that is right: --force")
    if report.behind > BEHIND:
        days = report.behind // DAY
        lines.append(f"The rules are {days} days behind the clock, which has leapt. If it is right: --force")
    return [*lines, "Nothing was changed."] if report.dry_run else lines


def _size(octets: int) -> str:
    return f"{octets / 1e6:.1f} MB"
