"""An example of watching: counts what happens, turns connections away in a maintenance window, tells IMAP clients, and
adds a page to the operator's dashboard.
"""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from chatgate.api import Gateway, Metric, Reply, Session, Stored, hookimpl, option

ENTRY = "/shared/vendor/chatgate/tally"


@dataclass(frozen=True)
class TallyOptions:
    maintenance_file: str = option("maintenance", "While this file is in the gateway's folder, nobody is let in.")


class Tally:
    """Count connections, logins, deliveries and removed accounts; close the door during maintenance."""

    Options = TallyOptions
    order = 5  # before everybody else

    def __init__(self, gateway: Gateway, options: TallyOptions) -> None:
        self._door = gateway.path(options.maintenance_file)
        self.counts: collections.Counter[str] = collections.Counter()

    @hookimpl
    def chatgate_connect(self, session: Session) -> Reply | None:
        self.counts[f"connections {session.service}"] += 1
        if self._door.exists():
            return Reply(421, "4.3.2", "Down for maintenance, back soon", imap="UNAVAILABLE")
        return None

    @hookimpl
    def chatgate_logged_in(self, session: Session) -> None:
        self.counts["logins"] += 1

    @hookimpl
    def chatgate_stored(self, stored: Sequence[Stored]) -> None:
        self.counts["deliveries"] += len(stored)

    @hookimpl
    def chatgate_account_removed(self) -> None:
        self.counts["accounts removed"] += 1

    @hookimpl
    def chatgate_metrics(self) -> list[Metric]:
        counts = {(what.replace(" ", "_"),): count for what, count in self.counts.items()}
        return [Metric("chatgate_tally_events", "What happened", "counter", ("event",), counts)]

    @hookimpl
    def chatgate_capabilities(self, session: Session) -> list[str] | None:
        return ["XTALLY"] if session.account else None

    @hookimpl
    def chatgate_metadata_entries(self, mailbox: str) -> list[str] | None:
        return None if mailbox else [ENTRY]

    @hookimpl
    def chatgate_get_metadata(self, entry: str) -> bytes | None:
        if entry == ENTRY:
            return " ".join(f"{name.replace(' ', '-')}={n}" for name, n in sorted(self.counts.items())).encode()
        return None

    @hookimpl
    def chatgate_commands(self, cli: click.Group) -> None:
        @cli.command()
        @click.argument("state", type=click.Choice(["on", "off"]))
        def maintenance(state: str) -> None:
            """Turn clients away (on), or let them in again (off)."""
            click.echo(self.turn(state))

    @hookimpl(optionalhook=True)  # a hook of the plugin admin
    def chatgate_admin_pages(self, admin: Any) -> list[Any]:
        def show(request: Any) -> str:
            """What `admin` makes escapes all that it is given."""
            there = self._door.exists()
            state, button = ("off", "Let clients in again") if there else ("on", "Turn clients away")
            warning = admin.note("Maintenance: nobody is let in.", bad=True) if there else admin.html()
            counts = sorted(self.counts.items())
            table = admin.table(["What", "How often"], counts, "Nothing happened yet.")
            return str(admin.html(warning, table, admin.form("turn", button, state=state)))

        def turn(form: Mapping[str, str]) -> str:
            """What it returns is shown to the operator; the dashboard notes in its log that it was done."""
            return self.turn(form.get("state", ""))

        return [admin.page("tally", "Tally", show, {"turn": turn})]

    def turn(self, state: str) -> str:
        """Maintenance "on" or "off", for the command and the page alike. Raises ValueError."""
        if state not in ("on", "off"):
            raise ValueError("maintenance is on or off")
        if state == "on":
            self._door.touch()
        else:
            self._door.unlink(missing_ok=True)
        return f"maintenance is {state}"
