"""Every command, who runs it and when it is allowed."""

from __future__ import annotations

from . import append, copy, fetch, folders, idle, listing, login, metadata, quota, search, select, session, store
from .table import Command

COMMANDS: dict[bytes, Command] = {}
for _family in (session, login, select, folders, listing, append, fetch, store, copy, search, idle, quota, metadata):
    COMMANDS.update(_family.COMMANDS)

__all__ = ["COMMANDS", "Command"]
