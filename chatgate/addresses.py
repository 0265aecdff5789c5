"""The rules for mail addresses: which texts are one, and how it is spelled."""

from __future__ import annotations

import functools
import re

from chatgate.names import ip

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
# An underscore is no host name character, but Delta Chat's way to name test servers ("_cg1.test").
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_LOCAL = rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@"
_ADDRESS = re.compile(rf"{_LOCAL}(?=.{{1,255}}\Z){_LABEL}(?:\.{_LABEL})*")
_AT_LITERAL = re.compile(rf"{_LOCAL}(\[.{{2,60}}\])")


def valid_address(address: str) -> bool:
    """Is it a dot-string at a domain or at an address literal (RFC 5321 §4.1.2, §4.1.3)? Quoted local parts, source
    routes and non-ASCII characters are refused: no account here can have them, and they are commonly used to write one
    address and mean another.
    """
    if _ADDRESS.fullmatch(address):
        return True
    found = _AT_LITERAL.fullmatch(address)
    return found is not None and (address_literal(found[1]) or "").lower() == found[1].lower()


def shown_address(address: str) -> str:
    """The address for a line of the log at debug. A text that is no address is not repeated, as people also type
    passwords there by mistake.
    """
    return address if valid_address(address) else "(malformed)"


def normal_address(address: str) -> str:
    """The address in its one spelling: an IP address after the @ becomes a literal, as people leave out the brackets,
    and IPv6 addresses can be written in many ways. Everything else stays as it is; compare the result without regard to
    case.
    """
    local, at, domain = address.rpartition("@")
    if domain[-1:].isdigit() or domain[-1:] == "]" or ":" in domain:
        return f"{local}{at}{address_literal(domain) or domain}"
    return address


@functools.lru_cache(64)  # where the domain is an IP address, each login asks for the same one
def address_literal(text: str) -> str | None:
    """An IP address as it is written after the @, "[192.0.2.1]" or "[IPv6:2001:db8::1]", whether or not the text has
    brackets and tag; None if it is no IP address.
    """
    address = ip(text) or ip(f"[{text}]")
    if address is None or getattr(address, "scope_id", None):
        return None
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"
