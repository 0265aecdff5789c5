"""How mail goes to each domain: what was delivered, what waits, which servers cannot be reached."""

from __future__ import annotations

import time
from typing import Any

import click

from chatgate.api import Gateway, NotServing, in_turns, json_option, show
from chatgate_courier.outcomes import Outcomes
from chatgate_courier.policy import Policies
from chatgate_courier.waiting import moment, rows, span, told_reply

_HOURS = 24
_MOST = 500  # domains
UNREACHABLE = "courier: unreachable"  # what processes are asked for: see `Transports.unreachable`


def unreachable(gateway: Gateway) -> list[tuple[str, float, list[str]]]:
    """What cannot be reached, as any process that serves knows it: hosts, and domains as "@domain" whose DNS does not
    answer; since when, in Unix seconds, and the domains of a host. The longest first; nothing if none serves.
    """
    try:
        said = gateway.control.everywhere(UNREACHABLE)
    except NotServing:
        return []
    found = [(name, since, domains) for one in said for name, since, domains in one.answer or ()]
    return sorted(found, key=lambda one: one[1])


def health(gateway: Gateway, policies: Policies, outcomes: Outcomes, now: float) -> list[dict[str, Any]]:
    """For JSON: of each domain that something waits for or that mail went to in the last day, the worst first. now:
    Unix seconds. Raises PluginError, StoreError.
    """
    found: dict[str, dict[str, Any]] = {}

    def of(domain: str) -> dict[str, Any]:
        empty = {"delivered": 0, "put_off": 0, "failed": 0, "last": 0.0, "waiting": 0, "oldest_seconds": 0, "reply": ""}
        return found.setdefault(domain, {"domain": domain, **empty})

    for one in outcomes.by_domain(now - _HOURS * 3600, _MOST):
        of(one["domain"]).update(
            delivered=one["delivered"], put_off=one["put off"], failed=one["failed"], last=one["last"]
        )
    for row in in_turns(rows(gateway)):
        if row.domain not in found and len(found) >= 2 * _MOST:
            continue
        facts = of(row.domain)
        facts["waiting"] += 1
        facts["oldest_seconds"] = max(facts["oldest_seconds"], round(now - row.came))
        facts["reply"] = told_reply(row.reply) or facts["reply"]
    for domain, facts in found.items():
        facts["frozen"] = policies.of(domain).hold
    return sorted(
        found.values(), key=lambda one: (-one["oldest_seconds"], -one["put_off"] - one["failed"], one["domain"])
    )


def command(gateway: Gateway, policies: Policies, outcomes: Outcomes) -> click.Command:
    """`chatgate peers health`."""

    @click.command("health")
    @click.option("--limit", default=50, type=click.IntRange(1), metavar="N", help="Show the worst N domains.")
    @json_option
    def show_health(limit: int, as_json: bool) -> None:
        """Show how mail goes to other domains, the slowest first.

        Numbers are of recipients, in the last 24 hours; what waits is counted now.
        """
        policies.load()
        found = health(gateway, policies, outcomes, time.time())[:limit]
        outcomes.database.close()
        form = "{:<30} {:>9} {:>8} {:>7} {:>8} {:>8}  {}".format
        down = unreachable(gateway)
        lines = [form("domain", "delivered", "put off", "failed", "waiting", "for", "").rstrip()]
        for one in found:
            waits = span(one["oldest_seconds"]) if one["waiting"] else ""
            said = "frozen" if one["frozen"] else one["reply"]
            counts = one["delivered"], one["put_off"], one["failed"], one["waiting"]
            lines.append(form(one["domain"], *counts, waits, said).rstrip())
        lines = lines if found else ["no mail to other domains"]
        for name, since, domains in down:
            lines.append(
                f"cannot be reached since {moment(since)}: {name.removeprefix('@')} {' '.join(domains)}".rstrip()
            )
        data = {"domains": found, "unreachable": [{"name": n, "since": s, "domains": d} for n, s, d in down]}
        show(data, as_json, lines)

    return show_health
