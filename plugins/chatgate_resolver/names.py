"""Names as the DNS has them."""

from __future__ import annotations

import re

import dns.name

from chatgate_resolver.answers import NoSuchName

# Host names, and labels such as "_dmarc" and "_25" beside them (RFC 8552). Others are possible in the DNS, but whoever
# has such a name in mail has made a mistake, or tries something.
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_LONGEST = 253
_SHOWN = 60


def normal(text: str) -> str:
    """The name in lower case, without the final dot. Raises NoSuchName for what cannot be one: international names are
    written with A-labels here ("xn--…", RFC 5890). Names of Tor are none, and nobody is told of them (RFC 7686 §2).
    """
    name = text.removesuffix(".").lower()
    if not name or name.endswith(".onion") or len(name) > _LONGEST or not all(map(_LABEL.fullmatch, name.split("."))):
        shown = ascii(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
        raise NoSuchName(f"{shown} is no name of the DNS")
    return name


def shown(name: dns.name.Name) -> str:
    """A name out of a record: lower case, no final dot. What is unusual in a label comes as \\DDD, so that `normal`
    refuses it; the root is "".
    """
    return name.to_text(omit_final_dot=True).lower() if name != dns.name.root else ""
