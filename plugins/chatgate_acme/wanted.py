"""Which names the certificate of a domain should have."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chatgate_resolver import Absent, Trouble

from chatgate.api import Domain, bare, ip

# Letters, digits and hyphens: no authority certifies "_try.example.org".
_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_PUBLIC = re.compile(rf"(?=.{{4,253}}\Z){_LABEL}(\.{_LABEL})+\Z")


@dataclass(frozen=True)
class Wanted:
    """names: for which an authority is asked. missing: why it cannot be asked at all yet, or ""."""

    names: tuple[str, ...]
    missing: str = ""


def candidates(domain: Domain, further: Sequence[str], private: bool) -> list[str]:
    """The host of the domain first, then the names that are wanted only if they are in the DNS. private: the authority
    may certify IP addresses that are not those of the Internet.
    """
    own = bare(domain.name)
    found = [domain.hostname, own]
    if not ip(own):
        found += [f"www.{own}", f"mta-sts.{own}"]
    found += [name.lower() for name in further]
    if not certifiable(domain.hostname, private):
        return []
    return [name for name in dict.fromkeys(found) if certifiable(name, private)]


def certifiable(name: str, private: bool) -> bool:
    """Could an authority vouch for this name or IP address?"""
    if address := ip(name):
        return private or address.is_global
    return _PUBLIC.match(name) is not None


def wanted(
    names: Sequence[str], present: Sequence[str], refused: Sequence[str], addresses: Callable[[str], object]
) -> Wanted:
    """names: the candidates, the host first. present: those of the certificate there is. refused: those that are left
    out for now. addresses: asks the DNS; raises Absent and Trouble.
    """
    found = []
    for name in names:
        needed = name == names[0]
        if name in refused and not needed:
            continue
        try:
            if not ip(name):
                addresses(name)
        except Absent:
            if needed:
                return Wanted((), f"{name} has no address in the DNS")
            continue
        except Trouble as error:
            if name not in present:
                if needed:
                    return Wanted((), f"the DNS does not say whether {name} has an address: {error}")
                continue
        found.append(name)
    return Wanted(tuple(found))
