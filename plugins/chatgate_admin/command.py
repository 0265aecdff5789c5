"""`chatgate admin`: who may log in to the dashboard, and what was done there."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from chatgate.api import fail, json_option, show
from chatgate_admin import totp

if TYPE_CHECKING:
    from chatgate_admin.plugin import Admin


def make(admin: Admin) -> click.Group:
    """The command group `admin`."""

    @click.group("admin")
    def group() -> None:
        """Say who may log in to the dashboard, see what was done there."""

    @group.command("password")
    @click.option("--set", "own", is_flag=True, help="Ask for one of your own, or read it from standard input.")
    def password(own: bool) -> None:
        """Make a new password for the dashboard, and print it.

        Only its hash is kept, so it cannot be shown again; the one before is not valid any more. All logins end.
        """
        given = ""
        if own and sys.stdin.isatty():
            given = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        elif own:
            given = sys.stdin.readline().rstrip("\r\n")
            if not given:
                fail("--set: there is no password on standard input", 2)
        try:
            made = admin.keys.set_password(given)
        except ValueError as error:
            fail(str(error), 2)
        admin.journal.note("command", "password")
        admin.database.close()
        click.echo("Changed." if own else made)

    @group.command("totp")
    @click.argument("state", type=click.Choice(["on", "off", "show"]), default="show")
    @click.option("--secret", metavar="SECRET", help="With on: the secret that your app has already.")
    @click.option("--code", metavar="CODE", help="With on: the code that your app shows.")
    def second(state: str, secret: str | None, code: str | None) -> None:
        """Ask for the code of an authenticator app, too, or not.

        With on, it shows the secret for the app, asks for the code that the app makes of it, and prints recovery codes,
        each of which is good once in place of a code. With off, the password alone lets in. All logins end.
        """
        if state == "show":
            on, left = admin.keys.second_factor(), admin.keys.codes_left()
            admin.database.close()
            click.echo(f"on, {left} recovery codes left" if on else "off")
            return
        if state == "off":
            admin.keys.remove_second_factor()
            codes = []
        else:
            secret = secret or totp.new_secret()
            if code is None:
                site = admin.gateway.hub.plugin("site")
                link = totp.uri(secret, admin.gateway.domains.first.hostname)
                click.echo("\n".join(["", site.terminal(link, sys.stdout.isatty()), "", f"Secret: {secret}"]))
                code = click.prompt("Code of the app")
            try:
                codes = admin.keys.set_second_factor(secret, code)
            except ValueError as error:
                fail(str(error), 1)
        admin.journal.note("command", f"totp {state}")
        admin.database.close()
        click.echo("\n".join(["Recovery codes, each good once:", *codes] if codes else ["off"]))

    @group.command("logout")
    def logout() -> None:
        """End all logins."""
        count = admin.logins.end_all()
        admin.journal.note("command", "logout")
        admin.database.close()
        click.echo(f"{count} ended")

    @group.command("log")
    @click.option("--limit", default=50, type=click.IntRange(1, 100_000), metavar="N", help="The newest N.")
    @json_option
    def log_(limit: int, as_json: bool) -> None:
        """Show what was done in the dashboard.

        What these commands did is among it. The newest is first.
        """
        found = admin.journal.newest(limit)
        admin.database.close()
        lines = [
            f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(one.at))}  {one.page}: {one.action} {one.about}".rstrip()
            + ("" if one.result == "done" else f" ({one.result})")
            for one in found
        ]
        show([one._asdict() for one in found], as_json, lines or ["nothing yet"])

    return group
