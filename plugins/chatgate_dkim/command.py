"""`chatgate dkim`: show, rotate and import keys. Works beside a running gateway, which sees the change at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chatgate.api import Domain, Domains, PluginError, domain_option, fail, iso_day, json_option, show
from chatgate_dkim import tags
from chatgate_dkim.keyring import Key, Keyring
from chatgate_dkim.leaving import Leaving

_TTL = 3600
_STATES = {"signs": "signs", "waits": "new: signs once this record is seen in the DNS", "leaves": "old: keep it until"}


def make(domains: Domains, leaving: Leaving) -> click.Group:
    """The command group `dkim`."""

    @click.group("dkim")
    def dkim() -> None:
        """See and change the keys that sign mail to other servers."""

    @dkim.command("show")
    @domain_option(domains, "Only this domain.")
    @json_option
    def show_(domain: Domain | None, as_json: bool) -> None:
        """Show the DNS records of the keys, as lines for a zone file."""
        found = [one for ring in _rings(leaving, domains, domain) for one in _shown(leaving, ring)]
        show(found, as_json, _lines(found))

    @dkim.command("rotate")
    @domain_option(domains, "Only this domain.")
    @click.option("--now", is_flag=True, help="Sign with the new keys at once: their records are in the DNS already.")
    def rotate(domain: Domain | None, now: bool) -> None:
        """Make new keys under new names.

        The gateway signs with them once it sees their records in the DNS; the old ones sign until then. With --now, or
        once new keys wait, they sign from now on.
        """
        for ring in _rings(leaving, domains, domain):
            try:
                waiting = [key for key in ring.keys() if key.state == "waits"]
                new = waiting if waiting and now else ring.rotate(leaving.selector(ring))
                if now:
                    ring.activate(new)
                    click.echo(f"{ring.domain}: the new keys sign from now on.")
                else:
                    click.echo(f"{ring.domain}: add these records; the gateway then signs with the new keys by itself.")
                names = {key.selector for key in new}
                click.echo("\n".join(_lines([one for one in _shown(leaving, ring) if one["selector"] in names])))
                click.echo(f"The records of the old keys must stay for {leaving.old_key_days:g} days after that.")
            except PluginError as error:
                fail(str(error), 1)

    @dkim.command("import")
    @click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    @click.option("--selector", required=True, metavar="S", help="The name it has in the DNS, such as opendkim.")
    @domain_option(domains, "The domain it is for. Needed where there are several.")
    def import_(file: Path, selector: str, domain: Domain | None) -> None:
        """Sign with a key from another server, under the name it has.

        FILE holds the private key in PEM. Its record is in the DNS already, so mail leaves at once.
        """
        if domain is None and len(domains) > 1:
            fail(f"--domain: which one? There are {', '.join(leaving.rings)}", 2)
        name = tags.domain(selector.encode())
        if name is None or len(name) > 60:
            fail(f"--selector: {selector!r} is no name in the DNS", 2)
        for ring in _rings(leaving, domains, domain):
            try:
                key = ring.adopt(file, name)
            except PluginError as error:
                fail(str(error), 1)
            click.echo(f"{ring.domain}: signs with this {key.kind} key from now on.")
            click.echo("\n".join(_lines([one for one in _shown(leaving, ring) if one["selector"] == name])))

    return dkim


def _rings(leaving: Leaving, domains: Domains, domain: Domain | None) -> list[Keyring]:
    """Those that a command is for, with keys."""
    if domain is not None and domain.name not in leaving.rings:
        fail(f"{domain.name}: an IP address has no DNS, and so no keys", 1)
    try:
        leaving.make()
    except PluginError as error:
        fail(str(error), 1)
    return [ring for name, ring in leaving.rings.items() if domain is None or domain.name == name]


def _shown(leaving: Leaving, ring: Keyring) -> list[dict[str, Any]]:
    try:
        return [_of(leaving, ring, key) for key in ring.keys()]
    except PluginError as error:
        fail(str(error), 1)


def _of(leaving: Leaving, ring: Keyring, key: Key) -> dict[str, Any]:
    name, value = ring.record(key)
    since = {"state": key.state, "since": key.since}
    until = key.since + int(leaving.old_key_days * 86400) if key.state == "leaves" else None
    return {"domain": ring.domain, "selector": key.selector, "kind": key.kind, **since, "until": until} | {
        "name": name,
        "type": "TXT",
        "value": value,
    }


def _lines(found: list[dict[str, Any]]) -> list[str]:
    lines = []
    for one in found:
        day = f" {iso_day(one['until'] // 86400)}" if one["until"] else ""
        lines.append(f"; {one['kind']}, {_STATES[one['state']]}{day}")
        lines.append(f"{one['name']}. {_TTL} IN TXT {strings(one['value'])}")
    return lines


def strings(text: str) -> str:
    """The text as character-strings of a zone file, of which each has 255 octets at most (RFC 1035 §3.3)."""
    return " ".join(f'"{text[at : at + 255]}"' for at in range(0, len(text), 255))
