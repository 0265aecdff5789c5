"""How many files the process may have open: each connection is one."""

from __future__ import annotations

import dataclasses
import resource
from collections.abc import Iterable
from typing import Any

from chatgate.hosting.confd import Enabled
from chatgate.hosting.options import is_listener

# Open files that are no connections: databases, bodies that are being read, the log, threads and so on.
_OTHERS = 200


def allow() -> None:
    """Raise the limit of open files as far as the system allows. The initial limit, often 1024, is meant for programs
    that use select(2): strangers who only connect would reach it before the limits on connections.
    """
    most = _most()
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (OSError, ValueError):
        pass  # where there is no end to it, some systems still have one


def too_few(plugins: Iterable[Enabled]) -> str:
    """A line for the operator if some listener cannot have as many connections as its options allow; otherwise "".
    Listeners are not all full at the same time, so their numbers are not added up. The options have the same names
    everywhere: `max_connections` and, where people log in, `max_unauthenticated`.
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
    """How many connections one listener with these options may have; 0 if there is no listener."""
    if not dataclasses.is_dataclass(options):
        return 0
    on = any(getattr(options, field.name) for field in dataclasses.fields(options) if is_listener(field))
    return getattr(options, "max_connections", 0) + getattr(options, "max_unauthenticated", 0) if on else 0


def _most() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]
