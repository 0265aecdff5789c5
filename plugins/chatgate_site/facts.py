"""What the running configuration says to the people who use this server. The pages tell nothing that is not so."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from chatgate.api import Domain, Gateway
from chatgate_site.endpoints import options_of


class Facts:
    """Settings of whichever plugins are enabled, as they are for one domain; a number of 0 means that there is no such
    limit.

    message_octets: the largest message that is taken. quota_octets, quota_messages: what one account may keep.
    mail_days, large_days, inactive_days: when messages, large messages and accounts that nobody logs in to are removed.
    pushes: the host of the notification service, or ""; token_days: for how long it is told of a phone that stays away.
    evicts: an account that fills up loses messages before their time. cleartext: the gate lets unencrypted mail from
    elsewhere pass for some addresses that the operator named.
    """

    def __init__(self, gateway: Gateway, domain: Domain) -> None:
        def options(plugin: str) -> Any:
            return domain.options(options_of(gateway, plugin))

        smtp, maildb, sweeper, passwordless = map(options, ("smtp", "maildb", "sweeper", "passwordless"))
        core = domain.options(gateway.config.core)
        self.message_octets = core.max_message_bytes if smtp is not None else 0
        self.quota_octets = int(getattr(maildb, "quota_bytes", 0))
        self.quota_messages = int(getattr(maildb, "quota_messages", 0))
        self.keeps_tombstones = maildb is not None
        self.tombstone_days = float(getattr(maildb, "tombstone_days", 0))
        self.evicts = sweeper is not None
        self.mail_days = float(getattr(sweeper, "days", 0))
        self.large_days = float(getattr(sweeper, "large_days", 0))
        self.inactive_days = float(getattr(sweeper, "account_days", 0))
        push, gate = options("push"), options("gate")
        self.pushes = urlsplit(push.url).hostname if push is not None else ""
        self.token_days = float(getattr(push, "token_days", 0))
        self.cleartext = bool(getattr(gate, "cleartext_recipients", ()))
        self._closed = not getattr(passwordless, "open", True)
        freeze_file = getattr(passwordless, "freeze_file", "")
        self._freeze_path = gateway.path(freeze_file) if freeze_file else None
        self.invites = options("invite") is not None
        self.account_page = options("selfservice") is not None
        self.logs_addresses = gateway.config.core.log_level.lower() == "debug"
        self._hub = gateway.hub

    @property
    def encrypted_only(self) -> bool:
        """Does a gate keep unencrypted mail out?"""
        return self._hub.guarded  # not before all plugins are there

    @property
    def frozen(self) -> bool:
        """Is the file there that stops all new accounts, invited or not?"""
        return self._freeze_path is not None and self._freeze_path.exists()

    @property
    def shut(self) -> str:
        """What newcomers are told who cannot just come in; "" if they can."""
        if self.frozen:
            return "This server takes no new accounts at the moment."
        if not self._closed:
            return ""
        return f"This server takes {'new accounts by invitation only' if self.invites else 'no new accounts'}."

    @property
    def shut_by(self) -> str:
        """The same for the operator: what keeps newcomers out, and so how to let them in; "" if they can come."""
        if self.frozen:
            return f"no new accounts are made as long as {self._freeze_path} is there"
        if not self._closed:
            return ""
        if self.invites:
            return "new accounts are made by invitation only: 'chatgate invite create' makes one"
        return "no new accounts are made, as passwordless has open = false"


def size(octets: int) -> str:
    """For people: "500 MB"."""
    for unit, octets_of_it in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if octets >= octets_of_it:
            return f"{octets / octets_of_it:.3g} {unit}"
    return f"{octets} octets"


def days(number: float) -> str:
    """For people: "20 days"."""
    return "1 day" if number == 1 else f"{number:.3g} days"
