"""`chatgate queue` and `chatgate trace`: what waits, why, and what became of a message."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import click

from chatgate.api import Gateway, PluginError, Queued, Reply, address_key, fail, json_option, show
from chatgate_courier.outcomes import Outcomes
from chatgate_courier.peers import change
from chatgate_courier.policy import Policies, pattern

F = TypeVar("F", bound=Callable[..., Any])

_PAGE = 1000


def rows(gateway: Gateway) -> Iterator[Queued]:
    """The whole queue, by ascending id."""
    page = gateway.store.queue(0, _PAGE)
    while page:
        yield from page
        page = gateway.store.queue(page[-1].id, _PAGE)


def _chosen(
    gateway: Gateway, which: tuple[str, ...], domain: str | None, sender: str | None, everything: bool = False
) -> list[Queued]:
    """The rows with one of these ids or traces, of the domain, and of the sender; all of these are to be met. Ends the
    command when nothing is said.
    """
    if not (which or domain or sender or everything):
        fail("say which: ids or traces, --domain, --sender or --all", 2)
    key = address_key(sender) if sender else None
    return [
        row
        for row in rows(gateway)
        if (not which or str(row.id) in which or row.trace in which)
        and (not domain or row.domain == domain.lower())
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


def _data(row: Queued, policies: Policies, now: float) -> dict[str, Any]:
    held = row.held or policies.of(row.domain).hold
    return {
        "id": row.id,
        "trace": row.trace,
        "sender": row.sender,
        "recipient": row.recipient,
        "domain": row.domain,
        "octets": row.size,
        "came": row.came,
        "due": row.due,
        "expires": row.expires,
        "attempts": row.attempts,
        "frozen": held,
        "reply": _reply(row.reply),
        "age_seconds": round(now - row.came),
    }


def _reply(reply: Reply | None) -> str:
    return f"{reply.code} {reply}" if reply else ""


def _line(row: Queued, frozen: bool, now: float) -> str:
    when = "frozen" if frozen else "now" if row.due <= now else f"in {_span(row.due - now)}"
    tries = f"{row.attempts:>3} {'try  ' if row.attempts == 1 else 'tries'}"
    facts = f"{row.id:>8}  {row.trace or '-':12}  {_span(now - row.came):>6}  {when:>10}  {tries}"
    return f"{facts}  <{row.sender}> to <{row.recipient}>"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _span(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


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
        lines = [_line(row, row.held or policies.of(row.domain).hold, now) for row in found]
        show([_data(row, policies, now) for row in found], as_json, lines or ["nothing waits"])

    @group.command("show")
    @_choice
    @json_option
    def show_(which: tuple[str, ...], domain: str | None, sender: str | None, everything: bool, as_json: bool) -> None:
        """Show all that is known of rows."""
        now, found = time.time(), _found(gateway, which, domain, sender, everything)
        lines = []
        for row in found:
            said = _data(row, policies, now)
            said |= {name: _time(said[name]) for name in ("came", "due", "expires")}
            said["age"] = _span(said.pop("age_seconds"))
            lines += [
                f"{name}: {'yes' if value is True else 'no' if value is False else value}"
                for name, value in said.items()
            ]
            lines.append("")
        show([_data(row, policies, now) for row in found], as_json, lines[:-1])

    @group.command("why")
    @_choice
    @json_option
    def why(which: tuple[str, ...], domain: str | None, sender: str | None, everything: bool, as_json: bool) -> None:
        """Say in words why rows still wait, and what was tried."""
        now, data, lines = time.time(), [], []
        for row in _found(gateway, which, domain, sender, everything):
            reason, tried = _why(row, policies, now), _tried(outcomes, row)
            data.append({"id": row.id, "trace": row.trace, "domain": row.domain, "why": reason, "tried": tried})
            lines += [f"{row.id} to {row.domain}: {reason}", *(f"    {_told(one)}" for one in tried)]
        show(data, as_json, lines)

    @group.command("retry")
    @_choice
    @json_option
    def retry(which: tuple[str, ...], domain: str | None, sender: str | None, everything: bool, as_json: bool) -> None:
        """Try rows now, frozen ones too.

        A domain that does not answer is left alone for a while all the same, of a quarter of an hour at most.
        """
        ids = [row.id for row in _found(gateway, which, domain, sender, everything)]
        _report(gateway.store.offer(ids, time.time()), "tried now", as_json)

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
            click.confirm(f"Remove {_count(len(found), 'row')}? Their senders are not told", abort=True, err=True)
        dropped = gateway.store.drop([row.id for row in found])
        for row in dropped:
            outcomes.note(row.trace or "-", row.domain, "", "", "dropped", 1, Reply(550, "5.0.0", "by the operator"))
        outcomes.save()
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
            change(policies, _domain(domain), {"hold": True})
            show({"domain": domain, "frozen": True}, as_json, [f"mail for {domain} waits"])
            return
        ids = [row.id for row in _found(gateway, which, domain, sender, everything)]
        _report(gateway.store.hold(ids), "frozen", as_json)

    @group.command("thaw")
    @_choice
    @json_option
    def thaw(which: tuple[str, ...], domain: str | None, sender: str | None, everything: bool, as_json: bool) -> None:
        """Undo `freeze`, and try at once."""
        lines = []
        if domain and not (which or sender or everything) and policies.of(_domain(domain)).hold:
            change(policies, _domain(domain), {"hold": False})
            lines = [f"mail for {domain} waits no more"]
        chosen = _chosen(gateway, which, domain, sender, everything)
        _report(gateway.store.offer([row.id for row in chosen], time.time()), "tried now", as_json, lines)

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
    data = [{"id": row.id, "trace": row.trace, "domain": row.domain} for row in found]
    show(data, as_json, [*before, f"{what}: {len(found)}"])


def _time(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))


def _why(row: Queued, policies: Policies, now: float) -> str:
    policy = policies.of(row.domain)
    if row.held:
        return f"it is frozen; given up at {_time(row.expires)}"
    if policy.hold:
        return f"mail for {row.domain} is frozen; given up at {_time(row.expires)}"
    if policy.deny:
        return f"mail for {row.domain} is denied, and will be given up when it is due, {_time(row.due)}"
    said = f"the last answer was: {_reply(row.reply)}" if row.reply else "no answer is known"
    if row.due <= now:
        return f"it is due; {said}" if row.attempts else "it is due, and was not tried yet"
    if not row.attempts:
        return f"its domain did not answer others; it is tried in {_span(row.due - now)}"
    tried = f"it was tried {_count(row.attempts, 'time')}; {said}"
    return f"{tried}; it is tried again, or being tried, within {_span(row.due - now)}"


def _tried(outcomes: Outcomes, row: Queued) -> list[dict[str, Any]]:
    found = [one for one in outcomes.of(row.trace) if one["domain"] == row.domain] if row.trace else []
    return found[-10:]


def _told(one: dict[str, Any]) -> str:
    where = " ".join(word for word in (one["host"], one["way"] and f"({one['way']})") if word) or one["domain"]
    said = " ".join(str(word) for word in (one["code"], one["enhanced"], one["said"]) if word)
    return f"{_time(one['at'])}  {one['what']}  {_count(one['recipients'], 'recipient')} at {where}: {said}"


def trace(gateway: Gateway, outcomes: Outcomes) -> click.Command:
    """The command `trace`."""

    @click.command("trace")
    @click.argument("id", metavar="ID")
    @click.option(
        "--log",
        type=click.File("r", errors="replace"),
        metavar="FILE",
        help="Show its lines of a log, too; - for the standard input.",
    )
    @json_option
    def command(id: str, log: Any, as_json: bool) -> None:
        """Tell what became of a message.

        ID is the word behind OK in the answer to its sender, and behind id= in the log.
        """
        now = time.time()
        waits = [row for row in rows(gateway) if row.trace == id]
        try:
            tried = outcomes.of(id)
        except PluginError as error:
            fail(str(error), 1)
        lines_of_log = list(_of_log(id, log)) if log is not None else []
        if not (waits or tried or lines_of_log):
            fail(f"nothing is known of {id}: it went to mailboxes here alone, or it is long ago, or it is no trace", 1)
        data = {
            "trace": id,
            "waits": [
                {"id": row.id, "domain": row.domain, "due": row.due, "reply": _reply(row.reply)} for row in waits
            ],
            "tried": tried,
            "log": lines_of_log,
        }
        lines = [_told(one) for one in tried]
        lines += [
            f"waits: {row.id} to {row.domain}, due {'now' if row.due <= now else _time(row.due)}" for row in waits
        ]
        show(data, as_json, [*lines, *lines_of_log])

    return command


def _of_log(id: str, log: Iterable[str]) -> Iterator[str]:
    """The lines with id=ID, or notice=ID, as a word."""
    wanted = {f"id={id}", f"notice={id}"}
    for line in log:
        if id in line and wanted & set(line.split()):
            yield line.rstrip("\n")
