"""Addresses as they stand in MAIL FROM and RCPT TO."""

from __future__ import annotations

import ipaddress
import re

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
# An underscore is no host name character, but Delta Chat's way to name test servers ("_cg1.test").
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_ADDRESS = re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?=.{{1,255}}\Z){_LABEL}(?:\.{_LABEL})*")
_LITERAL = re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@\[(IPv6:)?([0-9A-Fa-f.:]{{2,45}})\]", re.IGNORECASE)


def valid(address: str) -> bool:
    """Is it a dot-string at a domain or at an IP literal (RFC 5321 §4.1.2, §4.1.3)? Quoted local parts, source routes
    and everything that is not ASCII are not: no account here can have them, and they are the usual way to say one
    address and mean another.
    """
    if _ADDRESS.fullmatch(address):
        return True
    literal = _LITERAL.fullmatch(address)
    if literal is None:
        return False
    try:
        if literal[1]:
            ipaddress.IPv6Address(literal[2])
        else:
            ipaddress.IPv4Address(literal[2])
    except ValueError:
        return False
    return True


def host_name(name: str) -> str:
    """A host name, or an IP address as a literal, as it stands in a greeting."""
    try:
        version = ipaddress.ip_address(name.strip("[]")).version
    except ValueError:
        return name
    return f"[{name.strip('[]')}]" if version == 4 else f"[IPv6:{name.strip('[]')}]"
