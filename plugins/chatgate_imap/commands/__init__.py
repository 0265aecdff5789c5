"""Every command, who runs it and when it is allowed."""

from __future__ import annotations

from . import (
    any_state,
    append,
    copy,
    fetch,
    folders,
    idle,
    listing,
    login,
    metadata,
    quota,
    search,
    select,
    status,
    store,
)
from .table import Command

COMMANDS: dict[bytes, Command] = {}
_FAMILIES = (
    any_state,
    login,
    select,
    folders,
    listing,
    status,
    append,
    fetch,
    store,
    copy,
    search,
    idle,
    quota,
    metadata,
)
for _family in _FAMILIES:
    COMMANDS.update(_family.COMMANDS)

__all__ = ["COMMANDS", "Command"]
