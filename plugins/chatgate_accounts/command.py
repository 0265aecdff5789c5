"""`chatgate accounts`: look after accounts by hand. Works beside a running gateway."""

from __future__ import annotations

import secrets
import string
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import click

from chatgate.api import (
    Account,
    Gateway,
    NewAccount,
    Reply,
    fail,
    iso_day,
    json_option,
    normal_address,
    octets,
    show,
)
from chatgate_accounts import transfer

_PAGE = 1000
_REASON = "This account was disabled by the operator of the server"


class Size(click.ParamType):
    """Octets, with or without a unit: 500000, 200M, 1.5G."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return value if isinstance(value, int) else octets(value)
        except ValueError:
            self.fail(f"{value!r} is no size such as 500M or 2G", param, ctx)


class Quota(Size):
    """A size, or the words "default" (None) and "none" (0, no limit)."""

    name = "quota"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        words = {"default": None, "none": 0}
        word = str(value).lower()
        return words[word] if word in words else super().convert(value, param, ctx)


password_option = click.option(
    "--password", help="Use this password instead of a random one. With - it is asked for, or read from standard input."
)
qr_option = click.option("--qr", is_flag=True, help="Also draw the link as a QR code, to be scanned.")


def _account(gateway: Gateway, address: str) -> Account:
    account = gateway.store.account(_full(gateway, address))
    if account is None:
        fail(f"no account {_full(gateway, address)}", 1)
    return account


def _full(gateway: Gateway, address: str) -> str:
    return normal_address(address if "@" in address else f"{address}@{gateway.domain}").lower()


def _facts(gateway: Gateway, account: Account) -> dict[str, Any]:
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
    }


def _all(gateway: Gateway, after: str = "") -> Iterator[Account]:
    """Page by page: a command may stop early, and nobody waits for a long read."""
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
    larger: int | None,
    as_json: bool,
) -> None:
    """List accounts, with their last login and what they keep.

    The order is that of the addresses. For the next page, give the last address shown as --after: accounts that come
    and go in between shift nothing.
    """
    today = int(time.time()) // 86400
    _ = gateway.store  # where it cannot be opened, no heading is printed
    wanted: list[Callable[[Account], bool]] = []
    if match:
        wanted.append(lambda account: match.lower() in account.address)
    if disabled is not None:
        wanted.append(lambda account: bool(account.disabled) == disabled)
    if idle is not None:
        wanted.append(lambda account: 0 < account.last_login <= today - idle)
    if never:
        wanted.append(lambda account: not account.last_login)
    begin = _full(gateway, after) if after else ""
    found = (account for account in _all(gateway, begin) if all(test(account) for test in wanted))
    facts = (_facts(gateway, account) for account in found)
    rows = islice((row for row in facts if larger is None or row["octets"] > larger), limit or None)
    if as_json:
        show(list(rows), as_json, [])
        return
    form = "{:<40} {:<10} {:>6} {:>12} {}".format
    click.echo(form("address", "login", "mails", "octets", "").rstrip())
    for r in rows:  # as they are found: there may be very many
        disabled_too = "disabled" if r["disabled"] else ""
        click.echo(form(r["address"], r["last_login"] or "never", r["messages"], r["octets"], disabled_too).rstrip())


@click.command("show")
@click.argument("address")
@json_option
@click.pass_obj
def show_(gateway: Gateway, address: str, as_json: bool) -> None:
    """Show what is kept about one account."""
    account = _account(gateway, address)
    facts = _facts(gateway, account)
    facts["mailboxes"] = {
        box.name: gateway.store.status(box.id)._asdict() for box in gateway.store.mailboxes(account.id)
    }
    lines = [f"{key}: {value}" for key, value in facts.items() if key != "mailboxes"]
    lines += [f"  {name}: {status['messages']} messages" for name, status in facts["mailboxes"].items()]
    show(facts, as_json, lines)


@click.command("create")
@click.argument("address")
@password_option
@click.option("--quota", type=Quota(), help='How much the account may keep, such as 500M; "none" for no limit.')
@qr_option
@json_option
@click.pass_obj
def create(gateway: Gateway, address: str, password: str | None, quota: int | None, qr: bool, as_json: bool) -> None:
    """Make an account.

    Its password is printed, and the link by which Delta Chat logs in to it.
    """
    chosen, generated = _password(password)
    address = _full(gateway, address)
    answer = gateway.accounts.create(NewAccount(address, chosen, "operator", generated))
    if not isinstance(answer, Account):
        why = answer.text if isinstance(answer, Reply) else "no enabled plugin creates accounts"
        if gateway.store.tombstone(address) is not None:
            why += f"; 'chatgate accounts delete --free {address}' gives it free"
        fail(f"{address}: {why}", 1)
    if quota is not None:
        gateway.store.set_quota(answer.id, quota)
    _show_login(gateway, answer.address, chosen, qr, as_json)


@click.command("passwd")
@click.argument("address")
@password_option
@qr_option
@json_option
@click.pass_obj
def passwd(gateway: Gateway, address: str, password: str | None, qr: bool, as_json: bool) -> None:
    """Set an account's password.

    It is printed, and the link by which Delta Chat logs in with it. Connections that are open end at
    once.
    """
    account = _account(gateway, address)
    chosen, _ = _password(password)
    answer = gateway.accounts.set_password(account, chosen, operator=True)
    if answer is not True:
        fail(answer.text if isinstance(answer, Reply) else "no enabled plugin sets passwords", 1)
    _show_login(gateway, account.address, chosen, qr, as_json)


@click.command("disable")
@click.argument("address")
@click.option("--reason", default=_REASON, show_default=True, help="What the owner of the account is told.")
@click.pass_obj
def disable(gateway: Gateway, address: str, reason: str) -> None:
    """Refuse logins to an account, and mail from it and for it.

    Whoever tries to log in is told the reason. Connections that are open end at once. Nothing is lost.
    """
    account = _account(gateway, address)
    try:
        gateway.accounts.disable(account, reason)
    except ValueError as error:
        fail(f"--reason: {error}", 2)
    click.echo(f"Disabled {account.address}.")


@click.command("enable")
@click.argument("address")
@click.pass_obj
def enable(gateway: Gateway, address: str) -> None:
    """Let a disabled account be used again."""
    account = _account(gateway, address)
    gateway.accounts.enable(account)
    click.echo(f"Enabled {account.address}.")


@click.command("quota")
@click.argument("address")
@click.argument("size", type=Quota(), required=False, default=-1)
@json_option
@click.pass_obj
def quota(gateway: Gateway, address: str, size: int | None, as_json: bool) -> None:
    """Show or set how much an account may keep.

    SIZE is a number of octets such as 500M or 2G, "none" for no limit, or "default" for what conf.d says.
    """
    account = _account(gateway, address)
    if size != -1:
        gateway.store.set_quota(account.id, size)
        account = _account(gateway, address)
    facts = {key: _facts(gateway, account)[key] for key in ("address", "octets", "quota_octets", "own_quota")}
    limit = f" of {facts['quota_octets']} octets" if facts["quota_octets"] else ", no limit"
    about = "" if facts["own_quota"] else ", as for everybody"
    show(facts, as_json, [f"{account.address}: {facts['octets']} octets{limit}{about}"])


@click.command("delete")
@click.argument("address")
@click.option("--yes", is_flag=True, help="Delete without asking.")
@click.option("--free", is_flag=True, help="Let anybody have the address afterwards, not only its owner.")
@click.option("--final", is_flag=True, help="Let nobody have the address afterwards, not even its owner.")
@click.pass_obj
def delete(gateway: Gateway, address: str, yes: bool, free: bool, final: bool) -> None:
    """Delete an account with all its mail.

    Afterwards nobody else can take the address, but its owner can come back with the same password, and an app that is
    still online does so at once. With --free, an address whose account is gone already can be given free, too.
    """
    if free and final:
        fail("--free or --final, not both", 2)
    full = _full(gateway, address)
    if free and gateway.store.tombstone(full) is not None:
        if not yes:
            click.confirm(f"Give {full} free?", abort=True)
        gateway.store.forget_tombstone(full)
        click.echo(f"Anybody can have {full} now.")
        return
    account = _account(gateway, full)
    if not yes:
        click.confirm(f"Delete {full} with all its mail?", abort=True)
    gateway.accounts.delete(account, tombstone=not free, final=final)
    click.echo(f"Deleted {account.address}.")


def _show_login(gateway: Gateway, address: str, password: str, qr: bool, as_json: bool) -> None:
    link = gateway.hub.login_link(address=address, password=password, qr=False)
    code = gateway.hub.login_link(address=address, password=password, qr=True) if qr and not as_json else None
    known = [text for text in (link, code) if isinstance(text, str)]
    data = {"address": address, "password": password, "link": link if isinstance(link, str) else None}
    show(data, as_json, [f"{address} {password}", *known])


def _password(given: str | None) -> tuple[str, bool]:
    """(password, was it drawn at random). "-" asks on a terminal, else takes a line of standard input: an argument can
    be seen by everybody on this machine. 22 letters and digits are 131 bits.
    """
    if given == "-":
        if sys.stdin.isatty():
            return click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True), False
        given = sys.stdin.readline().rstrip("\r\n")
        if not given:
            fail("--password -: there is no password on standard input", 2)
    if given:
        return given, False
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(22)), True


_COMMANDS = (
    list_,
    show_,
    create,
    passwd,
    disable,
    enable,
    quota,
    delete,
    transfer.export,
    transfer.import_,
)


def make(gateway: Gateway) -> click.Group:
    """Each command gets the gateway by `@click.pass_obj`."""
    about = "Look after accounts.\n\nAn ADDRESS may be given without its domain."
    return click.Group("accounts", commands=_COMMANDS, help=about, context_settings={"obj": gateway})
