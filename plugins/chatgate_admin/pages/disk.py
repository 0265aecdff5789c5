"""The page of the disk: what is free, what takes the room, when it will be full."""

from __future__ import annotations

import os
import time
from gettext import gettext as english
from pathlib import Path

from chatgate.api import Gateway, in_turns
from chatgate_admin.history import WEEK, History
from chatgate_admin.hooks import AdminPage, Request
from chatgate_admin.tools import Tools

_MOST_FILES = 20_000  # that are looked at
_SHOWN = 15
_DAYS = 365.0  # ahead that the forecast looks


def make(gateway: Gateway, tools: Tools) -> AdminPage:
    def show(request: Request) -> str:
        data = gateway.path("data")
        disk = os.statvfs(data)
        size, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
        facts = {
            english("Folder"): tools.code(data),
            english("Free"): english("{free} of {size}").format(free=tools.size(free), size=tools.size(size)),
            english("Files that can still be made"): disk.f_favail,
        }
        seen = History(gateway, WEEK).values("chatgate_maildb_free_bytes")
        if told := _forecast():
            facts[english("At this pace")] = told
        found = sorted(_sizes(data).items(), key=lambda one: -one[1])[:_SHOWN]
        rows = [(tools.code(name), tools.size(octets)) for name, octets in found]
        return tools.html(
            tools.facts(facts),
            tools.plot(english("Free space"), [tools.line("", seen)], english("octets"), WEEK),
            tools.heading(english("What is in it")),
            tools.table([english("File or folder"), english("Size")], rows),
            tools.hint(english("What makes room: shorter times on the page Retention, or a larger disk.")),
        )

    def _forecast() -> str:
        """ "" where that is not to be said."""
        sweeper = gateway.hub.plugin("sweeper")
        if sweeper is None:
            return ""
        at = sweeper.forecast.full_at(sweeper.options.no_accounts_below_bytes, _DAYS)
        return (
            english("no room for new accounts in about {time}").format(time=tools.span(at - time.time())) if at else ""
        )

    return tools.page("disk", english("Disk"), show, order=65)


def _sizes(folder: Path) -> dict[str, int]:
    """Octets on the disk of each file, and of each folder with all that is in it."""
    found: dict[str, int] = {}
    left = _MOST_FILES
    for path in sorted(folder.iterdir()):
        total = 0
        for where, _folders, names in os.walk(path) if path.is_dir() else [(str(folder), [], [path.name])]:
            for name in in_turns(names):
                try:
                    total += os.lstat(os.path.join(where, name)).st_blocks * 512
                except OSError:  # gone meanwhile
                    continue
                left -= 1
            if left <= 0:
                break
        found[path.name + ("/" if path.is_dir() else "")] = total
    return found
