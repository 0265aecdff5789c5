"""Alerts on the operator's dashboard: `chatgate alerts` in a browser."""

from __future__ import annotations

import time
from collections.abc import Mapping
from gettext import gettext as english
from typing import Any

from chatgate.api import Gateway, Trouble
from chatgate_alerts.database import Database
from chatgate_alerts.group.members import Members
from chatgate_alerts.watching import Event

_HOURS = 24.0  # for which a link is good that is made here


def make(gateway: Gateway, database: Database, members: Members, name: str, admin: Any) -> Any:
    """name: of the operators' group. admin: the dashboard's tools, see `chatgate_admin_pages`."""

    def show(request: Any) -> str:
        now = time.time()
        told = [(one.what[:1].upper() + one.what[1:], _for(now, one.since), one.do) for one in database.told()]
        unsent = [(post.channel, post.tries, post.error or english("not tried yet")) for _row, post in database.posts()]
        people = [
            (
                one.address,
                admin.moment(one.since),
                admin.form(
                    "remove",
                    english("Remove"),
                    danger=True,
                    sure=english("Send no more alerts to it?"),
                    address=one.address,
                ),
            )
            for one in members.all()
        ]
        parts = [
            admin.heading(english("What was told and is not over")),
            admin.table(
                [english("What is wrong"), english("For"), english("What to do")],
                told,
                english("Nothing is wrong that was told."),
            ),
        ]
        if unsent:
            heads = [english("Way"), english("Tries"), english("Last error")]
            parts += [admin.heading(english("Not sent yet")), admin.table(heads, unsent)]
        parts += [
            admin.heading(english("Who is in the group")),
            admin.table([english("Address"), english("Since"), ""], people, english("Nobody.")),
            admin.row(admin.form("join", english("Make a link to join")), admin.form("test", english("Send a test"))),
            admin.hint(
                english("Whoever has the link can join for a day. A webhook is set in the file of alerts in conf.d.")
            ),
        ]
        return str(admin.html(*parts))

    def _for(now: float, since: float) -> str:
        return str(admin.span(now - since)) if since else ""

    def join(form: Mapping[str, str]) -> Any:
        from chatgate_alerts import command  # which a gateway that serves can do without, else

        facts = command.invited(gateway, members, name, _HOURS)
        picture = admin.markup(f'<div class="qr">{gateway.hub.plugin("site").svg(facts["qr"])}</div>')
        told = admin.paragraph(english("Scan this with Delta Chat, or open the link there:"))
        shown = admin.html(told, picture, admin.paragraph(admin.code(facts["link"])))
        return admin.done(english("The link is good until {until}.").format(**facts), page=shown)

    def remove(form: Mapping[str, str]) -> Any:
        if not members.remove(form.get("address", "").lower()):
            raise ValueError(english("that address is not in the group"))
        return admin.done(english("Removed from the group."), about=english("a member"))

    def test(form: Mapping[str, str]) -> str:
        now = time.time()
        database.add(Event("test", Trouble("test", "this is a test of the alerts: all is well", now, "nothing"), now))
        return english("A test is on its way. What cannot be sent is shown here.")

    return admin.page("alerts", english("Alerts"), show, {"join": join, "remove": remove, "test": test}, order=70)
