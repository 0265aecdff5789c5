"""From records of one type to the values that callers take."""

from __future__ import annotations

from typing import Any

from chatgate_resolver import names


def txt(record: Any) -> bytes:
    return b"".join(record.strings)


def mx(record: Any) -> tuple[int, str]:
    return record.preference, names.shown(record.exchange)


def address(record: Any) -> str:
    return str(record.address)


def tlsa(record: Any) -> tuple[int, int, int, bytes]:
    return record.usage, record.selector, record.mtype, record.cert


def text(record: Any) -> str:
    """As in a zone file."""
    return str(record.to_text())


def octets(value: Any) -> int:
    """What a value takes in memory, about."""
    if isinstance(value, tuple):
        return sum(map(octets, value))
    return 50 + (len(value) if isinstance(value, str | bytes) else 0)
