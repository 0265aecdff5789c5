"""Records as texts: of a zone file, and for the forms of providers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any

from chatgate.api import DnsRecord

_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)', re.DOTALL)
_ESCAPE = re.compile(r"\\(\d{3}|.)", re.DOTALL)


def quoted(text: str) -> str:
    """The value of a TXT record for a zone file: strings of 255 octets at most (RFC 1035 §3.3)."""
    data = text.encode()
    pieces = [data[start : start + 255] for start in range(0, len(data), 255)] or [b""]
    return " ".join(f'"{"".join(map(_character, piece))}"' for piece in pieces)


def _character(octet: int) -> str:
    if octet in b'"\\':
        return f"\\{chr(octet)}"
    return chr(octet) if 32 <= octet < 127 else f"\\{octet:03d}"


def joined(value: str) -> str:
    """The text of a TXT record from the value in a zone file, its strings joined."""
    return "".join(_plain(quoted if quoted or not bare else bare) for quoted, bare in _STRING.findall(value))


def _plain(text: str) -> str:
    octets = bytearray()
    at = 0
    for found in _ESCAPE.finditer(text):
        octets += text[at : found.start()].encode() + _octet(found[1])
        at = found.end()
    return (octets + text[at:].encode()).decode("utf-8", "replace")


def _octet(escaped: str) -> bytes:
    return bytes([int(escaped) & 255]) if escaped.isdigit() and len(escaped) == 3 else escaped.encode()


def shown(text: str) -> str:
    """A text of others for a terminal or a log: one line that controls nothing, and not too long."""
    clean = "".join(char if char.isprintable() else f"\\{ord(char):03d}" for char in text[:_MOST_SHOWN])
    return clean + ("…" if len(text) > _MOST_SHOWN else "")


_MOST_SHOWN = 1000

TTL = 3600


def zone_line(record: DnsRecord) -> str:
    """The record as a line of a zone file; a comment if only the operator knows its value."""
    if not record.value:
        return f"; {record.name}. {TTL} IN {record.type} {UNKNOWN[record.type]}"
    value = quoted(record.value) if record.type == "TXT" else record.value
    return f"{record.name}. {TTL} IN {record.type} {value}"


UNKNOWN = {"A": "(the public IPv4 address of this server)", "AAAA": "(the public IPv6 address of this server)"}


def data(record: DnsRecord) -> dict[str, Any]:
    """The record for JSON."""
    return {"name": record.name, "type": record.type, "value": record.value, "ttl": TTL} | {
        "required": record.required,
        "why": record.why,
    }


def zone(records: Sequence[DnsRecord]) -> list[str]:
    """The lines of a zone file (RFC 1035 §5)."""
    lines: list[str] = []
    for why, group in _groups(records):
        lines += [f"; {why}", *map(zone_line, group)]
    return lines


def form(records: Sequence[DnsRecord]) -> list[str]:
    """Lines for people who paste each value into a form of their provider."""
    names = max((len(record.name) for record in records), default=0)
    types = max((len(record.type) for record in records), default=0)
    lines: list[str] = []
    for why, group in _groups(records):
        lines.append(f"  # {why}")
        for record in group:
            value = record.value or UNKNOWN[record.type]
            lines.append(f"  {record.name:<{names}}  {record.type:<{types}}  {value}")
    return lines


def _groups(records: Sequence[DnsRecord]) -> list[tuple[str, list[DnsRecord]]]:
    return [(why, list(group)) for why, group in itertools.groupby(records, key=lambda record: record.why)]
