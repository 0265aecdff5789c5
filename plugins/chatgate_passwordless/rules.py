"""Which names and passwords accounts can have."""

from __future__ import annotations

import re

from chatgate.api import Gateway, normal_address, valid_address
from chatgate_passwordless.options import PasswordlessOptions, options_at

# The lengths that Delta Chat uses for accounts it invents from a `dcaccount:DOMAIN` link.
_CLIENT_NAME_LENGTH = 9
_CLIENT_PASSWORD_LENGTH = 22

_NAME = re.compile(r"[a-z0-9._-]{1,64}")  # RFC 5321 §4.5.3.1.1: a local part has at most 64 octets


class Rules:
    """The rules of each domain, found by the domain of an address."""

    def __init__(self, gateway: Gateway, options: PasswordlessOptions) -> None:
        self._gateway, self._domains, self._options = gateway, gateway.domains, options

    def _at(self, address: str) -> PasswordlessOptions:
        return options_at(address, self._gateway, self._options)

    def name(self, address: str) -> str:
        """The local part of an address, or "" if no account here can have that address."""
        name = address.rpartition("@")[0]
        return name if _NAME.fullmatch(name) and self._domains.of(address) else ""

    def broken(self, address: str, password: str, operator: bool = False) -> str:
        """Why no new account can have this address or password; "" if one can. The operator may use names of any
        length.
        """
        if self._domains.of(address) is None:
            if len(self._domains) > 1:  # do not tell the client which domains there are
                return "This server has no addresses of that domain"
            return f"Addresses of this server end in @{self._domains.first.name}"
        options = self._at(address)
        low, high = options.name_min_length, options.name_max_length
        if operator:
            low, high = 1, 64
        if not low <= len(self.name(address)) <= high:
            return f"Names of new accounts have {_range(low, high)} characters of a-z 0-9 . _ -"
        if not valid_address(address):  # older accounts with such names can log in, but no mail has ever reached them
            return "Dots in names of new accounts stand between other characters"
        return self.broken_by(address, password)

    def broken_by(self, address: str, password: str) -> str:
        """Why no account in the domain of this address can have this password; "" if one can."""
        low, high = self._at(address).password_min_length, self._options.password_max_length
        return "" if low <= len(password) <= high else f"Passwords have {_range(low, high)} characters"

    def refused_of_apps(self) -> list[str]:
        """Which of the names and passwords that Delta Chat invents these rules refuse; a text for the operator each."""
        found = dict[str, None]()  # texts that are the same for several domains are given once
        for options in (domain.options(self._options) for domain in self._domains):
            if not options.name_min_length <= _CLIENT_NAME_LENGTH <= options.name_max_length:
                found[f"names of {_CLIENT_NAME_LENGTH} characters are refused"] = None
            if not options.password_min_length <= _CLIENT_PASSWORD_LENGTH <= options.password_max_length:
                found[f"passwords of {_CLIENT_PASSWORD_LENGTH} characters are refused"] = None
        return list(found)


def lower(address: str) -> str:
    """The address in lower case. Not by str.lower() alone, which would turn the Kelvin sign into a k."""
    return normal_address(address).lower() if address.isascii() else address


def _range(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low} to {high}"
