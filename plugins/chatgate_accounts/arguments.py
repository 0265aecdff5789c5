"""The argument types of the commands about accounts, and finding the account that is meant."""

from __future__ import annotations

from typing import Any

import click

from chatgate.api import Account, Gateway, fail, octets


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


def account_of(gateway: Gateway, address: str) -> Account:
    """The account with this address, which may lack its domain. Ends the command if there is none."""
    full = gateway.domains.full(address)
    account = gateway.store.account(full)
    if account is None:
        fail(f"no account {full}", 1)
    return account
