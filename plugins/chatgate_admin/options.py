"""What can be set."""

from __future__ import annotations

import re
from dataclasses import dataclass

from chatgate.api import Secret, listener, option

_PATH = re.compile(r"/?([A-Za-z0-9_-]{20,100})/?")


@dataclass(frozen=True)
class AdminOptions:
    listen: tuple[str, ...] = option(
        ("127.0.0.1:9797",),
        "Addresses at which the dashboard is served; by HTTPS where other machines can reach one. [] is off.",
    )
    secret_path: Secret = option(
        Secret(""),
        "A name of 20 or more letters and digits that nobody can guess: the dashboard is at this path of the public "
        "site, too. Empty: it is not.",
    )
    idle_minutes: float = option(30.0, "Minutes after which a login that nobody uses ends.", live=True)
    session_hours: float = option(12.0, "Hours after which any login ends.", live=True)
    max_sessions: int = option(20, "Logins at the same time; with one more, the oldest ends.", live=True)
    tries: int = option(
        10,
        "Failed logins in a quarter of an hour from one IPv4 address or IPv6 /64; then none is looked at.",
        live=True,
    )
    tries_in_all: int = option(30, "The same from everybody, this machine included.", live=True)
    scrypt_cost: int = option(15, "Base-2 logarithm of scrypt's N for the password: 15 is 90 ms and 32 MB a login.")
    log_entries: int = option(1000, "Actions that are kept in the log of the dashboard.", live=True)
    database: str = option("data/admin.db", "File with the password's hash, the logins and the log of actions.")

    def __post_init__(self) -> None:
        for address in self.listen:
            listener(address)
        if self.secret_path and not _PATH.fullmatch(self.secret_path):
            raise ValueError("secret_path: must be 20 to 100 letters, digits, - and _")
        if not 10 <= self.scrypt_cost <= 20:
            raise ValueError("scrypt_cost: must be 10 to 20")
        if not self.tries or not self.tries_in_all or not self.max_sessions:
            raise ValueError("tries, tries_in_all and max_sessions must be 1 or more")

    @property
    def root(self) -> str:
        """The secret path as it begins an address, such as "/x7Jq…"; "" for none."""
        found = _PATH.fullmatch(self.secret_path)
        return "/" + found[1] if found else ""
