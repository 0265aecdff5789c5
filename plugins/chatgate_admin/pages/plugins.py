"""The page of the plugins: what each costs, and whether it fails."""

from __future__ import annotations

from gettext import gettext as english
from typing import NamedTuple

from chatgate.api import Distribution, Gateway, all_metrics
from chatgate_admin.hooks import AdminPage, Request
from chatgate_admin.tools import Tools


class Cost(NamedTuple):
    """What a hook cost since the start, in seconds, and how often it failed."""

    calls: float = 0.0
    seconds: float = 0.0
    failures: float = 0.0


def make(gateway: Gateway, tools: Tools) -> AdminPage:
    def show(request: Request) -> str:
        found, chosen, rows = _costs(), request.query.get("plugin", ""), []
        for one in gateway.config.plugins:
            mine = [cost for (plugin, _hook), cost in found.items() if plugin == one.name]
            link = tools.link(one.name, request.link("plugins", plugin=one.name), chosen == one.name)
            rows.append(
                (link, _summary(one.factory), *_shown(Cost(*map(sum, zip(*mine, strict=True))) if mine else Cost()))
            )
        left = [tools.note(f"{one.name}: {one.reason}", bad=True) for one in gateway.left_out]
        heads = [english("Plugin"), english("What it does"), english("Asked"), english("Time"), english("Failures")]
        told = tools.hint(english("Counted since the start, waiting included."))
        return tools.html(*left, *_hooks(found, chosen), tools.table(heads, rows), told)

    def _costs() -> dict[tuple[str, str], Cost]:
        """By plugin and hook."""
        found: dict[tuple[str, str], Cost] = {}
        fields = {
            "chatgate_hook_calls": "calls",
            "chatgate_hook_seconds": "seconds",
            "chatgate_hook_failures": "failures",
        }
        for metric in all_metrics(gateway):
            if field := fields.get(metric.name):
                for (plugin, hook), value in metric.samples.items():
                    if isinstance(value, Distribution):  # which these are not
                        continue
                    found[plugin, hook] = found.get((plugin, hook), Cost())._replace(**{field: value})
        return found

    def _shown(cost: Cost) -> tuple[object, ...]:
        failures = tools.mark(f"{cost.failures:.0f}", "bad") if cost.failures else 0
        return f"{cost.calls:.0f}", f"{cost.seconds:.2f} s", failures

    def _hooks(found: dict[tuple[str, str], Cost], chosen: str) -> list[str]:
        rows = [
            (hook, *_shown(cost), f"{cost.seconds / cost.calls * 1000:.3f} ms")
            for (plugin, hook), cost in sorted(found.items())
            if plugin == chosen and cost.calls
        ]
        if not rows:
            return []
        heads = [english("Hook"), english("Asked"), english("Time"), english("Failures"), english("Each")]
        return [tools.heading(chosen), tools.table(heads, rows), tools.heading(english("All plugins"))]

    return tools.page("plugins", english("Plugins"), show, order=75)


def _summary(factory: object) -> str:
    return (getattr(factory, "__doc__", "") or "").strip().partition("\n")[0]
