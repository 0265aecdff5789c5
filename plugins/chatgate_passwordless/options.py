"""What an operator can set in conf.d/NN-passwordless.toml."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import ClassVar

from chatgate.api import Gateway, option

# The ways that are open to newcomers, of `NewAccount.way`.
WAYS = {"open": ("site", "login"), "site": ("site",), "login": ("login",), "closed": ()}


@dataclass(frozen=True)
class PasswordlessOptions:
    moved: ClassVar = {"open": 'registration ("open" or "closed")'}

    registration: str = option(
        "open",
        "Who may make an account without an invitation: open (anybody), site (by POST /new of the website only), login "
        "(by the first login only), or closed (nobody but the operator).",
        per_domain=True,
        live=True,
    )
    closed_until: str = option(
        "",
        'Day from which new accounts are made again, such as "2027-01-31" (UTC); before it, nobody may make one '
        "without an invitation. Empty: it is as registration says.",
        per_domain=True,
        live=True,
    )
    freeze_file: str = option(
        "no-create", "While this file is in the gateway's folder, no accounts are made.", per_domain=True, live=True
    )
    name_min_length: int = option(
        9, "Characters that a new account's name must have. Delta Chat invents names of 9.", per_domain=True, live=True
    )
    name_max_length: int = option(
        9, "Characters that a new account's name may have, at most 64.", per_domain=True, live=True
    )
    password_min_length: int = option(
        9, "Characters that a new password must have. Delta Chat invents ones of 22.", per_domain=True, live=True
    )
    password_max_length: int = option(1024, "Characters that a password may have.", live=True)
    scrypt_cost: int = option(14, "Base-2 logarithm of scrypt's N for new passwords: 14 is 45 ms and 16 MB a login.")
    hash_threads: int = option(0, "Passwords hashed at the same time; 0 for as many as there are CPUs.")
    hash_queue: int = option(100, "Logins that may wait for that; more are told to come back later.")
    imported_hash_seconds: float = option(
        1.0, "Seconds that the hash of another server may take to verify; accounts with a dearer one cannot log in."
    )
    imported_hash_megabytes: int = option(128, "Megabytes that one such hash may need, for each of hash_threads.")
    refusal_seconds: float = option(
        0.5,
        "Seconds until a login is refused, so that the time does not tell which accounts exist or were imported; more "
        "where imported hashes take longer.",
    )
    wrong_per_minute: int = option(
        120, "Wrong logins a minute from one IPv4 /24 or IPv6 /48; 0 for any number.", live=True
    )
    remember_seconds: float = option(
        3600.0, "Seconds in which a verified login is recognised without hashing.", live=True
    )
    remember_logins: int = option(100000, "Verified logins remembered at most, some 250 octets each.", live=True)

    def __post_init__(self) -> None:
        if self.registration not in WAYS:
            raise ValueError(f"registration: must be {', '.join(WAYS)}")
        try:
            datetime.date.fromisoformat(self.closed_until or "2000-01-01")
        except ValueError:
            raise ValueError("closed_until: must be a day such as 2027-01-31") from None
        if not 1 <= self.name_min_length <= self.name_max_length <= 64:
            raise ValueError("name_min_length and name_max_length must be in order and from 1 to 64")
        if not 1 <= self.password_min_length <= self.password_max_length:
            raise ValueError("password_min_length and password_max_length must be in order and from 1")
        if not 10 <= self.scrypt_cost <= 20:
            raise ValueError("scrypt_cost must be from 10 to 20")
        if not 0 <= self.refusal_seconds <= 60:
            raise ValueError("refusal_seconds must be from 0 to 60")
        if not 0 <= self.imported_hash_seconds <= 60:
            raise ValueError("imported_hash_seconds must be from 0 to 60")
        if not 0 <= self.imported_hash_megabytes <= 4096:
            raise ValueError("imported_hash_megabytes must be from 0 to 4096")


def options_at(address: str, gateway: Gateway, options: PasswordlessOptions) -> PasswordlessOptions:
    """The options for the domain of this address; if it is not one of ours, those of the first domain."""
    domain = gateway.domains.of(address)
    return options if domain is None else domain.options(options)
