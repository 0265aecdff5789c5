"""Domains, host names and addresses to listen on, as operators write them: normalised, or refused.

This is the one place for these rules. Every function that refuses raises ValueError with a few words that begin with
the given text.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
# A first label such as "_test" makes a name for trying things out: no public one can look like this.
_NAME = re.compile(rf"(?=.{{1,253}}\Z)_?{_LABEL}(\.{_LABEL})*\Z")
_LITERAL = re.compile(r"\[(?:IPv6:)?([^][]*)\]\Z", re.IGNORECASE)  # RFC 5321 §4.1.3


def ip(text: str) -> IpAddress | None:
    """The IP address that this text is, alone or as an address literal, or None."""
    literal = _LITERAL.match(text)
    try:
        return ipaddress.ip_address(literal[1] if literal else text)
    except ValueError:
        return None


def bare(name: str) -> str:
    """The host that clients connect to: an address literal without its brackets and tag, any other name as it is."""
    address = ip(name)
    return str(address) if address else name


def host(text: str) -> str:
    """The host in normal form: a host name in lower case, or an IP address without brackets. Raises ValueError for one
    that clients cannot connect to.
    """
    if address := ip(text):
        if getattr(address, "scope_id", None):
            raise ValueError(f"{text!r} has a zone, which means something on one machine only")
        if address.is_unspecified or address.is_multicast or address == _BROADCAST:
            raise ValueError(f"{text!r} is no address that clients can connect to")
        return str(address)
    name = text.lower().removesuffix(".")  # the root of the DNS
    if not _NAME.match(name) or name.rpartition(".")[2].isdigit():  # RFC 1123 §2.1: that would be an IP address
        raise ValueError(f"{text!r} is neither a host name nor an IP address{_hint(text)}")
    return name


_BROADCAST = ipaddress.IPv4Address("255.255.255.255")


def mail_domain(text: str) -> str:
    """The part of an address after the @: a host name, or the literal of an IP address (RFC 5321 §4.1.3)."""
    name = host(text)
    address = ip(name)
    return f"[IPv6:{name}]" if address and address.version == 6 else f"[{name}]" if address else name


def _hint(text: str) -> str:
    name = text.strip()
    if not name:
        return ": it is empty"
    if (found := re.match(r"[a-z]+://([^/:]+)", name.lower())) and _NAME.match(found[1]):
        return f"; leave out all but the name: {found[1]}"
    if "@" in name:
        return "; leave out the @ and what is before it"
    if not name.isascii():
        try:
            return f"; write it as {name.encode('idna').decode().lower()}"
        except UnicodeError:
            return ""
    return ""


class Listener(NamedTuple):
    """host: "*" for all addresses, an IP address or a name; for a Unix socket "unix", with its path as `port`. words:
    what else was said, of `WORDS`: then it is for proxies, not for clients. str() gives the form that `listener` reads.
    """

    host: str
    port: str
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.address, *self.words))

    @property
    def address(self) -> str:
        """Without the words."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def local(self) -> bool:
        """Can only this machine reach it?"""
        address = ip(self.host)
        return self.host in ("unix", "localhost") or (address is not None and address.is_loopback)

    def meets(self, other: Listener) -> bool:
        """Do the two exclude each other?"""
        if self.port != other.port or self.port == "0":
            return False
        if "unix" in (self.host, other.host):
            return self.host == other.host
        return self.host == other.host or any(
            wide.host == "*" or (wide.host in ("0.0.0.0", "::") and (":" in wide.host) == (":" in narrow.host))
            for wide, narrow in ((self, other), (other, self))
        )


# What may follow the address of a listener: each connection begins with a PROXY header; whoever connects has taken TLS
# off before.
WORDS = ("proxy", "decrypted")


def listener(text: str) -> Listener:
    """The listener written as "host:port", "[v6]:port", "*:port" or "unix:/path", perhaps with `WORDS` after it."""
    address, words = text.strip(), list[str]()
    while (word := address.rpartition(" ")[2]) in WORDS and word not in words:
        address = address.removesuffix(word).rstrip()
        words.insert(0, word)
    found = _listener(address)._replace(words=tuple(words))
    if words and not found.local:
        # Anybody could name any client, or send a password in clear.
        raise ValueError(
            f"{text!r}: {words[0]!r} is for addresses that only this machine reaches, such as 127.0.0.1:1993 or "
            "unix:/path"
        )
    return found


def _listener(text: str) -> Listener:
    if text.startswith("unix:"):
        if not text.startswith("unix:/") or "\0" in text:
            raise ValueError(f"{text!r} must be unix: and a path that begins with /")
        return Listener("unix", text[5:])
    where, colon, port = text.rpartition(":")
    if not where or not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} must be host:port, *:port or unix:/path, with a port up to 65535")
    if where != "*":
        literal = where.startswith("[") and where.endswith("]")
        address = ip(where[1:-1] if literal else where)
        if literal and not (address and address.version == 6) or (address and address.version == 6 and not literal):
            raise ValueError(f"{text!r} must have an IPv6 address in brackets, such as [::1]:{port}")
        where = str(address) if address else host(where)
    return Listener(where, str(int(port)))
