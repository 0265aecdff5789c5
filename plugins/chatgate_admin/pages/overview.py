"""The first page: is all well, and how busy is it?"""

from __future__ import annotations

import time
from gettext import gettext as _

from chatgate.api import Gateway, Metric
from chatgate_admin import history
from chatgate_admin.hooks import AdminPage, Request
from chatgate_admin.shell import AGAIN
from chatgate_admin.tools import Html, Tools

_MOST_REASONS = 5


def make(gateway: Gateway, tools: Tools) -> AdminPage:
    began = time.time()

    def show(request: Request) -> str:
        again = AGAIN in request.query
        seconds = history.WEEK if "week" in request.query else history.DAY
        week = {"week": 1} if "week" in request.query else {}
        links = [
            tools.link(_("A day"), request.link("overview", **({AGAIN: 1} if again else {})), not week),
            tools.link(_("A week"), request.link("overview", week=1, **({AGAIN: 1} if again else {})), bool(week)),
            tools.link(_("Stop renewing"), request.link("overview", **week))
            if again
            else tools.link(_("Renew each minute"), request.link("overview", **week, **{AGAIN: 1})),
        ]
        return tools.html(
            *_troubles(request),
            tools.facts(_facts()),
            tools.heading(_("Lately")),
            tools.row(*links),
            *_plots(seconds),
        )

    def _troubles(request: Request) -> list[Html]:
        found = gateway.troubles()
        if not found:
            return [
                tools.note(tools.mark(_("All is well"), "good"), " ", _("Nothing is wrong that the gateway knows of."))
            ]
        heads = [_("What is wrong"), _("Since"), _("What to do")]
        rows = [(one.what, tools.moment(one.since), tools.code(one.do)) for one in found]
        return [tools.table(heads, rows)]

    def _facts() -> dict[str, object]:
        now = {metric.name: metric for metric in measured(gateway)}
        found: dict[str, object] = {
            _("Accounts"): gateway.store.count_accounts(),
            _("Accounts online"): _sum(now, "chatgate_accounts_online"),
            _("Open connections"): _sum(now, "chatgate_connections"),
            _("Recipients in the queue"): gateway.store.count_queue(),
            _("Serving for"): tools.span(time.time() - began),
        }
        if gateway.place.count > 1:
            found[_("Processes")] = gateway.place.count
        return found

    def _plots(seconds: float) -> list[Html]:
        if gateway.hub.plugin("metrics") is None:
            return [
                tools.hint(_("Plots need the plugin metrics, which keeps a history: chatgate plugins enable metrics"))
            ]

        def rates(name: str, **labels: str) -> history.Points:
            return history.rates(gateway, name, labels, seconds)

        line = tools.line
        plots = [
            (_("Messages taken, a minute"), [line("", rates("chatgate_messages_total", outcome="accepted"))], ""),
            (
                _("From the sender to the reader, mean"),
                [line("", history.means(gateway, "chatgate_delivery_seconds", seconds))],
                _("seconds"),
            ),
            (_("New accounts, a minute"), [line("", rates("chatgate_accounts_made_total"))], ""),
            (
                _("Refusals by reason, a minute"),
                [line(name, rates("chatgate_refusals_total", **labels)) for name, labels in _reasons()],
                "",
            ),
        ]
        figures = [tools.plot(title, lines, unit, seconds) for title, lines, unit in plots]
        return [tools.markup('<div class="plots">'), *figures, tools.markup("</div>")]

    def _reasons() -> list[tuple[str, dict[str, str]]]:
        """The most frequent, with the labels that tell them."""
        found: dict[tuple[str, str], float] = {}
        for metric in measured(gateway):
            if metric.name == "chatgate_refusals":
                at = metric.labels.index("plugin"), metric.labels.index("code")
                for values, count in metric.samples.items():
                    key = values[at[0]], values[at[1]]
                    found[key] = found.get(key, 0) + (count if isinstance(count, int | float) else 0)
        most = sorted(found, key=lambda key: -found[key])[:_MOST_REASONS]
        return [(f"{plugin} {code}", {"plugin": plugin, "code": code}) for plugin, code in most]

    return tools.page("overview", _("Overview"), show, order=0)


def measured(gateway: Gateway) -> list[Metric]:
    """Of all processes where the plugin metrics puts them together, else of this one."""
    metrics = gateway.hub.plugin("metrics")
    return list(metrics.all()) if metrics is not None else gateway.measured()


def _sum(now: dict[str, Metric], name: str) -> int:
    """Of all samples of a gauge."""
    values = now[name].samples.values() if name in now else ()
    return round(sum(value for value in values if isinstance(value, int | float)))
