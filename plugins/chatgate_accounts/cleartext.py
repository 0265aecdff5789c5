"""`chatgate accounts cleartext`: which accounts may get unencrypted mail from other servers."""

from __future__ import annotations

import click

from chatgate.api import Account, Gateway, json_option, show
from chatgate_accounts.arguments import account_of

# A note at the account, where the gate looks for it. It goes with the account, and its owner can read it by IMAP.
_NOTE, _ON = "/private/vendor/chatgate/cleartext", b"on"


def allowed(gateway: Gateway, account: Account) -> bool:
    return gateway.store.annotations(account.id, "").get(_NOTE) == _ON


def allow(gateway: Gateway, account: Account, on: bool) -> None:
    gateway.store.annotate(account.id, "", {_NOTE: _ON if on else None})


@click.command("cleartext")
@click.argument("address")
@click.argument("what", type=click.Choice(("on", "off", "show")), default="show")
@json_option
@click.pass_obj
def cleartext(gateway: Gateway, address: str, what: str, as_json: bool) -> None:
    """Allow an account unencrypted mail from elsewhere, or show it.

    For addresses such as postmaster, or to sign up somewhere. Nobody on this server can send unencrypted mail, and
    apps may hide it, as Delta Chat does unless it is told otherwise.
    """
    account = account_of(gateway, address)
    if what != "show":
        allow(gateway, account, what == "on")
    on = allowed(gateway, account)
    words = "may get unencrypted mail from other servers" if on else "gets encrypted mail only"
    show({"address": account.address, "cleartext": on}, as_json, [f"{account.address} {words}."])
