"""`chatgate accounts`: look after accounts by hand. Works beside a running gateway."""

from __future__ import annotations

import datetime
import secrets
import string
from typing import Any

import click

from chatgate.cli import Folder, fail, json_option, show
from chatgate.gateway import Gateway
from chatgate.reply import Reply
from chatgate.store import Account


@click.group("accounts")
def command() -> None:
    """List, show, create and delete accounts, and set passwords."""


def _account(gateway: Gateway, address: str) -> Account:
    account = gateway.store.account(_full(gateway, address))
    if account is None:
        fail(f"no account {_full(gateway, address)}", 1)
    return account


def _full(gateway: Gateway, address: str) -> str:
    return (address if "@" in address else f"{address}@{gateway.domain}").lower()


def _facts(gateway: Gateway, account: Account) -> dict[str, Any]:
    usage = gateway.store.usage(account.id)
    day = datetime.date(1970, 1, 1) + datetime.timedelta(account.last_login) if account.last_login else None
    return {
        "address": account.address,
        "last_login": day.isoformat() if day else None,
        "messages": usage.messages,
        "octets": usage.octets,
        "quota_octets": usage.limit or None,
    }


@command.command("list")
@click.option("--after", default="", metavar="ADDRESS", help="Begin behind this address (for paging).")
@click.option("--limit", default=0, metavar="N", help="At most N accounts; 0 for all.")
@json_option
@click.pass_obj
def list_(folder: Folder, after: str, limit: int, as_json: bool) -> None:
    """Accounts by address, with the day of the last login and what they store."""
    gateway = folder.gateway
    rows: list[dict[str, Any]] = []
    while page := gateway.store.accounts(after, min(limit - len(rows), 1000) if limit else 1000):
        rows += [_facts(gateway, account) for account in page]
        after = page[-1].address
        if limit and len(rows) >= limit:
            break
    lines = [f"{r['address']:<40} {r['last_login'] or 'never':<10} {r['messages']:>6} {r['octets']:>12}" for r in rows]
    show(rows, as_json, [f"{'address':<40} {'login':<10} {'mails':>6} {'octets':>12}", *lines])


@command.command("show")
@click.argument("address")
@json_option
@click.pass_obj
def show_(folder: Folder, address: str, as_json: bool) -> None:
    """What is kept about one account."""
    gateway = folder.gateway
    account = _account(gateway, address)
    facts = _facts(gateway, account)
    facts["mailboxes"] = {
        box.name: gateway.store.status(box.id)._asdict() for box in gateway.store.mailboxes(account.id)
    }
    lines = [f"{key}: {value}" for key, value in facts.items() if key != "mailboxes"]
    lines += [f"  {name}: {status['messages']} messages" for name, status in facts["mailboxes"].items()]
    show(facts, as_json, lines)


@command.command()
@click.argument("address")
@click.option("--password", help="Instead of a random one; - asks for it.")
@json_option
@click.pass_obj
def create(folder: Folder, address: str, password: str | None, as_json: bool) -> None:
    """Make an account and print its password."""
    gateway = folder.gateway
    chosen, generated = _password(password)
    address = _full(gateway, address)
    _ = gateway.store  # a store that cannot be opened is the operator's business, not a temporary refusal
    answer = gateway.hub.ask("create_account", address=address, password=chosen, way="operator", generated=generated)
    if not isinstance(answer, Account):
        fail(f"{address}: {answer.text if isinstance(answer, Reply) else 'no enabled plugin creates accounts'}", 1)
    show({"address": address, "password": chosen}, as_json, [f"{address} {chosen}"])


@command.command()
@click.argument("address")
@click.option("--password", help="Instead of a random one; - asks for it.")
@json_option
@click.pass_obj
def passwd(folder: Folder, address: str, password: str | None, as_json: bool) -> None:
    """Set an account's password and print it."""
    gateway = folder.gateway
    account = _account(gateway, address)
    chosen, _ = _password(password)
    answer = gateway.hub.ask("set_password", account=account, password=chosen)
    if answer is not True:
        fail(answer.text if isinstance(answer, Reply) else "no enabled plugin sets passwords", 1)
    show({"address": account.address, "password": chosen}, as_json, [f"{account.address} {chosen}"])


@command.command()
@click.argument("address")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def delete(folder: Folder, address: str, yes: bool) -> None:
    """Delete an account with all its mail."""
    gateway = folder.gateway
    account = _account(gateway, address)
    if not yes:
        click.confirm(f"Delete {account.address} with all its mail?", abort=True)
    gateway.store.delete_account(account.id)
    gateway.hub.notify("account_removed", account=account)
    click.echo(f"Deleted {account.address}.")


def _password(given: str | None) -> tuple[str, bool]:
    """(password, was it drawn at random). 22 letters and digits are 131 bits."""
    if given == "-":
        return click.prompt("Password", hide_input=True, confirmation_prompt=True), False
    if given:
        return given, False
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(22)), True
