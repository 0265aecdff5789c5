"""One DKIM-Signature field (RFC 6376 §3.5): what it claims, and whether a claim like that can be accepted at all."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import cast

from chatgate_dkim.canonical import Algorithm
from chatgate_dkim.tags import Malformed, domain, items, number, plain, tags

_ALGORITHMS = {b"rsa-sha256": "rsa", b"ed25519-sha256": "ed25519"}
_MOST_FIELDS = 300
_CANONICAL = (b"simple", b"relaxed")


@dataclass(frozen=True, slots=True)
class Signature:
    """raw: the whole field. kind: "rsa" or "ed25519". domain: d=. identity: the domain of i=. names: the fields that
    are signed, in order. made, expires: Unix seconds, or None.
    """

    raw: bytes
    kind: str
    domain: str
    selector: str
    identity: str
    header: Algorithm
    body: Algorithm
    names: tuple[bytes, ...]
    body_hash: bytes
    value: bytes
    made: int | None
    expires: int | None

    @property
    def record(self) -> str:
        """The name of its key in the DNS (§3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"

    def stale(self, now: float, skew: float) -> str:
        """Why it is not valid at this time; "" if it is. skew: seconds that clocks may differ."""
        if self.expires is not None and self.expires + skew < now:
            return "it has expired"
        if self.made is not None and self.made - skew > now:
            return "it is from the future; is the sender's clock right?"
        return ""


def read(raw: bytes) -> dict[str, bytes]:
    """The tags of a field. Raises Malformed."""
    return tags(raw.partition(b":")[2])


def parse(raw: bytes, found: dict[str, bytes] | None = None) -> Signature:
    """raw: the field as it came. found: its tags, if they have been read already. Raises Malformed, also for what is
    correct but not accepted here.
    """
    if found is None:
        found = read(raw)
    for name in ("v", "a", "b", "bh", "d", "h", "s"):
        if not found.get(name):
            raise Malformed(f"it has no {name}=")
    if found["v"] != b"1":
        raise Malformed("its version is unknown")
    kind = _ALGORITHMS.get(found["a"].lower())
    if kind is None:
        weak = found["a"].lower() == b"rsa-sha1"  # RFC 8301 §3.1
        raise Malformed("rsa-sha1 is not accepted any more" if weak else "its algorithm is unknown")
    if "l" in found:  # §8.2: whatever follows the signed part would be taken for the signer's
        raise Malformed("it covers only a part of the body (l=)")
    if b"dns/txt" not in items(found.get("q", b"dns/txt")):
        raise Malformed("its key is not in the DNS (q=)")
    signer, selector = domain(found["d"]), domain(found["s"])
    if signer is None or selector is None or len(selector) + len(signer) > 240:
        raise Malformed("its d= or s= is no name in the DNS")
    identity = domain(found["i"].rpartition(b"@")[2]) if "i" in found else signer
    if not identity or not f".{identity}".endswith(f".{signer}"):
        raise Malformed("its i= is not within its d=")
    header, slash, body = plain(found.get("c", b"simple/simple")).lower().partition(b"/")
    body = body if slash else b"simple"
    if header not in _CANONICAL or body not in _CANONICAL:
        raise Malformed("its canonicalization is unknown (c=)")
    names = items(found["h"])
    if b"from" not in names:
        raise Malformed("it does not cover the From field")
    if len(names) > _MOST_FIELDS or b"" in names:
        raise Malformed("its list of fields is not right (h=)")
    made, expires = number(found, "t"), number(found, "x")
    if made is not None and expires is not None and expires <= made:
        raise Malformed("it expires before it begins")
    return Signature(
        raw,
        kind,
        signer,
        selector,
        identity,
        cast(Algorithm, header.decode()),
        cast(Algorithm, body.decode()),
        tuple(names),
        _base64(found["bh"], "bh"),
        _base64(found["b"], "b"),
        made,
        expires,
    )


def unsigned(raw: bytes) -> bytes:
    """The field as it was before its signature was put in: b= with nothing behind it (§3.7), and no CRLF at its end."""
    name, _, value = raw.removesuffix(b"\r\n").partition(b":")
    parts = value.split(b";")
    for n, part in enumerate(parts):
        tag, equals, _ = part.partition(b"=")
        if equals and tag.strip(b" \t\r\n") == b"b":
            parts[n] = tag + equals
    return name + b":" + b";".join(parts)


def _base64(value: bytes, name: str) -> bytes:
    try:
        return base64.b64decode(plain(value), validate=True)
    except binascii.Error:
        raise Malformed(f"its {name}= is not base64") from None
