"""What a domain publishes for MTA-STS (RFC 8461 §3): a policy, and a record that tells when it has changed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

LONGEST_AGE = 31557600  # §3.2
_MOST_PATTERNS = 200

# §3.1: version first, then fields; blanks around "=" and ";".
_RECORD = re.compile(rb"v[ \t]*=[ \t]*STSv1[ \t]*(;.*)\Z", re.DOTALL)
_ID = re.compile(rb"[ \t]*id[ \t]*=[ \t]*([A-Za-z0-9]{1,32})[ \t]*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_AGE = re.compile(r"[0-9]{1,10}")
_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_PATTERN = re.compile(rf"(?=.{{1,253}}\Z)(\*\.)?{_LABEL}(\.{_LABEL})*")


class StsPolicy(NamedTuple):
    """mode: "enforce", "testing" or "none". mx: the hosts that mail may go to, in lower case, where "*." stands for one
    label. max_age: seconds for which the policy holds once it was fetched.
    """

    mode: str
    mx: tuple[str, ...]
    max_age: int

    @property
    def enforced(self) -> bool:
        """Must mail stay here rather than go to a host that the policy does not allow, or that has no valid
        certificate? If not, the domain is only trying it out (§5).
        """
        return self.mode == "enforce"

    def allows(self, host: str) -> bool:
        """May mail go to this host of an MX record (§4.1)? A valid certificate it must have besides."""
        name = host.lower().removesuffix(".")
        return name in self.mx or f"*.{name.partition('.')[2]}" in self.mx

    def __str__(self) -> str:
        """As it is published; `parse` reads it."""
        lines = ["version: STSv1", f"mode: {self.mode}", *(f"mx: {one}" for one in self.mx), f"max_age: {self.max_age}"]
        return "".join(f"{line}\r\n" for line in lines)


def parse(document: bytes) -> StsPolicy:
    """Raises ValueError, with a few words on what is wrong."""
    try:
        text = document.decode("ascii" if document.isascii() else "utf-8")
    except UnicodeDecodeError:
        raise ValueError("it is no text") from None
    lines = re.split(r"\r?\n", text)
    while lines and not lines[-1]:
        lines.pop()
    found: dict[str, str] = {}
    patterns: list[str] = []
    for line in lines:
        name, colon, value = (part.strip(" \t") for part in line.partition(":"))
        if not colon or not _NAME.fullmatch(name):
            raise ValueError("a line has not the form 'name: value'")
        if name == "mx":
            patterns.append(_pattern(value))
        else:
            found.setdefault(name, value)  # the first one counts; what is unknown does not
    if found.get("version") != "STSv1":
        raise ValueError("its version is not STSv1")
    mode, age = found.get("mode", ""), found.get("max_age", "")
    if mode not in ("enforce", "testing", "none"):
        raise ValueError("its mode is none of enforce, testing, none")
    if not _AGE.fullmatch(age):
        raise ValueError("its max_age is no number of seconds")
    if len(patterns) > _MOST_PATTERNS:
        raise ValueError(f"it names more than {_MOST_PATTERNS} hosts")
    if not patterns and mode != "none":
        raise ValueError("it names no mx")
    return StsPolicy(mode, tuple(dict.fromkeys(patterns)), min(int(age), LONGEST_AGE))


def _pattern(value: str) -> str:
    name = value.lower().removesuffix(".")
    if not _PATTERN.fullmatch(name):
        raise ValueError("one of its mx is no host name")
    return name


def record_id(records: Iterable[bytes]) -> str:
    """The id in the TXT records of `_mta-sts.DOMAIN`, which changes with the policy; "" if there is none: a domain with
    two such records has none (§3.1).
    """
    fields = [found[1] for record in records if (found := _RECORD.match(record))]
    if len(fields) != 1:
        return ""
    ids = [found[1] for field in fields[0].split(b";") if (found := _ID.fullmatch(field))]
    return ids[0].decode("ascii") if ids else ""
