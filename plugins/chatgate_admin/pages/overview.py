"""The first page: is all well, and how busy is it?"""

from __future__ import annotations

from gettext import gettext as _

from chatgate.api import Gateway
from chatgate_admin.hooks import AdminPage, Request
from chatgate_admin.tools import Tools


def make(gateway: Gateway, tools: Tools) -> AdminPage:
    def show(request: Request) -> str:
        return tools.html(tools.facts({_("Accounts"): gateway.store.count_accounts()}))

    return tools.page("overview", _("Overview"), show, order=0)
