"""What the running configuration says to the people who use this server. The pages tell nothing that is not so."""

from __future__ import annotations

from chatgate.api import Gateway
from chatgate_site.endpoints import options_of


class Facts:
    """Settings of whichever plugins are enabled; a number of 0 means that there is no such limit.

    message_octets: the largest message that is taken. quota_octets: what one account may keep. mail_days, large_days,
    inactive_days: when messages, large messages and accounts that nobody logs in to are removed.
    """

    def __init__(self, gateway: Gateway) -> None:
        smtp, maildb, sweeper = (options_of(gateway, name) for name in ("smtp", "maildb", "sweeper"))
        passwordless = options_of(gateway, "passwordless")
        self.message_octets = gateway.config.core.max_message_bytes if smtp is not None else 0
        self.quota_octets = int(getattr(maildb, "quota_bytes", 0))
        self.keeps_tombstones = maildb is not None
        self.tombstone_days = float(getattr(maildb, "tombstone_days", 0))
        self.mail_days = float(getattr(sweeper, "days", 0))
        self.large_days = float(getattr(sweeper, "large_days", 0))
        self.inactive_days = float(getattr(sweeper, "account_days", 0))
        self.federates = options_of(gateway, "courier") is not None
        self.pushes = options_of(gateway, "push") is not None
        self.encrypted_only = options_of(gateway, "gate") is not None
        self._closed = not getattr(passwordless, "open", True)
        freeze_file = getattr(passwordless, "freeze_file", "")
        self._freeze_path = gateway.path(freeze_file) if freeze_file else None
        self.invites = options_of(gateway, "invite") is not None
        self.account_page = options_of(gateway, "selfservice") is not None
        self.logs_addresses = gateway.config.core.log_level.lower() == "debug"

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


def size(octets: int) -> str:
    """For people: "500 MB"."""
    for unit, octets_of_it in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if octets >= octets_of_it:
            return f"{octets / octets_of_it:.3g} {unit}"
    return f"{octets} octets"


def days(number: float) -> str:
    """For people: "20 days"."""
    return "1 day" if number == 1 else f"{number:.3g} days"
