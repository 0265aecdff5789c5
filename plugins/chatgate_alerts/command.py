"""`chatgate alerts`: who is told of trouble, and whether they are. Works beside a running gateway."""

from __future__ import annotations

import datetime
import io
import secrets
import sys
import time
from pathlib import Path

import click
import qrcode

from chatgate.api import Account, Gateway, NewAccount, NotServing, Trouble, fail, json_option, show
from chatgate_alerts.database import Database
from chatgate_alerts.group.members import Members, Us, link
from chatgate_alerts.group.openpgp import Keyring
from chatgate_alerts.service import LOOK
from chatgate_alerts.watching import Event
from chatgate_alerts.words import list_lines, moment

_PATIENCE = 90.0  # seconds that a test waits to be sent


def make(gateway: Gateway, database: Database, members: Members, name: str) -> click.Group:
    """The command group `alerts`. name: of the operators' group."""

    @click.group("alerts")
    def alerts() -> None:
        """Be told when something is wrong with the gateway.

        Begin with `chatgate alerts join`: scan the code with Delta Chat, and you are in. A webhook is set in the file
        of alerts in conf.d.
        """

    @alerts.command("join")
    @click.option("--hours", default=24.0, type=click.FloatRange(0.1, 24 * 30), help="How long the link is good.")
    @click.option("--png", type=click.Path(dir_okay=False, path_type=Path), help="Write the QR code to this file.")
    @json_option
    def join(hours: float, png: Path | None, as_json: bool) -> None:
        """Show a link and QR code to join the operators' group.

        Whoever scans it with Delta Chat, on any server, is a member and gets all alerts, end-to-end encrypted. Treat it
        as a secret: anybody who has it can join until it ends. The first time, the gateway makes itself an account and
        a key.
        """
        facts = invited(gateway, members, name, hours)
        code, web = facts["qr"], facts["link"]
        if png:
            qrcode.make(code).save(str(png))  # type: ignore[arg-type]  # takes a path, too
        lines = [] if png else [_drawn(code)]
        lines += [f"Scan this with Delta Chat to join the group {name!r}, or open the link there:", web]
        show(facts, as_json, [*lines, f"It is good until {facts['until']}."])

    @alerts.command("members")
    @click.option("--remove", metavar="ADDRESS", help="Send no more alerts to this member.")
    @json_option
    def members_(remove: str | None, as_json: bool) -> None:
        """Show who is in the operators' group, and remove somebody."""
        if remove is not None and not members.remove(remove.lower()):
            fail(f"{remove} is not in the group", 1)
        rows = [{"address": one.address, "key": one.fingerprint, "since": int(one.since)} for one in members.all()]
        lines = [f"{row['address']}  since {moment(float(str(row['since'])))}" for row in rows]
        show(rows, as_json, lines or ["nobody: 'chatgate alerts join' shows a link"])

    @alerts.command("list")
    @json_option
    def list_(as_json: bool) -> None:
        """Show what was told and is not over, and unsent messages."""
        told, now = database.told(), time.time()
        letters = [post for _, post in database.posts()]
        data = {
            "troubles": [vars(one) for one in told],
            "unsent": [{"channel": one.channel, "tries": one.tries, "error": one.error} for one in letters],
        }
        lines = list_lines([Event("begin", one, now) for one in told]) or ["nothing is wrong that was told"]
        lines += [f"not sent by {one.channel} in {one.tries} tries: {one.error or 'not tried yet'}" for one in letters]
        show(data, as_json, lines)

    @alerts.command("test")
    def test() -> None:
        """Send a message by every way.

        It says whether it went out. The gateway must be running.
        """
        now = time.time()
        event = Event("test", Trouble("test", "this is a test of the alerts: all is well", now, "nothing"), now)
        before = {post.row for _, post in database.posts()}
        database.add(event)
        try:
            gateway.control.everywhere(LOOK)
        except NotServing as error:
            fail(f"{error}; the message goes out when one does", 1)
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            time.sleep(0.5)
            if database.waits():
                continue
            left = [post for _, post in database.posts() if post.row not in before]
            if not left:
                click.echo("It was sent.")
                return
            if wrong := [f"{post.channel}: {post.error}" for post in left if post.error]:
                fail("; ".join(wrong), 1)
        fail("it was not sent: is the gateway running, and is anybody to be told? ('chatgate alerts members')", 1)

    @alerts.command("off")
    @click.confirmation_option(prompt="End the operators' group and delete its account and key?")
    def off() -> None:
        """End the operators' group.

        The gateway's account in it is deleted, with its key, the members and all links. A webhook goes on.
        """
        us = members.us()
        if us is None:
            fail("there is no group", 1)
        members.end()
        account = gateway.store.account(us.address)
        if account is not None:
            gateway.accounts.delete(account)
        click.echo("It is gone. A webhook goes on; 'chatgate plugins disable alerts' ends all.")

    return alerts


def invited(gateway: Gateway, members: Members, name: str, hours: float) -> dict[str, str]:
    """A link to join the group `name`, good for so many hours. The group is begun if there is none. Raises
    ClickException, PluginError.
    """
    us, end = members.us() or _begun(gateway, members), time.time() + hours * 3600
    code, web = link(us, name, *members.invite(end))
    until = datetime.datetime.fromtimestamp(end, datetime.UTC)
    return {"link": web, "qr": code, "group": name, "until": until.strftime("%Y-%m-%dT%H:%MZ")}


def _begun(gateway: Gateway, members: Members) -> Us:
    """A group, with an account and a key of the gateway's own. Nobody knows the password of the account."""
    address = f"alerts-{secrets.token_hex(4)}@{gateway.domains.first.name}"
    with Keyring() as keyring:
        key = keyring.made(address)
    made = gateway.accounts.create(NewAccount(address, secrets.token_urlsafe(24), "operator", generated=True))
    if not isinstance(made, Account):
        fail(f"no account {address} can be made: {made or 'no plugin makes accounts'}", 1)
    us = Us(made.address, key.fingerprint, key.secret, key.public, secrets.token_urlsafe(18))
    members.begin(us)
    return us


def _drawn(text: str) -> str:
    """A QR code in characters: dark on light, whatever the terminal's colours are, if it is one."""
    code, out = qrcode.QRCode(border=2, error_correction=qrcode.constants.ERROR_CORRECT_L), io.StringIO()
    code.add_data(text)
    code.print_ascii(out, invert=True)
    lines = out.getvalue().rstrip("\n").splitlines()
    if sys.stdout.isatty():
        lines = [f"\x1b[97;40m{line}\x1b[0m" for line in lines]
    return "\n".join(lines)
