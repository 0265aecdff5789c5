"""The queue and other servers on the operator's dashboard: `chatgate queue` and `chatgate peers` in a browser."""

from __future__ import annotations

import time
from collections.abc import Mapping
from gettext import gettext as english
from itertools import islice
from typing import Any

from chatgate.api import Gateway, Queued, in_turns
from chatgate_courier import acting, health
from chatgate_courier.outcomes import Outcomes
from chatgate_courier.policy import Policies, pattern
from chatgate_courier.tracing import told
from chatgate_courier.waiting import rows, told_reply, why

_SHOWN = 50  # rows of a page
_LOOKED_AT = 100_000  # rows that one search looks at
_DOMAINS = 200


class Pages:
    """admin: the dashboard's tools, see `chatgate_admin_pages`."""

    def __init__(self, gateway: Gateway, policies: Policies, outcomes: Outcomes, admin: Any) -> None:
        self._gateway, self._policies, self._outcomes, self._admin = gateway, policies, outcomes, admin

    def both(self) -> list[Any]:
        page = self._admin.page
        queue = {"retry": self._retry, "drop": self._drop, "freeze": self._freeze, "thaw": self._thaw}
        peers = {"freeze": self._freeze, "thaw": self._thaw, "retry": self._retry}
        return [
            page("queue", english("Queue"), self._queue, queue, order=40),
            page("peers", english("Other servers"), self._peers, peers, order=45),
        ]

    # ------------------------------------------------------------------------------------------ the queue

    def _queue(self, request: Any) -> str:
        admin, now = self._admin, time.time()
        self._policies.load()
        if (number := request.query.get("row", "")).isdecimal() and len(number) < 19:
            found = [row for row in self._gateway.store.queue(int(number) - 1, 1) if row.id == int(number)]
            return str(
                admin.html(*[self._one(request, row, now) for row in found] or [admin.note(english("It is gone."))])
            )
        domain, last = request.query.get("domain", "").strip().lower(), request.query.get("after", "")
        after = int(last) if last.isdecimal() and len(last) < 19 else 0
        shown = []
        for row in in_turns(islice(rows(self._gateway, after), _LOOKED_AT)):
            if not domain or row.domain == domain:
                shown.append(row)
                if len(shown) == _SHOWN:
                    break
        heads = [
            english("To"),
            english("From"),
            english("Waits for"),
            english("Tried"),
            english("Next"),
            english("Last answer"),
        ]
        search = admin.search(
            english("Find"), admin.field("domain", english("Domain it goes to"), domain, kind="search", most=255)
        )
        parts = [search, admin.table(heads, [self._row(request, row, now) for row in shown], english("Nothing waits."))]
        if len(shown) == _SHOWN:
            more = request.link("queue", domain=domain, after=shown[-1].id)
            parts.append(admin.paragraph(admin.link(english("Further rows"), more)))
        if domain:
            parts.append(admin.row(*self._of_domain(domain)))
        total = english("{count} recipients in all. A row is one recipient of one message.")
        return str(admin.html(*parts, admin.hint(total.format(count=self._gateway.store.count_queue()))))

    def _row(self, request: Any, row: Queued, now: float) -> tuple[object, ...]:
        admin = self._admin
        held = row.held or self._policies.of(row.domain).hold
        due = english("now") if row.due <= now else english("in {time}").format(time=admin.span(row.due - now))
        return (
            admin.link(row.recipient, request.link("queue", row=row.id)),
            row.sender or "<>",
            admin.span(now - row.came),
            row.attempts,
            admin.mark(english("frozen")) if held else due,
            told_reply(row.reply),
        )

    def _one(self, request: Any, row: Queued, now: float) -> Any:
        admin = self._admin
        facts = {
            english("Row"): row.id,
            english("Trace"): row.trace or english("none"),
            english("From"): row.sender or "<>",
            english("To"): row.recipient,
            english("Size"): admin.size(row.size),
            english("Came"): admin.moment(row.came),
            english("Is given up"): admin.moment(row.expires),
            english("Why it waits"): why(row, self._policies, now),
        }
        tried = [admin.paragraph(admin.code(told(one))) for one in self._outcomes.tried(row)]
        question = english("Remove it? Its sender is not told.")
        freeze = ("thaw", english("Thaw")) if row.held else ("freeze", english("Freeze"))
        return admin.html(
            admin.paragraph(admin.link(english("The whole queue"), request.link("queue"))),
            admin.facts(facts),
            admin.heading(english("What was tried")),
            *tried or [admin.paragraph(english("Nothing is known."))],
            admin.heading(english("What to do")),
            admin.row(
                admin.form("retry", english("Try now"), row=row.id),
                admin.form(*freeze, row=row.id),
                admin.form("drop", english("Drop"), danger=True, sure=question, row=row.id),
            ),
        )

    def _of_domain(self, domain: str) -> list[Any]:
        admin, held = self._admin, self._policies.of(domain).hold
        change = ("thaw", english("Thaw all mail for it")) if held else ("freeze", english("Freeze all mail for it"))
        return [
            admin.form("retry", english("Try all now"), domain=domain),
            admin.form(*change, domain=domain),
        ]

    # ------------------------------------------------------------------------------------------ other servers

    def _peers(self, request: Any) -> str:
        admin, now = self._admin, time.time()
        self._policies.load()
        found = health.health(self._gateway, self._policies, self._outcomes, now)[:_DOMAINS]
        heads = [
            english("Domain"),
            english("Delivered"),
            english("Put off"),
            english("Failed"),
            english("Waiting"),
            english("Last answer to what waits"),
            "",
        ]
        table = admin.table(
            heads, [self._peer(request, one) for one in found], english("No mail went to other domains.")
        )
        lines = [
            (name.removeprefix("@"), admin.moment(since), ", ".join(domains[:10]))
            for name, since, domains in health.unreachable(self._gateway)
        ]
        parts = []
        if lines:
            heads = [english("Server"), english("Since"), english("Domains")]
            parts += [admin.heading(english("Cannot be reached")), admin.table(heads, lines)]
        parts += [admin.heading(english("Domains")), table]
        told_ = english(
            "Recipients in the last 24 hours; those that wait for longest first. Rules: 'chatgate peers set'."
        )
        return str(admin.html(*parts, admin.hint(told_)))

    def _peer(self, request: Any, one: dict[str, Any]) -> tuple[object, ...]:
        admin, domain = self._admin, one["domain"]
        waits = english("{count}, for {time}").format(count=one["waiting"], time=admin.span(one["oldest_seconds"]))
        change = ("thaw", english("Thaw")) if one["frozen"] else ("freeze", english("Freeze"))
        return (
            admin.link(domain, request.link("queue", domain=domain)),
            one["delivered"],
            one["put_off"],
            one["failed"],
            waits if one["waiting"] else 0,
            admin.mark(english("frozen")) if one["frozen"] else one["reply"],
            admin.row(
                admin.form("retry", english("Try now"), domain=domain) if one["waiting"] else admin.html(),
                admin.form(*change, domain=domain),
            ),
        )

    # ------------------------------------------------------------------------------------------ doing

    def _ids(self, form: Mapping[str, str]) -> tuple[list[int], str]:
        """The rows that are meant, and the domain. Raises ValueError."""
        if number := form.get("row", ""):
            if not number.isdecimal() or len(number) > 18:
                raise ValueError(english("there is no such row"))
            return [int(number)], ""
        domain = pattern(form.get("domain", ""))
        return [row.id for row in in_turns(rows(self._gateway)) if row.domain == domain], domain

    def _retry(self, form: Mapping[str, str]) -> Any:
        ids, domain = self._ids(form)
        return self._done(english("Tried now: {count}."), len(acting.retry(self._gateway, ids)), form, domain)

    def _drop(self, form: Mapping[str, str]) -> Any:
        ids, domain = self._ids(form)
        dropped = acting.drop(self._gateway, self._outcomes, ids)
        return self._done(english("Removed: {count}."), len(dropped), form, domain, {})

    def _freeze(self, form: Mapping[str, str]) -> Any:
        ids, domain = self._ids(form)
        if domain:
            acting.freeze_domain(self._policies, domain)
            return self._done(english("All mail for it waits: {count}."), len(ids), form, domain)
        return self._done(english("Frozen: {count}."), len(self._gateway.store.hold(ids)), form, domain)

    def _thaw(self, form: Mapping[str, str]) -> Any:
        ids, domain = self._ids(form)
        if domain:
            acting.thaw_domain(self._policies, domain)
        return self._done(english("Tried now: {count}."), len(acting.retry(self._gateway, ids)), form, domain)

    def _done(
        self, text: str, count: int, form: Mapping[str, str], domain: str, query: Mapping[str, str] | None = None
    ) -> Any:
        about = domain or english("row {number}").format(number=form.get("row", ""))
        return self._admin.done(text.format(count=count), about=about, query=query)
