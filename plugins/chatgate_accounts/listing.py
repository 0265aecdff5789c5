"""`chatgate accounts list` and `show`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import click

from chatgate.api import Account, Domain, Gateway, domain_option, iso_day, json_option, show
from chatgate_accounts import cleartext
from chatgate_accounts.arguments import Size, account_of

_PAGE = 1000


def facts_of(gateway: Gateway, account: Account) -> dict[str, Any]:
    """What the store keeps about the account in a few numbers, as data for JSON. Sizes in octets, days as YYYY-MM-DD;
    None for an unknown day, and if there is no quota.
    """
    usage = gateway.store.usage(account.id)
    return {
        "address": account.address,
        "created": iso_day(account.created),
        "last_login": iso_day(account.last_login),
        "messages": usage.messages,
        "octets": usage.octets,
        "quota_octets": usage.limit or None,
        "own_quota": account.quota is not None,
        "disabled": account.disabled or None,
        "cleartext": cleartext.allowed(gateway, account),
    }


def every(gateway: Gateway, after: str = "") -> Iterator[Account]:
    """All accounts, read page by page: a command may stop early, and no read keeps others waiting."""
    while page := gateway.store.accounts(after, _PAGE):
        yield from page
        after = page[-1].address


@click.command("list")
@click.option("--after", default="", metavar="ADDRESS", help="Begin with the address that follows this one.")
@click.option("--limit", default=0, type=click.IntRange(0), metavar="N", help="List at most N accounts, or all with 0.")
@click.option("--match", default="", metavar="TEXT", help="List only addresses that contain this text.")
@click.option(
    "--disabled/--enabled", default=None, help="List only accounts that are disabled, or only those that are not."
)
@click.option(
    "--idle",
    type=click.IntRange(0),
    metavar="DAYS",
    help="List only accounts that nobody has logged in to for so many days.",
)
@click.option("--never", is_flag=True, help="List only accounts that nobody has ever logged in to.")
@domain_option(None, "List only accounts of this domain.")
@click.option("--larger", type=Size(), help="List only accounts that keep more than this, such as 100M.")
@json_option
@click.pass_obj
def list_(
    gateway: Gateway,
    after: str,
    limit: int,
    match: str,
    disabled: bool | None,
    idle: int | None,
    never: bool,
    domain: Domain | None,
    larger: int | None,
    as_json: bool,
) -> None:
    """List accounts, with their last login and what they keep.

    The order is that of the addresses. For the next page, give the last address shown as --after: accounts that come
    and go in between shift nothing.
    """
    today = int(time.time()) // 86400
    _ = gateway.store  # if it cannot be opened, the command ends before it prints a heading
    wanted: list[Callable[[Account], bool]] = []
    if match:
        wanted.append(lambda account: match.lower() in account.address)
    if domain is not None:
        wanted.append(lambda account: account.address.endswith(f"@{domain.name}"))
    if disabled is not None:
        wanted.append(lambda account: bool(account.disabled) == disabled)
    if idle is not None:
        wanted.append(lambda account: 0 < account.last_login <= today - idle)
    if never:
        wanted.append(lambda account: not account.last_login)
    begin = gateway.domains.full(after) if after else ""
    found = (account for account in every(gateway, begin) if all(test(account) for test in wanted))
    facts = (facts_of(gateway, account) for account in found)
    rows = islice((row for row in facts if larger is None or row["octets"] > larger), limit or None)
    if as_json:
        show(list(rows), as_json, [])
        return
    form = "{:<40} {:<10} {:>6} {:>12} {}".format
    click.echo(form("address", "login", "mails", "octets", "").rstrip())
    for r in rows:  # printed as they are found: there may be very many
        marks = " ".join(mark for mark in ("disabled", "cleartext") if r[mark])
        click.echo(form(r["address"], r["last_login"] or "never", r["messages"], r["octets"], marks).rstrip())


@click.command("show")
@click.argument("address")
@json_option
@click.pass_obj
def show_(gateway: Gateway, address: str, as_json: bool) -> None:
    """Show what is kept about one account."""
    account = account_of(gateway, address)
    facts = gateway.accounts.facts(account)
    facts["mailboxes"] = {
        box.name: gateway.store.status(box.id)._asdict() for box in gateway.store.mailboxes(account.id)
    }
    lines = [f"{key}: {value}" for key, value in facts.items() if key != "mailboxes"]
    lines += [f"  {name}: {status['messages']} messages" for name, status in facts["mailboxes"].items()]
    show(facts, as_json, lines)
