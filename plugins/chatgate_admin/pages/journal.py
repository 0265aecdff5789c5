"""The page of the log of actions."""

from __future__ import annotations

from gettext import gettext as english

from chatgate_admin.hooks import AdminPage, Request
from chatgate_admin.journal import Journal
from chatgate_admin.tools import Tools

_SHOWN = 200


def make(journal: Journal, tools: Tools) -> AdminPage:
    def show(request: Request) -> str:
        heads = [english("When"), english("Where"), english("What"), english("About"), english("Result")]
        rows = [
            (
                tools.moment(one.at),
                one.page,
                one.action,
                one.about,
                one.result if one.result == "done" else tools.mark(one.result, "bad"),
            )
            for one in journal.newest(_SHOWN)
        ]
        told = english("What was done here and by 'chatgate admin', the newest first. Nobody's IP address is kept.")
        return tools.html(tools.hint(told), tools.table(heads, rows, english("Nothing yet.")))

    return tools.page("log", english("Log of actions"), show, order=88)
