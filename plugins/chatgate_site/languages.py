"""Pages in the reader's language: a folder `de` beside the templates has the German ones, and a `texts.toml` with the
texts that are not in any template.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

_TAG = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_ASKED = re.compile(r"\s*([A-Za-z0-9-]+|\*)\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*")
_MOST_ASKED = 50  # languages of one visitor that are considered
SHIPPED = "en"  # the language of the templates that are not in such a folder


def available(folders: Iterable[Path]) -> list[str]:
    """The languages for which there are folders."""
    found = {path.name for folder in folders if folder.is_dir() for path in folder.iterdir() if path.is_dir()}
    return sorted(name for name in found if _TAG.fullmatch(name))


def best(asked: str, there: Iterable[str]) -> str:
    """The available language that matches an Accept-Language field (RFC 9110 §12.5.4) best, looked up as in RFC 4647
    §3.4; else `SHIPPED`.
    """
    by_name = {name.lower(): name for name in [*there, SHIPPED]}
    for tag in _wanted(asked):
        while tag:
            if tag in by_name:
                return by_name[tag]
            tag = tag.rpartition("-")[0]
    return SHIPPED


def _wanted(asked: str) -> list[str]:
    """The languages asked for, in lower case, by descending weight; those of equal weight in the given order."""
    found = []
    for part in asked.split(",", _MOST_ASKED)[:_MOST_ASKED]:
        match = _ASKED.fullmatch(part)
        if match and match[1] != "*" and (weight := float(match[2] or 1)) > 0:
            found.append((-weight, match[1].lower()))
    return [tag for _, tag in sorted(found, key=lambda one: one[0])]


def lookup(folders: Iterable[Path], language: str) -> Iterator[Path]:
    """The folders in which files are looked for, in order."""
    for folder in folders:
        if language != SHIPPED:
            yield folder / language
        yield folder


class Texts:
    """Texts by name, from the `texts.toml` in each of these folders; the first folder that has a name takes precedence.
    Raises OSError and tomllib.TOMLDecodeError.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._texts: dict[str, str] = {}
        for folder in folders:
            path = folder / "texts.toml"
            if path.is_file():
                self._texts = {**tomllib.loads(path.read_text("utf-8")), **self._texts}

    def __call__(self, name: str, **facts: object) -> str:
        """The text with its placeholders filled in. A KeyError is a bug."""
        return self._texts[name].format(**facts)

    def size(self, octets: int) -> str:
        """For people: "500 MB"."""
        for unit, octets_of_it in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
            if octets >= octets_of_it:
                return f"{octets / octets_of_it:.3g} {unit}"
        return self("octets", number=octets)

    def days(self, number: float) -> str:
        """For people: "20 days"."""
        return self("day") if number == 1 else self("days", number=f"{number:.3g}")
