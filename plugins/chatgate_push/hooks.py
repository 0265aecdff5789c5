"""Where device tokens are kept: a hook for a place that several machines share. By default it is a file."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import NamedTuple, Protocol

from chatgate.api import Gateway, hookspec


class Days(NamedTuple):
    """The days, since 1970-01-01, of valid tokens. Tomorrow is one: the clock may have been set back a little."""

    first: int
    today: int

    @property
    def last(self) -> int:
        return self.today + 1

    @classmethod
    def at(cls, now: float, token_days: int) -> Days:
        today = int(now // 86400)
        return cls(today - token_days, today)


def digest(value: bytes) -> bytes:
    """SHA-256 of a token, by which everything but its sending names it."""
    return hashlib.sha256(value).digest()


class DeviceTokens(Protocol):
    """The tokens of all accounts, each with the day on which a client last set it, shared by all processes and
    machines. The hour is not recorded, so as to know less about people. Two accounts may have the same token.

    When a method returns, everybody sees its changes; a power cut may lose the last seconds, as clients set their
    tokens again at each login. A method that fails raises PluginError with one line for the operator and has changed
    nothing: setting a token is refused then, and phones are notified later. That line must not contain any part of a
    token.
    """

    def put(self, account_id: int, value: bytes, days: Days, limit: int) -> None:
        """Keep the token, or note that it was set again, on `days.today`. If the account then has more than
        `limit` tokens, those that were set longest ago are removed; among those of one day, the ones that came first.
        Clients do this at every login: write only what changes.
        """
        ...

    def of_account(self, account_id: int, days: Days) -> list[bytes]:
        """The values that count, in the order in which they came."""
        ...

    def remove(self, account_id: int) -> None:
        """Remove all tokens of this account."""
        ...

    def expire(self, days: Days, limit: int) -> int:
        """Forget up to `limit` tokens that are no longer valid; returns how many. 0: there are none left."""
        ...

    def forget(self, digests: Collection[bytes]) -> None:
        """Forget these tokens, in all accounts that have them: the devices are gone."""
        ...

    def of_accounts(self, account_ids: Collection[int], days: Days) -> list[tuple[int, bytes]]:
        """(account id, digest) of all tokens of these accounts that count. Called once for all mail of some
        20 ms, so for up to `max_waiting` accounts.
        """
        ...

    def values(self, digests: Collection[bytes], days: Days) -> dict[bytes, bytes]:
        """By digest, the values of those tokens that still count; for up to 200, just before they are sent."""
        ...

    def counts(self) -> tuple[int, int]:
        """How many tokens there are, and how many accounts have one."""
        ...


@hookspec(firstresult=True)
def chatgate_device_tokens(gateway: Gateway) -> DeviceTokens | None:
    """Who keeps the device tokens? Asked once, before the first is looked at, by commands too. What must be opened or
    closed is a service. No answer: a file in the folder does. What waits to be sent is in that file in any case.
    """
