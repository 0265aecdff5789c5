"""`chatgate peers`: how mail goes to which domain."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import click

from chatgate.api import Gateway, Queued, fail, json_option, show
from chatgate_courier import policy
from chatgate_courier.policy import Policies, Settings
from chatgate_courier.waiting import rows


def change(policies: Policies, whom: str, said: Settings | None) -> None:
    """Add these settings to the file's rule, without those that are None; None: remove the rule. Ends the command if
    that fails.
    """
    try:
        with _alone(policies.path):
            found = policy.read(policies.path)
            kept = {} if said is None else {**found.get(whom, {}), **said}
            found[whom] = {name: value for name, value in kept.items() if value is not None}
            policy.write(policies.path, {whom: rule for whom, rule in found.items() if rule})
    except OSError as error:
        fail(f"{policies.path} cannot be written: {error.strerror}", 1)
    policies.load()


def release(policies: Policies, whom: str) -> None:
    """Have mail for `whom` wait no more, with no more said in the file than that needs."""
    change(policies, whom, {"hold": None})
    if policies.of(whom).hold:  # by a wider rule, or one of conf.d
        change(policies, whom, {"hold": False})


def offer(gateway: Gateway, whom: str) -> list[Queued]:
    """Have the rows be tried that a rule is for, now that it is another one; but not those frozen by themselves."""
    ids = [row.id for row in rows(gateway) if not row.held and policy.means(whom, row.domain)]
    return gateway.store.offer(ids, time.time())


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """No other command that changes this file comes between: it would undo the change. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def words(said: Settings) -> str:
    """The settings as they are typed."""
    texts = {name: value if isinstance(value, str) else "yes" if value else "no" for name, value in said.items()}
    ordered = sorted(texts.items(), key=lambda item: item[0] == "deny")  # its text may hold blanks
    return " ".join("allow" if item == ("deny", "") else f"{item[0]}={item[1]}" for item in ordered)


def make(gateway: Gateway, policies: Policies) -> click.Group:
    """The command group `peers`."""

    @click.group("peers")
    def peers() -> None:
        """Rules for mail to other domains: deny, hold, route, proxy.

        A rule is for a domain, *.domain, an IP address in brackets, [*] for all of these, _* or *. A running gateway
        heeds a change at once, and tries the mail that the rule is for.
        """

    @peers.command("list")
    @json_option
    def list_(as_json: bool) -> None:
        """Show all rules; those of `peers set` go before the others."""
        policies.load()
        rules = policies.rules()
        data = [{"for": whom, "from": source, **said} for whom, source, said in rules]
        lines = [f"{whom}  {words(said)}{'  (conf.d)' if source == 'conf.d' else ''}" for whom, source, said in rules]
        show(data, as_json, lines or ["no rules: mail goes to all domains"])

    @peers.command("show")
    @click.argument("domain")
    @json_option
    def show_(domain: str, as_json: bool) -> None:
        """Show what holds for a domain."""
        policies.load()
        found = dataclasses.asdict(policies.of(_pattern(domain)))
        show({"domain": domain, **found}, as_json, [f"{name}: {_shown(value)}" for name, value in found.items()])

    @peers.command("set")
    @click.argument("whom", metavar="DOMAIN")
    @click.argument("settings", metavar="SETTING...", nargs=-1, required=True)
    def set_(whom: str, settings: tuple[str, ...]) -> None:
        """Make or change a rule.

        Settings: deny, deny=TEXT, allow, hold, hold=no, route=HOST:PORT, proxy=socks5://HOST:PORT, tls=no, verify=no,
        way=https, way=smtp.
        """
        name = _pattern(whom)
        try:
            said = policy.settings(settings)
        except ValueError as error:
            fail(str(error), 2)
        change(policies, name, said)
        offer(gateway, name)
        click.echo(f"{name}  {words(policy.read(policies.path)[name])}")

    @peers.command("unset")
    @click.argument("whom", metavar="DOMAIN")
    def unset(whom: str) -> None:
        """Remove the rule that `peers set` made; one of conf.d stays."""
        name = _pattern(whom)
        if name not in policy.read(policies.path):
            fail(f"there is no rule for {name} in {policies.path}", 1)
        change(policies, name, None)
        offer(gateway, name)
        click.echo(f"removed {name}")

    return peers


def _pattern(text: str) -> str:
    try:
        return policy.pattern(text)
    except ValueError as error:
        fail(str(error), 2)


def _shown(value: object) -> str:
    return {True: "yes", False: "no", "": "-"}.get(value, str(value)) if isinstance(value, bool | str) else str(value)
