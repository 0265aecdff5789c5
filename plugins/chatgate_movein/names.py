"""Names as other servers keep them: addresses, mailboxes, hashes."""

from __future__ import annotations

import base64
import binascii
import re

from chatgate.api import Domain, Domains, Impossible, address_key, new_address, new_mailbox_name
from chatgate_movein.records import Unreadable

_CRYPT = re.compile(r"\$(?:5|6|2[aby]|argon2(?:id|i|d)|scrypt|sha256)\$[!-~]{8,990}")
# How maddy's pass_table writes argon2id: time:memory:threads:salt:hash.
_ARGON2 = re.compile(r"([1-9]\d{0,9}):([1-9]\d{0,9}):([1-9]\d{0,2}):([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)")
_SHA256 = re.compile(r"([A-Za-z0-9+/=]{1,400}):([A-Za-z0-9+/]{43}=?)")

# A secret that no password fits. Whoever operates the gateway can set a password.
NO_PASSWORD = "*"


def address(name: str, domains: Domains, onto: Domain | None) -> str:
    """The address here of an account there. onto: the domain into which all come. Raises Unreadable."""
    try:
        key = new_address(name)
    except (Impossible, UnicodeError):
        raise Unreadable("not a valid address") from None
    if onto is not None:
        key = address_key(f"{key.rpartition('@')[0]}@{onto.name}")
    if domains.of(key) is None:
        raise Unreadable("of a domain that this gateway does not have; --domain says into which it is to come")
    return key


def mailbox(name: str) -> str:
    """Raises Unreadable for a name that no mailbox here can have."""
    try:
        return new_mailbox_name(name)
    except (Impossible, UnicodeError):
        raise Unreadable("not a name that a mailbox can have here") from None


def levels(name: str, separator: str = ".") -> str:
    """The name of a mailbox on a server with this separator, with "/" between its levels. A "/" within a level becomes
    "_".
    """
    return "/".join(level.replace("/", "_") for level in name.split(separator))


def modified_utf7(name: str) -> str:
    """What the name reads (RFC 3501 §5.1.3). Raises Unreadable."""

    def decoded(match: re.Match[str]) -> str:
        if not match[1]:
            return "&"
        return base64.b64decode(match[1].replace(",", "/") + "=" * (-len(match[1]) % 4)).decode("utf-16-be")

    try:
        return re.sub("&([^-]*)-", decoded, name)
    except (ValueError, binascii.Error):
        raise Unreadable("a name in no known encoding") from None


def secret(stored: str) -> str:
    """The hash of a password as this gateway's passwordless keeps those of others: in the form of crypt(3), or as a PHC
    string. Raises Unreadable.
    """
    text = re.sub(r"\A\{(?:SHA512-CRYPT|SHA256-CRYPT|BLF-CRYPT|CRYPT|ARGON2ID|ARGON2I)\}", "", stored.strip())
    kind, _, rest = text.partition(":")
    if kind == "bcrypt":
        text = rest
    elif kind == "argon2" and (match := _ARGON2.fullmatch(rest)):
        time, memory, threads, salt, digest = match.groups()
        text = f"$argon2id$v=19$m={memory},t={time},p={threads}${salt.rstrip('=')}${digest.rstrip('=')}"
    elif kind == "sha256" and (match := _SHA256.fullmatch(rest)):
        # passwordless keeps what it generated itself in the same way: SHA-256 of salt and password.
        text = f"$sha256${match[1].rstrip('=')}${match[2].rstrip('=')}"
    if not _CRYPT.fullmatch(text):
        raise Unreadable("a password hash of a kind that is not known here")
    return text


def shown(name: str) -> str:
    """For the report: bent octets and control characters of a file's name do not reach a terminal."""
    return "".join(one if one.isprintable() else "?" for one in name)[:200]
