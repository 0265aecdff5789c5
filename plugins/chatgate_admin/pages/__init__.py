"""The pages that the dashboard brings itself: what no other plugin owns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatgate_admin.hooks import AdminPage
from chatgate_admin.pages import configuration, disk, domains, journal, overview, plugins, security
from chatgate_admin.tools import Tools

if TYPE_CHECKING:
    from chatgate_admin.plugin import Admin


def own(admin: Admin, tools: Tools) -> list[AdminPage]:
    gateway = admin.gateway
    return [
        overview.make(gateway, tools),
        domains.make(gateway, tools),
        disk.make(gateway, tools),
        plugins.make(gateway, tools),
        configuration.make(gateway, tools),
        journal.make(admin.journal, tools),
        security.make(admin, tools),
    ]
