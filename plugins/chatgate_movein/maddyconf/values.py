"""Values of a maddy.conf. Each function takes the arguments of a directive, and raises ValueError with a text."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import PurePosixPath

_SIZE = re.compile(r"([0-9]{1,15})([GMKBb])")
_UNITS = {"G": 1 << 30, "M": 1 << 20, "K": 1 << 10, "B": 1, "b": 1}
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{0,9})?)(d|h|ms|m|s|us|µs|ns)")
_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_ENDPOINT = re.compile(r"([a-z]+)://(.*)", re.DOTALL)
_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{0,253}|\*):([0-9]{1,5})")

_YES = {"yes", "true", "on", "1", "y", "t", "enable", "enabled"}
_NO = {"no", "false", "off", "0", "n", "f", "disable", "disabled", ""}


def one(args: Sequence[str]) -> str:
    """The only argument."""
    if len(args) != 1:
        raise ValueError("must have one value")
    return args[0]


def size(args: Sequence[str]) -> int:
    """Octets: 32M, or several that are added up: 3M 5K."""
    found = [_SIZE.fullmatch(arg) for arg in args]
    if not found or not all(found):
        raise ValueError("must be a size such as 32M")
    return sum(int(match[1]) * _UNITS[match[2]] for match in found if match)


def duration(args: Sequence[str]) -> float:
    """Seconds: 1h5m, or several that are added up: 1h 5m."""
    total = 0.0
    for arg in args:
        parts = list(_DURATION.finditer(arg))
        if arg != "0" and (not parts or "".join(part[0] for part in parts) != arg):
            raise ValueError("must be a time such as 1h5m")
        total += sum(float(part[1]) * _SECONDS[part[2]] for part in parts)
    if not args:
        raise ValueError("must be a time such as 1h5m")
    return total


def days(args: Sequence[str]) -> int:
    """A duration in days, a part of one counted as a whole one; 0 for none."""
    return math.ceil(duration(args) / 86400)


def number(args: Sequence[str]) -> int:
    if not re.fullmatch(r"[0-9]{1,12}", text := one(args)):
        raise ValueError("must be a number")
    return int(text)


def yes(args: Sequence[str]) -> bool:
    """A directive without a value says yes."""
    if not args:
        return True
    text = one(args).lower()
    if text not in _YES | _NO:
        raise ValueError("must be yes or no")
    return text in _YES


def host(args: Sequence[str]) -> str:
    """A host name, or an IP address."""
    if not re.fullmatch(r"[A-Za-z0-9._:\[\]-]{1,255}", text := one(args)):
        raise ValueError(f"{text[:80]!r} is no host name" if text else "is empty")
    return text


def endpoint(text: str, runtime: str) -> tuple[str, str]:
    """The scheme of an address, such as "tcp", and the address as chatgate has it. runtime: the folder in which Maddy
    has its sockets.
    """
    match = _ENDPOINT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:80]!r} must be an address such as tcp://0.0.0.0:25")
    if match[1] == "unix":
        return "unix", f"unix:{PurePosixPath(runtime) / match[2]}"
    place = _HOST_PORT.fullmatch(match[2])
    if place is None or not 0 < int(place[2]) < 65536:
        raise ValueError(f"{text[:80]!r} must have an address and a port")
    where = "*" if place[1] in ("", "*", "[::]") else place[1]  # Maddy's [::] takes IPv4, too
    return match[1], f"{where}:{int(place[2])}"
