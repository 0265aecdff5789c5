"""Retention on the operator's dashboard: the rules, the last sweep, and one more now."""

from __future__ import annotations

from collections.abc import Mapping
from gettext import gettext as english
from typing import TYPE_CHECKING, Any

import gevent

from chatgate.api import PluginError
from chatgate_sweeper import lately
from chatgate_sweeper.parties import parties
from chatgate_sweeper.sweep import RULES

if TYPE_CHECKING:
    from chatgate_sweeper.plugin import Sweeper


def make(sweeper: Sweeper, admin: Any) -> Any:
    """admin: the dashboard's tools, see `chatgate_admin_pages`."""
    gateway, options = sweeper.gateway, sweeper.options
    running: list[gevent.Greenlet] = []

    def show(request: Any) -> str:
        heads = [
            english("Domains"),
            english("All messages"),
            english("Large ones, once fetched"),
            english("Accounts without a login"),
        ]
        rows = [
            (
                ", ".join(domain.name for domain in gateway.domains if domain.options(options) == party.options),
                _days(party.options.days),
                _days(party.options.large_days),
                _days(party.options.account_days),
            )
            for party in parties(gateway.domains, options)
        ]
        return str(
            admin.html(
                admin.heading(english("What is removed after how long")),
                admin.table(heads, rows),
                admin.heading(english("The last sweep")),
                *_last(),
                admin.form("sweep", english("Sweep now")),
                admin.hint(english("What goes now cannot be had back; 'chatgate sweep --dry-run' counts it before.")),
            )
        )

    def _last() -> list[Any]:
        found = lately.last(gateway)
        if running and not running[-1].dead:
            return [admin.note(english("A sweep is going on. Load this page again to see what it did."))]
        if found is None:
            return [admin.paragraph(english("There was none yet."))]
        counts = found.get("rules", {})
        rows = [
            (text, counts[name].get("accounts", 0) or "", counts[name].get("messages", 0), size)
            for name, text in RULES.items()
            if name in counts and (size := admin.size(counts[name].get("octets", 0)))
        ]
        rows += [(kind, "", count, "") for kind, count in found.get("cleaned", {}).items()]
        parts = [
            admin.paragraph(
                english("By the rules' time of {moment}.").format(moment=admin.moment(found.get("now", 0)))
            ),
            admin.table([english("Removed"), english("Accounts"), english("Number"), english("Octets")], rows),
        ]
        if held := found.get("held_back"):
            text = english(
                "{count} accounts are idle at one time: none is removed. If that is right: chatgate sweep --force"
            )
            parts.insert(0, admin.note(text.format(count=held), bad=True))
        return parts

    def sweep(form: Mapping[str, str]) -> str:
        if running and not running[-1].dead:
            raise PluginError(english("a sweep is going on already"))
        running[:] = [gevent.spawn(sweeper.service.attempt)]
        running[0].join(2)  # most take less, and the next page then shows what was done
        return english("Swept.") if running[0].dead else english("A sweep has begun.")

    def _days(days: float) -> str:
        return english("{count:g} days").format(count=days) if days else english("never")

    return admin.page("retention", english("Retention"), show, {"sweep": sweep}, order=55)
