"""The plugin: refuses new accounts; existing ones are not affected."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass

from chatgate.api import Account, Gateway, Limiter, NewAccount, Problem, Reply, hookimpl, option
from chatgate_policy.limits import Load

log = logging.getLogger("chatgate.policy")

# For accounts that it adds without being asked, Delta Chat chooses a password of 23 random characters, for others one
# of 22, so that servers can tell them apart (chatmail/core PR #8701).
_AUTOMATIC = re.compile(r"[A-Za-z0-9]{23}")

# Temporary refusals; and none with the word "authentication", see chatgate.reply.
BUSY = Reply(451, "4.3.2", "This server is very busy and takes no new accounts now, please try again later", "LIMIT")
ENOUGH = Reply(451, "4.7.1", "This server has given away its accounts for this hour, please try again later", "LIMIT")
NEIGHBOURS = Reply(451, "4.7.1", "Too many new accounts from your network, please try again in an hour", "LIMIT")
AUTOMATIC = Reply(550, "5.7.1", "This server takes no accounts that apps add by themselves", imap="NOPERM")

_LOG_SECONDS = 60.0


@dataclass(frozen=True)
class PolicyOptions:
    max_load1: float = option(
        5.0, "No new accounts while the load average of a minute is above this; 0: any load.", live=True
    )
    min_free_memory: int = option(
        200_000_000, "Octets of memory that must be available for new accounts; 0: any.", live=True
    )
    min_free_disk: int = option(
        1_000_000_000, "Octets that must be free on the disk with data/ for new accounts; 0: any.", live=True
    )
    accounts_per_hour: int = option(
        0, "New accounts in an hour in total; 0 for any number. Invitations count.", live=True
    )
    accounts_per_hour_per_network: int = option(0, "The same for one IPv4 /24 or IPv6 /48.", live=True)
    deny_automatic_relays: bool = option(
        False, "Refuse accounts that Delta Chat adds to profiles without being asked.", live=True
    )


class Policy:
    """Limits for new accounts: load, memory and disk, a budget for an hour, no automatic relays."""

    Options = PolicyOptions
    order = 40  # before passwordless

    def __init__(self, gateway: Gateway, options: PolicyOptions) -> None:
        self.gateway, self.options = gateway, options
        folder = gateway.path("data")
        self._load = Load(options.max_load1, options.min_free_memory, options.min_free_disk, folder)
        self._budget = Limiter(options.accounts_per_hour_per_network or None, 3600, options.accounts_per_hour or None)
        self._logged: dict[str, float] = {}

    @hookimpl
    def chatgate_reloaded(self) -> None:
        own = self.options
        self._load.limit(own.max_load1, own.min_free_memory, own.min_free_disk)
        self._budget.limit(own.accounts_per_hour_per_network or None, own.accounts_per_hour or None)

    @hookimpl
    def chatgate_admit(self, request: NewAccount) -> Reply | None:
        """Counts what it admits at once, and gives back what came to nothing: attempts at the same instant cannot
        overspend, and those that fail cost nobody anything.
        """
        if request.way == "operator":
            return None
        if self.options.deny_automatic_relays and _automatic(request):
            return self._refused("automatic", AUTOMATIC)
        for limit in self._load.exceeded():
            return self._refused(limit, BUSY)
        request.stash["policy"] = self._budget.add(request.network)
        if self._budget.over(request.network):
            total = self._budget.over("")
            return self._refused("hour" if total else "network", ENOUGH if total else NEIGHBOURS)
        return None

    @hookimpl
    def chatgate_account_attempted(self, request: NewAccount, account: Account | None) -> None:
        hour = request.stash.get("policy")
        if hour is not None and account is None:
            self._budget.give_back(request.network, hour)

    def _refused(self, limit: str, reply: Reply) -> Reply:
        now = time.monotonic()
        if now - self._logged.get(limit, -_LOG_SECONDS) >= _LOG_SECONDS:  # a flood must not fill the log
            self._logged[limit] = now
            log.warning("new accounts refused limit=%s", limit)
        return reply

    @hookimpl
    def chatgate_check(self) -> list[Problem]:
        return [Problem("warning", f"policy: no new accounts now: {limit}") for limit in self._load.exceeded()]


def _automatic(request: NewAccount) -> bool:
    """Did an app add the account by itself? A password that begins with an invitation, of any length, was typed by a
    person.
    """
    return request.way == "login" and not request.token and _AUTOMATIC.fullmatch(request.password) is not None
