"""The page of the plugins: what each costs, and whether it fails."""

from __future__ import annotations

from gettext import gettext as _

from chatgate.api import Gateway
from chatgate_admin.hooks import AdminPage, Request
from chatgate_admin.tools import Tools


def make(gateway: Gateway, tools: Tools) -> AdminPage:
    def show(request: Request) -> str:
        found = gateway.hub.tallies
        rows = []
        for one in gateway.config.plugins:
            mine = [tally for (name, _hook), tally in found.items() if name == one.name]
            failures = sum(tally.failures for tally in mine)
            rows.append(
                (
                    tools.link(
                        one.name, request.link("plugins", plugin=one.name), request.query.get("plugin") == one.name
                    ),
                    _summary(one.factory),
                    sum(tally.calls for tally in mine),
                    f"{sum(tally.seconds for tally in mine):.2f} s",
                    tools.mark(failures, "bad") if failures else 0,
                )
            )
        heads = [_("Plugin"), _("What it does"), _("Asked"), _("Time"), _("Failures")]
        left = [tools.note(f"{one.name}: {one.reason}", bad=True) for one in gateway.left_out]
        count = gateway.place.count
        which = (
            _("Counted since the start.") if count == 1 else _("Counted since the start, in one of {count} processes.")
        )
        return tools.html(*left, *_hooks(request), tools.table(heads, rows), tools.hint(which.format(count=count)))

    def _hooks(request: Request) -> list[str]:
        name = request.query.get("plugin", "")
        rows = [
            (
                hook,
                tally.calls,
                f"{tally.seconds:.3f} s",
                f"{tally.seconds / tally.calls * 1000:.3f} ms" if tally.calls else "",
                tools.mark(tally.failures, "bad") if tally.failures else 0,
            )
            for (plugin, hook), tally in sorted(gateway.hub.tallies.items())
            if plugin == name and tally.calls
        ]
        if not rows:
            return []
        heads = [_("Hook"), _("Asked"), _("Time"), _("Each"), _("Failures")]
        return [tools.heading(name), tools.table(heads, rows), tools.heading(_("All plugins"))]

    return tools.page("plugins", _("Plugins"), show, order=75)


def _summary(factory: object) -> str:
    return (getattr(factory, "__doc__", "") or "").strip().partition("\n")[0]
