"""The JSON that apps get: on one line, and checked as strictly as the strictest app would."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit


def compact(content: bytes) -> bytes:
    """The document on one line of ASCII. Raises ValueError that says where an error is and what is wrong.

    The structure is what Delta Chat core 2.x reads: `{"clients": [{"clientId", "sources": [{"sourceId",
    "versionInteger", "versionString", "downloadUrl"}]}]}`. Unknown keys are refused, as misspelt ones would have no
    effect.
    """
    try:
        data = json.loads(content.decode("utf-8"), object_pairs_hook=_object)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    [clients] = _members(data, "", ("clients",))
    for place, client in _items(clients, "clients", "clientId"):
        _, sources = _members(client, place, ("clientId", "sources"))
        for inner, source in _items(sources, f"{place}.sources", "sourceId"):
            _, number, name, url = _members(
                source, inner, ("sourceId", "versionInteger", "versionString", "downloadUrl")
            )
            # Delta Chat reads 32 bits; if one number is out of range, it ignores the whole document.
            if type(number) is not int or not 0 <= number < 1 << 32:
                raise ValueError(f"{inner}.versionInteger: must be a whole number from 0 to {(1 << 32) - 1}")
            _text(name, f"{inner}.versionString")
            _url(url, f"{inner}.downloadUrl")
    return json.dumps(data, separators=(",", ":")).encode("ascii")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _members(value: Any, place: str, keys: tuple[str, ...]) -> list[Any]:
    """The values of exactly these keys."""
    if not isinstance(value, dict) or value.keys() != set(keys):
        raise ValueError(f"{place or 'the document'}: must be an object with exactly {', '.join(keys)}")
    return [value[key] for key in keys]


def _items(value: Any, place: str, key: str) -> list[tuple[str, Any]]:
    """Each item of a list with its place; the items must differ in the text under `key`."""
    if not isinstance(value, list):
        raise ValueError(f"{place}: must be a list")
    seen = set()
    items = [(f"{place}[{number}]", item) for number, item in enumerate(value)]
    for where, item in items:
        name = item.get(key) if isinstance(item, dict) else None
        _text(name, f"{where}.{key}")
        if name in seen:
            raise ValueError(f"{where}.{key}: is there twice")
        seen.add(name)
    return items


def _text(value: Any, place: str) -> None:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError(f"{place}: must be a text")


def _url(value: Any, place: str) -> None:
    _text(value, place)
    try:
        parts = urlsplit(value)
        fit = parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in value
    except ValueError:
        fit = False
    if not fit:
        raise ValueError(f"{place}: must be an http or https URL")
