"""How many files the process may have open: each connection is one."""

from __future__ import annotations

import dataclasses
import resource
from collections.abc import Iterable
from typing import Any

from chatgate.hosting.confd import Enabled
from chatgate.hosting.options import is_listener

# Databases, bodies that are being read, the log, threads, and what else is open besides.
_OTHERS = 200


def allow() -> None:
    """Have as many open as the system lets us. The limit that programs begin with, often 1024, is for those that use
    select(2): strangers who only connect would reach it before those of `net`.
    """
    most = _most()
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (OSError, ValueError):
        pass  # where there is no end to it, some systems still have one


def too_few(plugins: Iterable[Enabled]) -> str:
    """What to tell the operator when there is a listener that cannot have the connections it may have; else "". Not all
    of them are full at one time, so they are not added up. By the names that options have everywhere:
    `max_connections`, and where people log in `max_unauthenticated` beside them.
    """
    wanted, name = max(((_connections(one.options), one.name) for one in plugins), default=(0, ""))
    most = _most()
    if most == resource.RLIM_INFINITY or wanted + _OTHERS <= most:
        return ""
    return (
        f"{name} may have {wanted} connections at one listener (max_connections, max_unauthenticated), but the hard "
        f"limit of open files is {most} here (ulimit -Hn, or LimitNOFILE of systemd): beyond it nobody gets in"
    )


def _connections(options: Any) -> int:
    """Of one listener, if there is one."""
    if not dataclasses.is_dataclass(options):
        return 0
    on = any(getattr(options, field.name) for field in dataclasses.fields(options) if is_listener(field))
    return getattr(options, "max_connections", 0) + getattr(options, "max_unauthenticated", 0) if on else 0


def _most() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]
