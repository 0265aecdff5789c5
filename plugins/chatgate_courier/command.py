"""`chatgate queue`: what waits, and why."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from chatgate.api import Gateway, Queued, address_key, fail, json_option, show
from chatgate_courier import acting
from chatgate_courier.outcomes import Outcomes
from chatgate_courier.policy import Policies, means, pattern
from chatgate_courier.tracing import told
from chatgate_courier.waiting import count, data, line, moment, rows, span, why

F = TypeVar("F", bound=Callable[..., Any])


def _chosen(
    gateway: Gateway, which: tuple[str, ...], domain: str | None, sender: str | None, everything: bool = False
) -> list[Queued]:
    """The rows with one of these ids or traces, of the domain, and of the sender; all of these are to be met. Ends the
    command when nothing is said.
    """
    if not (which or domain or sender or everything):
        fail("say which: ids or traces, --domain, --sender or --all", 2)
    domain = _domain(domain) if domain else None
    key = address_key(sender) if sender else None
    return [
        row
        for row in rows(gateway)
        if (not which or str(row.id) in which or row.trace in which)
        and (not domain or means(domain, row.domain))
        and (key is None or address_key(row.sender) == key)
    ]


def _choice(function: F) -> F:
    for option in (
        click.option("--all", "everything", is_flag=True, help="All that is in the queue."),
        click.option("--sender", metavar="ADDRESS", help="Those of this sender."),
        click.option("--domain", metavar="D", help="Those that go to this domain."),
        click.argument("which", metavar="[ID|TRACE]...", nargs=-1),
    ):
        function = option(function)
    return function


def queue(gateway: Gateway, policies: Policies, outcomes: Outcomes) -> click.Group:
    """The command group `queue`."""

    @click.group("queue")
    def group() -> None:
        """See and change what waits to be handed on to other servers.

        A row of the queue is one recipient of one message. It works beside a running gateway, which heeds it at once.
        """

    @group.command("list")
    @click.option("--sender", metavar="ADDRESS", help="Those of this sender.")
    @click.option("--domain", metavar="D", help="Those that go to this domain.")
    @json_option
    def list_(domain: str | None, sender: str | None, as_json: bool) -> None:
        """List what waits, the oldest first.

        A line has the row's id, the trace of its message, how long it has waited, when it is tried again, how often it
        was, its sender and recipient.
        """
        now, found = time.time(), _chosen(gateway, (), domain, sender, everything=True)
        lines = [line(row, row.held or policies.of(row.domain).hold, now) for row in found]
        show([data(row, policies, now) for row in found], as_json, lines or ["nothing waits"])

    @group.command("show")
    @_choice
    @json_option
    def show_(which: tuple[str, ...], domain: str | None, sender: str | None, everything: bool, as_json: bool) -> None:
        """Show all that is known of rows."""
        now, found = time.time(), _found(gateway, which, domain, sender, everything)
        lines = []
        for row in found:
            said = data(row, policies, now)
            said |= {name: moment(said[name]) for name in ("came", "due", "expires")}
            said["age"] = span(said.pop("age_seconds"))
            lines += [
                f"{name}: {'yes' if value is True else 'no' if value is False else value}"
                for name, value in said.items()
            ]
            lines.append("")
        show([data(row, policies, now) for row in found], as_json, lines[:-1])

    @group.command("why")
    @_choice
    @json_option
    def why_(which: tuple[str, ...], domain: str | None, sender: str | None, everything: bool, as_json: bool) -> None:
        """Say in words why rows still wait, and what was tried."""
        now, found, lines = time.time(), [], []
        for row in _found(gateway, which, domain, sender, everything):
            reason, tried = why(row, policies, now), outcomes.tried(row)
            found.append({"id": row.id, "trace": row.trace, "domain": row.domain, "why": reason, "tried": tried})
            lines += [f"{row.id} to {row.domain}: {reason}", *(f"    {told(one)}" for one in tried)]
        show(found, as_json, lines)

    @group.command("retry")
    @_choice
    @json_option
    def retry(which: tuple[str, ...], domain: str | None, sender: str | None, everything: bool, as_json: bool) -> None:
        """Try rows now, frozen ones too.

        A domain that does not answer is left alone for a while all the same, of a quarter of an hour at most.
        """
        ids = [row.id for row in _found(gateway, which, domain, sender, everything)]
        _report(acting.retry(gateway, ids), "tried now", as_json)

    @group.command("drop")
    @_choice
    @click.option("--yes", is_flag=True, help="Do not ask.")
    @json_option
    def drop(
        which: tuple[str, ...], domain: str | None, sender: str | None, everything: bool, yes: bool, as_json: bool
    ) -> None:
        """Remove rows; their senders are not told.

        What is being handed on at this moment may arrive all the same.
        """
        found = _found(gateway, which, domain, sender, everything)
        if not yes:
            click.confirm(f"Remove {count(len(found), 'row')}? Their senders are not told", abort=True, err=True)
        dropped = acting.drop(gateway, outcomes, [row.id for row in found])
        outcomes.database.close()
        _report(dropped, "dropped", as_json)

    @group.command("freeze")
    @_choice
    @json_option
    def freeze(which: tuple[str, ...], domain: str | None, sender: str | None, everything: bool, as_json: bool) -> None:
        """Keep rows from being tried until `thaw`.

        With --domain alone, all mail for that domain waits, later mail too. What is too old is given up all the same,
        and its sender told.
        """
        if domain and not (which or sender or everything):
            acting.freeze_domain(policies, _domain(domain))
            _report(_chosen(gateway, (), domain, None), "frozen", as_json, [f"mail for {domain} waits"])
            return
        ids = [row.id for row in _found(gateway, which, domain, sender, everything)]
        _report(gateway.store.hold(ids), "frozen", as_json)

    @group.command("thaw")
    @_choice
    @json_option
    def thaw(which: tuple[str, ...], domain: str | None, sender: str | None, everything: bool, as_json: bool) -> None:
        """Undo `freeze`, and try at once."""
        lines = []
        if domain and not (which or sender or everything) and acting.thaw_domain(policies, _domain(domain)):
            lines = [f"mail for {domain} waits no more"]
        chosen = _chosen(gateway, which, domain, sender, everything)
        _report(acting.retry(gateway, [row.id for row in chosen]), "tried now", as_json, lines)

    return group


def _found(
    gateway: Gateway, which: tuple[str, ...], domain: str | None, sender: str | None, everything: bool
) -> list[Queued]:
    found = _chosen(gateway, which, domain, sender, everything)
    if not found:
        nothing = "nothing like that waits in the queue; 'chatgate trace ID' tells what became of a message"
        fail("nothing waits" if everything else nothing, 1)
    return found


def _domain(text: str) -> str:
    try:
        return pattern(text)
    except ValueError as error:
        fail(str(error), 2)


def _report(found: list[Queued], what: str, as_json: bool, before: Iterable[str] = ()) -> None:
    ids = [{"id": row.id, "trace": row.trace, "domain": row.domain} for row in found]
    show(ids, as_json, [*before, f"{what}: {len(found)}"])
