"""In which language a page is: there are those with a catalog of this plugin, and those for which the operator's folder
has pages of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from chatgate.api import ENGLISH, LANGUAGE_TAG

_ASKED = re.compile(r"\s*([A-Za-z0-9-]+|\*)\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*")
_MOST_ASKED = 50  # languages of one visitor that are considered
_CATALOGS = Path(__file__).parent / "locale"


def available(*own: Path) -> list[str]:
    """All languages. own: the operator's folders, where a folder `de` or the like has pages of this language."""
    shipped = [path.parent.parent for path in _CATALOGS.glob("*/LC_MESSAGES/*.mo")]
    found = {path.name for path in (*shipped, *(page.parent for folder in own for page in folder.glob("*/*.html")))}
    return sorted({ENGLISH, *filter(LANGUAGE_TAG.fullmatch, found)})


def best(asked: str, there: Iterable[str]) -> str:
    """The available language that matches an Accept-Language field (RFC 9110 §12.5.4) best, looked up as in RFC 4647
    §3.4; "" if none does.
    """
    by_name = {name.lower(): name for name in there}
    for tag in _wanted(asked):
        while tag:
            if tag in by_name:
                return by_name[tag]
            tag = tag.rpartition("-")[0]
    return ""


def _wanted(asked: str) -> list[str]:
    """The languages asked for, in lower case, by descending weight; those of equal weight in the given order."""
    found = []
    for part in asked.split(",", _MOST_ASKED)[:_MOST_ASKED]:
        match = _ASKED.fullmatch(part)
        if match and match[1] != "*" and (weight := float(match[2] or 1)) > 0:
            found.append((-weight, match[1].lower()))
    return [tag for _, tag in sorted(found, key=lambda one: one[0])]


def lookup(folders: Iterable[Path], language: str) -> Iterator[Path]:
    """The folders in which templates are looked for, in order."""
    for folder in folders:
        if language != ENGLISH:
            yield folder / language
        yield folder
