"""The first page: is all well, and how busy is it?"""

from __future__ import annotations

import time
from gettext import gettext as english
from gettext import ngettext as english_of

from chatgate.api import Gateway, Metric, all_metrics, all_troubles
from chatgate_admin.history import DAY, WEEK, History
from chatgate_admin.hooks import AdminPage, Request
from chatgate_admin.shell import AGAIN
from chatgate_admin.tools import Html, Tools

_MOST_REASONS = 5


def make(gateway: Gateway, tools: Tools) -> AdminPage:
    began = time.time()

    def show(request: Request) -> str:
        again = AGAIN in request.query
        seconds = WEEK if "week" in request.query else DAY
        week = {"week": 1} if "week" in request.query else {}
        links = [
            tools.link(english("A day"), request.link("overview", **({AGAIN: 1} if again else {})), not week),
            tools.link(
                english("A week"), request.link("overview", week=1, **({AGAIN: 1} if again else {})), bool(week)
            ),
            tools.link(english("Stop renewing"), request.link("overview", **week))
            if again
            else tools.link(english("Renew each minute"), request.link("overview", **week, **{AGAIN: 1})),
        ]
        now = {metric.name: metric for metric in all_metrics(gateway)}
        return tools.html(
            *_troubles(),
            tools.facts(_facts(now)),
            tools.heading(english("Lately")),
            tools.row(*links),
            *_plots(seconds, now.get("chatgate_refusals")),
        )

    def _troubles() -> list[Html]:
        found = all_troubles(gateway)
        if not found:
            return [
                tools.note(
                    tools.mark(english("All is well"), "good"),
                    " ",
                    english("Nothing is wrong that the gateway knows of."),
                )
            ]
        now = time.time()
        heads = [english("What is wrong"), english("For"), english("What to do")]
        rows = [
            (one.what[:1].upper() + one.what[1:], tools.span(now - one.since) if one.since else "", tools.code(one.do))
            for one in found
        ]
        told = english_of("{count} thing is wrong", "{count} things are wrong", len(found)).format(count=len(found))
        return [tools.note(told, bad=True), tools.table(heads, rows)]

    def _facts(now: dict[str, Metric]) -> dict[str, object]:
        found: dict[str, object] = {
            english("Accounts"): gateway.store.count_accounts(),
            english("Accounts online"): _sum(now, "chatgate_accounts_online"),
            english("Open connections"): _sum(now, "chatgate_connections"),
            english("Recipients in the queue"): gateway.store.count_queue(),
            english("Serving for"): tools.span(time.time() - began),
        }
        if gateway.place.count > 1:
            found[english("Processes")] = gateway.place.count
        return found

    def _plots(seconds: float, refusals: Metric | None) -> list[Html]:
        history, line = History(gateway, seconds), tools.line
        if not history:
            told = english("Plots need the plugin metrics, which keeps a history: chatgate plugins enable metrics")
            return [tools.hint(told)]
        taken = [line(english("here"), history.rates("chatgate_copies_total", to="mailbox"))]
        taken.append(line(english("to others"), history.rates("chatgate_copies_total", to="queue")))
        refused = [
            line(name, history.rates("chatgate_refusals_total", **labels)) for name, labels in _reasons(refusals)
        ]
        plots = [
            (english("Deliveries, a minute"), taken, ""),
            (
                english("From the sender to the reader, mean"),
                [line("", history.means("chatgate_delivery_seconds"))],
                english("seconds"),
            ),
            (english("Accounts"), [line("", history.values("chatgate_accounts"))], ""),
            (
                english("New accounts, a minute"),
                [line("", history.rates("chatgate_signups_total", outcome="made"))],
                "",
            ),
            (english("Refusals by reason, a minute"), refused, ""),
            (english("Waiting for other servers"), [line("", history.values("chatgate_courier_queue"))], ""),
        ]
        figures = [tools.plot(title, lines, unit, seconds) for title, lines, unit in plots]
        return [tools.markup('<div class="plots">'), *figures, tools.markup("</div>")]

    def _reasons(refusals: Metric | None) -> list[tuple[str, dict[str, str]]]:
        """The most frequent, with the labels that tell them."""
        if refusals is None:
            return []
        found: dict[tuple[str, str], float] = {}
        at = refusals.labels.index("plugin"), refusals.labels.index("code")
        for values, count in refusals.samples.items():
            key = values[at[0]], values[at[1]]
            found[key] = found.get(key, 0) + (count if isinstance(count, int | float) else 0)
        most = sorted(found, key=lambda key: -found[key])[:_MOST_REASONS]
        return [(f"{plugin} {code}", {"plugin": plugin, "code": code}) for plugin, code in most]

    return tools.page("overview", english("Overview"), show, order=0)


def _sum(now: dict[str, Metric], name: str) -> int:
    """Of all samples of a gauge."""
    values = now[name].samples.values() if name in now else ()
    return round(sum(value for value in values if isinstance(value, int | float)))
