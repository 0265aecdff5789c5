"""Does what the DNS says mean the same as the record that is wanted? Texts may differ and yet mean the same."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from chatgate.api import DnsRecord


class Verdict(NamedTuple):
    """kind: "missing", "wrong", "several" (where only one may be) or "extra" (it should not be there). there: the
    records that are found in its place. why: what is the matter with them, in words; "" where that is plain.
    """

    kind: str
    there: tuple[str, ...] = ()
    why: str = ""


def judge(record: DnsRecord, found: Sequence[str], ours: Collection[str] = ()) -> Verdict | None:
    """Compare a record with what a server has of its name and type, as texts of a zone file; TXT without quotes. ours:
    the addresses of this server. None: it is there.
    """
    found = tuple(sorted(set(found)))  # nameservers turn them round; a record twice is the same record
    if record.type == "TXT":
        return _text(record.value, found, ours)
    if not found:
        return Verdict("missing")
    if not record.value:
        return None
    same = _SAME.get(record.type, _same_text)
    return None if any(same(record.value, one) for one in found) else Verdict("wrong", found)


def extras(wanted: Sequence[DnsRecord], found: Sequence[str]) -> tuple[str, ...]:
    """Addresses and mail exchangers beside those that are wanted (all of one name and type): some of those who want to
    reach this server go there.
    """
    if wanted[0].type not in ("A", "AAAA", "MX") or not all(record.value for record in wanted):
        return ()
    same = _SAME[wanted[0].type]
    return tuple(one for one in dict.fromkeys(found) if not any(same(record.value, one) for record in wanted))


# ------------------------------------------------------------------------------------------------ types


def _same_text(wanted: str, found: str) -> bool:
    return wanted.lower().removesuffix(".") == found.lower().removesuffix(".")


def _same_address(wanted: str, found: str) -> bool:
    try:
        return ipaddress.ip_address(wanted) == ipaddress.ip_address(found)
    except ValueError:
        return False


def _same_last(count: int) -> Callable[[str, str], bool]:
    """Compares the last words: of MX the host, of SRV port and host. Preferences and weights are the operator's."""
    return lambda wanted, found: _words(wanted)[-count:] == _words(found)[-count:]


def _words(value: str) -> list[str]:
    return value.lower().removesuffix(".").split()


def _same_issuer(wanted: str, found: str) -> bool:
    """CAA (RFC 8659): may the authority issue? Its parameters, such as accounturi, are the operator's."""
    return _issuer(found) == _issuer(wanted)


def _issuer(value: str) -> tuple[str, str]:
    _, tag, text = [*value.split(None, 2), "", "", ""][:3]
    return tag.lower(), text.strip('"').partition(";")[0].strip().lower()


_SAME: dict[str, Callable[[str, str], bool]] = {
    "A": _same_address,
    "AAAA": _same_address,
    "MX": _same_last(1),
    "SRV": _same_last(2),
    "CAA": _same_issuer,
}


# ------------------------------------------------------------------------------------------------ texts


def _text(wanted: str, found: Sequence[str], ours: Collection[str]) -> Verdict | None:
    """Other texts at the same name, such as a proof of ownership, do not matter."""
    kind = next((kind for kind in _KINDS if kind.begins.match(wanted)), None)
    if kind is None:
        return None if wanted in found else Verdict("missing" if not found else "wrong", tuple(found))
    there = tuple(text for text in found if kind.begins.match(text) or kind.alone)
    if not there:
        return Verdict("missing")
    if len(there) > 1:
        return Verdict("several", there, kind.several)
    why = kind.differs(wanted, there[0], ours)
    return Verdict("wrong", there, why) if why else None


def tags(text: str) -> dict[str, str]:
    """The tag=value list of DKIM (RFC 6376 §3.2), DMARC and MTA-STS, by tag; white space around both does not count."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs if name.strip()}


def _differs_by_tags(wanted: str, found: str, _: Collection[str]) -> str:
    """The operator may have more tags, in any order; those that are wanted must be the same."""
    mine, theirs = tags(wanted), tags(found)
    for name, value in mine.items():
        if name not in theirs:
            return f"{name}={value} is not in it"
        if theirs[name].lower() != value.lower():
            return f"it has {name}={theirs[name]}, not {name}={value}"
    return ""


def _differs_as_key(wanted: str, found: str, _: Collection[str]) -> str:
    """DKIM keys (RFC 6376 §3.6.1): k, h, s and t have defaults; white space within the key does not count."""
    mine, theirs = tags(wanted), tags(found)
    key = _solid(theirs.get("p", ""))
    if "p" not in theirs:
        return "it has no key (p=)"
    if not key:
        return "its key is empty, which means that it was revoked"
    if theirs.get("k", "rsa").lower() != mine.get("k", "rsa").lower():
        return f"it is a key of the kind {theirs.get('k', 'rsa')}, not {mine.get('k', 'rsa')}"
    if key != _solid(mine.get("p", "")):
        return "it is another key" if not _solid(mine.get("p", "")).startswith(key) else "the end of the key is cut off"
    if "h" in theirs and "sha256" not in _listed(theirs["h"]):
        return "its h= does not allow sha256"
    if "s" in theirs and not _listed(theirs["s"]) & {"*", "email"}:
        return "its s= does not allow e-mail"
    if theirs.get("v", "DKIM1") != "DKIM1":
        return f"its version is {theirs['v']}, not DKIM1"
    if "y" in _listed(theirs.get("t", "")):
        return "t=y says that signatures are only being tried out: take it out"
    return ""


def _listed(value: str) -> set[str]:
    return {one.strip().lower() for one in value.split(":")}


def _solid(text: str) -> str:
    return "".join(text.split())


def _differs_as_policy(wanted: str, found: str, ours: Collection[str]) -> str:
    """SPF (RFC 7208): the operator may use other words; this server must be allowed before anybody is refused."""
    terms = found.lower().split()[1:]
    ending = next((at for at, term in enumerate(terms) if term.lstrip("+-~?") == "all"), len(terms))
    if terms[ending : ending + 1] in (["all"], ["+all"]):
        return "+all lets anybody send in the name of this domain"
    allowed = {term.removeprefix("+") for term in terms[:ending]}
    for term in wanted.lower().split()[1:]:
        if term.endswith("all"):
            break
        # mx: the records of this domain name this server, which is looked at by itself.
        if not allowed & {term, "mx"} and not _allows(allowed, ours):
            return f"it does not allow this server: {term} is not in it"
    return ""


def _allows(terms: Collection[str], ours: Collection[str]) -> bool:
    """Are all of our addresses in ip4: and ip6: terms?"""
    networks = []
    for term in terms:
        try:
            networks += [ipaddress.ip_network(term[4:], strict=False)] if term.startswith(("ip4:", "ip6:")) else []
        except ValueError:
            continue
    addresses = [ipaddress.ip_address(one) for one in ours]
    return bool(addresses) and all(any(one in network for network in networks) for one in addresses)


class _Kind(NamedTuple):
    """begins: what a text of this kind begins with. alone: no other text may be at its name. differs: says in what the
    second differs from the first, "" if they mean the same; the third are the addresses of this server.
    """

    begins: re.Pattern[str]
    several: str
    differs: Callable[[str, str, Collection[str]], str]
    alone: bool = False


_KINDS = [
    _Kind(re.compile(r"v=spf1(?: |$)", re.I), "with two, SPF always fails (RFC 7208 §4.5)", _differs_as_policy),
    _Kind(re.compile(r"v\s*=\s*DKIM1\s*;", re.I), "others take any of them, or none", _differs_as_key, alone=True),
    _Kind(re.compile(r"v\s*=\s*DMARC1\s*(?:;|$)", re.I), "with two, none counts", _differs_by_tags),
    _Kind(re.compile(r"v\s*=\s*STSv1\s*(?:;|$)", re.I), "with two, none counts", _differs_by_tags),
    _Kind(re.compile(r"dkim\s*=", re.I), "with two, none counts", _differs_by_tags),
]
