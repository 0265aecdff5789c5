"""The page of the disk: what is free, what takes the room, when it will be full."""

from __future__ import annotations

import os
from collections.abc import Sequence
from gettext import gettext as _
from pathlib import Path

from chatgate.api import Gateway, in_turns
from chatgate_admin import history
from chatgate_admin.hooks import AdminPage, Request
from chatgate_admin.tools import Tools

_MOST_FILES = 20_000  # that are looked at
_SHOWN = 15
_FREE = "chatgate_sweeper_disk_free_bytes"


def make(gateway: Gateway, tools: Tools) -> AdminPage:
    def show(request: Request) -> str:
        data = gateway.path("data")
        disk = os.statvfs(data)
        size, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
        facts = {
            _("Folder"): tools.code(data),
            _("Free"): _("{free} of {size}").format(free=tools.size(free), size=tools.size(size)),
            _("Files that can still be made"): disk.f_favail,
        }
        seen = history.series(gateway, _FREE, None, history.WEEK)
        if told := _forecast(tools, seen):
            facts[_("At this pace")] = told
        found = sorted(_sizes(data).items(), key=lambda one: -one[1])[:_SHOWN]
        rows = [(tools.code(name), tools.size(octets)) for name, octets in found]
        return tools.html(
            tools.facts(facts),
            tools.plot(_("Free space"), [tools.line("", seen)], _("octets"), history.WEEK),
            tools.heading(_("What is in it")),
            tools.table([_("File or folder"), _("Size")], rows),
            tools.hint(_("What makes room: shorter times on the page Retention, or a larger disk.")),
        )

    return tools.page("disk", _("Disk"), show, order=65)


def _forecast(tools: Tools, seen: Sequence[tuple[float, float]]) -> str:
    """When it will be full; "" where that is not to be said."""
    seconds = history.until_zero(seen)
    if seconds is None:
        return ""
    if seconds > 365 * 86400:
        return _("full in more than a year")
    return _("full in about {time}").format(time=tools.span(seconds))


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
