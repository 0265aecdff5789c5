"""`chatgate accounts`: manage accounts by hand. Works while the gateway is running."""

from __future__ import annotations

import secrets
import string
import sys

import click

from chatgate.api import Account, Domain, Gateway, NewAccount, Reply, domain_option, fail, json_option, show
from chatgate_accounts import listing, transfer
from chatgate_accounts.arguments import Quota, account_of
from chatgate_accounts.cleartext import cleartext
from chatgate_accounts.listing import facts_of
from chatgate_accounts.purge import purge

REASON = "This account was disabled by the operator of the server"

password_option = click.option(
    "--password", help="Use this password instead of a random one. With - it is asked for, or read from standard input."
)
qr_option = click.option("--qr", is_flag=True, help="Also draw the link as a QR code, to be scanned.")


@click.command("create")
@click.argument("address")
@password_option
@click.option("--quota", type=Quota(), help='How much the account may keep, such as 500M; "none" for no limit.')
@domain_option(None, "The domain of an ADDRESS that is given without one, if not the first.")
@qr_option
@json_option
@click.pass_obj
def create(
    gateway: Gateway,
    address: str,
    password: str | None,
    quota: int | None,
    domain: Domain | None,
    qr: bool,
    as_json: bool,
) -> None:
    """Make an account.

    Its password is printed, and the link by which Delta Chat logs in to it.
    """
    chosen, generated = _password(password)
    address = gateway.domains.full(address, domain)
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
    account = account_of(gateway, address)
    chosen, _ = _password(password)
    answer = gateway.accounts.set_password(account, chosen, operator=True)
    if answer is not True:
        fail(answer.text if isinstance(answer, Reply) else "no enabled plugin sets passwords", 1)
    _show_login(gateway, account.address, chosen, qr, as_json)


@click.command("disable")
@click.argument("address")
@click.option("--reason", default=REASON, show_default=True, help="What the owner of the account is told.")
@click.pass_obj
def disable(gateway: Gateway, address: str, reason: str) -> None:
    """Refuse logins to an account, and mail from it and for it.

    Whoever tries to log in is told the reason. Connections that are open end at once. Nothing is lost.
    """
    account = account_of(gateway, address)
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
    account = account_of(gateway, address)
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
    account = account_of(gateway, address)
    if size != -1:
        gateway.store.set_quota(account.id, size)
        account = account_of(gateway, address)
    facts = {key: facts_of(gateway, account)[key] for key in ("address", "octets", "quota_octets", "own_quota")}
    limit = f" of {facts['quota_octets']} octets" if facts["quota_octets"] else ", no limit"
    about = "" if facts["own_quota"] else ", the default of its domain"
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
    full = gateway.domains.full(address)
    if free and gateway.store.tombstone(full) is not None:
        if not yes:
            click.confirm(f"Give {full} free?", abort=True)
        gateway.store.forget_tombstone(full)
        click.echo(f"Anybody can have {full} now.")
        return
    account = account_of(gateway, full)
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
    """(password, was it generated). "-" asks for it on a terminal, or else reads a line of standard input: everybody on
    this machine can see a command's arguments. 22 random letters and digits have 131 bits.
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
    listing.list_,
    listing.show_,
    create,
    passwd,
    disable,
    enable,
    quota,
    cleartext,
    purge,
    delete,
    transfer.export,
    transfer.import_,
)


def make(gateway: Gateway) -> click.Group:
    """The group of commands. Each gets the gateway by `@click.pass_obj`."""
    about = "Look after accounts.\n\nAn ADDRESS may be given without its domain, which is the first one then."
    return click.Group("accounts", commands=_COMMANDS, help=about, context_settings={"obj": gateway})
