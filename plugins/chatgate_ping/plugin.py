"""The plugin, which adds the command. A serving gateway loads nothing else of this package."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from typing import Any

import click

from chatgate.api import Domain, Gateway, Problem, domain_option, hookimpl, json_option, option, show


@dataclass(frozen=True)
class PingOptions:
    gpg: str = option("gpg", "The GnuPG program that encrypts and decrypts the messages.")


class Ping:
    """`chatgate ping`: sends encrypted mail through the running gateway and measures how long it takes."""

    Options = PingOptions
    order = 90

    def __init__(self, gateway: Gateway, options: PingOptions) -> None:
        self.gateway, self.options = gateway, options

    @hookimpl
    def chatgate_check(self) -> list[Problem]:
        if shutil.which(self.options.gpg):
            return []
        text = f"ping: there is no program {self.options.gpg!r}, so 'chatgate ping' cannot run: install gnupg"
        return [Problem("warning", text)]

    @hookimpl
    def chatgate_commands(self, cli: click.Group) -> None:
        cli.add_command(self._command())

    def _command(self) -> click.Command:
        @click.command("ping")
        @click.option(
            "-c",
            "--count",
            default=4,
            type=click.IntRange(0),
            show_default=True,
            help="How many messages to send; 0 goes on for ever.",
        )
        @click.option(
            "-i",
            "--interval",
            default=1.0,
            type=click.FloatRange(0),
            show_default=True,
            help="Seconds between two messages.",
        )
        @click.option(
            "--timeout",
            default=10.0,
            type=click.FloatRange(0.1),
            show_default=True,
            help="Seconds that each step may take.",
        )
        @click.option(
            "-s",
            "--size",
            default=1000,
            type=click.IntRange(1, 20_000_000),
            show_default=True,
            help="How many octets of text to encrypt.",
        )
        @click.option("--from", "sender", metavar="ACCOUNT", help="Send from this account instead of a new one.")
        @click.option("--to", "recipient", metavar="ACCOUNT", help="Send to this account instead of a new one.")
        @domain_option(self.gateway.domains, "Make the accounts in this domain, if not in the first one.")
        @json_option
        def ping(domain: Domain | None, sender: str | None, recipient: str | None, as_json: bool, **plan: Any) -> None:
            """Send encrypted messages through the gateway and time them.

            Each is submitted, awaited in IDLE, decrypted and compared. Without --from and --to, two accounts are made
            and, whatever happens, removed. ACCOUNT is an address of this gateway (its password is asked for, or taken
            from CHATGATE_PING_FROM_PASSWORD and CHATGATE_PING_TO_PASSWORD), or a dclogin: link of any server, which
            also tests the way between servers. The exit code is 0 when every message arrived intact.
            """
            from chatgate_ping.run import Plan, run

            tell = (lambda line: None) if as_json else click.echo
            report = run(self.gateway, self.options.gpg, Plan(sender, recipient, domain=domain, **plan), tell)
            if as_json:
                show(report.data(), True, [])
            sys.exit(0 if report.all_arrived else 1)

        return ping
