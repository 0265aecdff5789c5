"""Accounts on the operator's dashboard: what `chatgate accounts` does, in a browser."""

from __future__ import annotations

import json
from collections.abc import Mapping
from gettext import gettext as english
from itertools import islice
from typing import Any

from chatgate.api import Account, Gateway, in_turns, iso_day
from chatgate_accounts.arguments import Quota, account_of
from chatgate_accounts.command import REASON
from chatgate_accounts.listing import every

_SHOWN = 50  # accounts of a page
_LOOKED_AT = 100_000  # accounts that one search looks at; the next one goes on from there
_LONGEST_SEARCH = 200


def make(gateway: Gateway, admin: Any) -> Any:
    """admin: the dashboard's tools, see `chatgate_admin_pages`."""

    # ------------------------------------------------------------------------------------------ showing

    def show(request: Any) -> str:
        address = request.query.get("address", "")
        if not address:
            return str(_list(request))
        account = gateway.store.account(gateway.domains.full(address))
        back = admin.paragraph(admin.link(english("All accounts"), request.link("accounts")))
        if account is None:
            return str(admin.html(admin.note(english("There is no account {address}.").format(address=address)), back))
        return str(_one(account, back))

    def _list(request: Any) -> Any:
        match = request.query.get("match", "")[:_LONGEST_SEARCH].strip().lower()
        only, after = request.query.get("only", ""), request.query.get("after", "")
        looked, found = 0, []
        last = ""
        for account in in_turns(islice(every(gateway, after), _LOOKED_AT)):
            looked, last = looked + 1, account.address
            if match in account.address and _is(account, only):
                found.append(account)
                if len(found) == _SHOWN:
                    break
        heads = [english("Address"), english("Last login"), english("Messages"), english("Keeps"), ""]
        rows = [_row(request, account) for account in found]
        choices = {"": english("all"), "disabled": english("disabled ones"), "never": english("never logged in to")}
        search = admin.search(
            english("Find"),
            admin.field("match", english("Part of the address"), match, kind="search", most=_LONGEST_SEARCH),
            admin.choice("only", english("Which"), choices, only),
        )
        parts = [search, admin.table(heads, rows, english("No account is like that."))]
        if len(found) == _SHOWN or looked == _LOOKED_AT:
            more = request.link("accounts", match=match, only=only, after=last)
            parts.append(admin.paragraph(admin.link(english("Further accounts"), more)))
        total = english("{count} accounts in all.").format(count=gateway.store.count_accounts())
        return admin.html(*parts, admin.hint(total))

    def _row(request: Any, account: Account) -> tuple[object, ...]:
        usage = gateway.store.usage(account.id)
        return (
            admin.link(account.address, request.link("accounts", address=account.address)),
            iso_day(account.last_login) or english("never"),
            usage.messages,
            admin.size(usage.octets),
            admin.mark(english("disabled"), "bad") if account.disabled else "",
        )

    def _one(account: Account, back: Any) -> Any:
        kept = gateway.accounts.facts(account)
        facts = {_said(name): _text(admin, name, value) for name, value in kept.items() if name != "address"}
        quota = "" if account.quota is None else str(account.quota or "none")
        mine = {"address": account.address}
        if account.disabled:
            switch = admin.form("enable", english("Let it be used again"), **mine)
        else:
            switch = admin.form(
                "disable",
                english("Disable the account"),
                admin.field("reason", english("What its owner is told"), REASON, needed=True, most=300),
                **mine,
            )
        after = {
            "": english("its owner can come back with the same password"),
            "free": english("anybody can have the address"),
            "final": english("nobody can have the address"),
        }
        question = english("Delete {address} with all its mail? That cannot be undone.").format(address=account.address)
        return admin.html(
            back,
            admin.heading(account.address),
            admin.facts({english("Number, for the log of actions"): account.id} | facts),
            admin.heading(english("How much it may keep")),
            admin.form(
                "quota",
                english("Set the quota"),
                admin.field(
                    "quota", english("Quota"), quota, hint=english("500M or 2G; none: no limit; empty: the default")
                ),
                **mine,
            ),
            admin.heading(english("Use")),
            switch,
            admin.heading(english("End")),
            admin.form(
                "delete",
                english("Delete the account"),
                admin.choice("after", english("Afterwards"), after),
                danger=True,
                sure=question,
                **mine,
            ),
        )

    # ------------------------------------------------------------------------------------------ doing

    def quota(form: Mapping[str, str]) -> Any:
        account = account_of(gateway, form.get("address", ""))
        gateway.store.set_quota(account.id, Quota().convert(form.get("quota", "").strip() or "default", None, None))
        return _done(account, english("The quota is set."))

    def disable(form: Mapping[str, str]) -> Any:
        account = account_of(gateway, form.get("address", ""))
        gateway.accounts.disable(account, form.get("reason", "") or REASON)
        return _done(account, english("The account is disabled; open connections end."))

    def enable(form: Mapping[str, str]) -> Any:
        account = account_of(gateway, form.get("address", ""))
        gateway.accounts.enable(account)
        return _done(account, english("The account can be used again."))

    def delete(form: Mapping[str, str]) -> Any:
        account, after = account_of(gateway, form.get("address", "")), form.get("after", "")
        gateway.accounts.delete(account, tombstone=after != "free", final=after == "final")
        return _done(account, english("The account is deleted."), {})

    def _done(account: Account, message: str, query: Mapping[str, str] | None = None) -> Any:
        return admin.done(message, about=english("account {number}").format(number=account.id), query=query)

    actions = {"quota": quota, "disable": disable, "enable": enable, "delete": delete}
    return admin.page("accounts", english("Accounts"), show, actions, order=20)


def _is(account: Account, only: str) -> bool:
    return {"disabled": bool(account.disabled), "never": not account.last_login}.get(only, True)


def _said(name: str) -> str:
    """The name of a fact, as plugins state them for JSON, for people."""
    return name.replace("_", " ").capitalize()


def _text(admin: Any, name: str, value: Any) -> str:
    """A fact for people."""
    if isinstance(value, bool):
        return english("yes") if value else english("no")
    if value is None or value == {} or value == []:
        return english("none")
    if name.endswith("octets"):
        return str(admin.size(value))
    if isinstance(value, dict):
        return ", ".join(f"{key}: {one}" for key, one in value.items())
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else str(value)
