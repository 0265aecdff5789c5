"""Notifications on the operator's dashboard: `chatgate push status` in a browser."""

from __future__ import annotations

import time
from gettext import gettext as english
from typing import Any

from chatgate_filedb import ERRORS, FileDatabase

from chatgate.api import PluginError
from chatgate_push.command import read
from chatgate_push.hooks import DeviceTokens
from chatgate_push.metrics import COUNTERS, within
from chatgate_push.options import PushOptions


def make(database: FileDatabase, kept: DeviceTokens, options: PushOptions, admin: Any) -> Any:
    """admin: the dashboard's tools, see `chatgate_admin_pages`."""

    def show(request: Any) -> str:
        try:
            data = read(database, kept, time.time())
        except ERRORS as error:
            raise PluginError(f"push: {database.path} cannot be read: {error}") from error
        age = data["oldest_seconds"]
        now = {
            english("Service"): options.url,
            english("Tokens"): english("{tokens} of {accounts} accounts").format(**data),
            english("Waiting"): data["waiting"],
        }
        if age is not None:
            now[english("The oldest for")] = admin.span(age)
        counted = {text[:1].upper() + text[1:]: data[name] for name, text in COUNTERS.items()}
        for share in (0.5, 0.95, 0.99):
            if data["accepted"]:
                bound = within(data, share)
                told = (
                    english("later than all bounds")
                    if bound is None
                    else english("within {time:g} s").format(time=bound)
                )
                counted[english("{share:.0%} of accepted ones").format(share=share)] = told
        return str(
            admin.html(
                admin.facts(now),
                admin.heading(english("Since push.db was made")),
                admin.facts(counted),
                admin.hint(english("How it works: docs/push.md. 'chatgate push status' shows the same.")),
            )
        )

    return admin.page("push", english("Notifications"), show, order=60)
