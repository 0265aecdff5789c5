"""`chatgate init`: write a gateway's folder."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import click

from chatgate import names
from chatgate.cli.folder import Folder
from chatgate.command import fail, new_file
from chatgate.hosting import confd, factories
from chatgate.hosting.options import CoreOptions, is_listener, render

# What a new gateway runs. Everything else that is installed waits for `chatgate plugins enable`.
PLUGINS = (
    "tls",
    "maildb",
    "accounts",
    "passwordless",
    "gate",
    "smtp",
    "imap",
    "site",
    "selfservice",
    "push",
    "sweeper",
    "ping",
    "movein",
)

# And what a gateway that exchanges mail with other servers runs besides; one made with --local knows none.
WITH_OTHERS = ("resolver", "dkim", "courier", "doctor")

# --local: the port above 1024 that stands for each standard one.
LOCAL_PORTS = {25: 2525, 80: 8080, 143: 2143, 443: 8443, 465: 2465, 587: 2587, 993: 2993}

# --acme: what the file of that plugin says.
ACME = {"acme": {"agree_to_terms": True}}


@click.command("init")
@click.option(
    "--domain",
    required=True,
    metavar="D",
    help="The mail domain: a host name, a name such as _test.example, or an IP address.",
)
@click.option(
    "--hostname", metavar="H", help="The name or IP address that clients connect to, if it is not the domain."
)
@click.option(
    "--local", is_flag=True, help="Make it for this computer only: it listens on 127.0.0.1, on ports above 1024."
)
@click.option("--listen", metavar="ADDR", help="Listen on this IP address only, not on all.")
@click.option(
    "--acme", is_flag=True, help="Get the certificate from Let's Encrypt; by that you agree to their terms of service."
)
@click.pass_obj
def command(folder: Folder, domain: str, hostname: str | None, local: bool, listen: str | None, acme: bool) -> None:
    """Make the folder of a new gateway.

    It holds conf.d/ with every setting explained, data/, and tls/ with a certificate. Nothing is overwritten: a folder
    that has a conf.d is refused.
    """
    settings = {"domain": _given("--domain", names.mail_domain, domain)}
    if hostname:
        settings["hostname"] = _given("--hostname", names.host, hostname)
    elif local and not names.ip(domain):
        settings["hostname"] = "127.0.0.1"
    if acme and (local or domain.startswith("_")):
        fail(f"--acme: no authority comes to look at {'this computer' if local else domain}", 2)
    if listen and not names.ip(listen):
        fail(f"--listen: {listen!r} is no IP address", 2)
    try:
        write(folder.path, settings, local, listen, ACME if acme else {})
        folder.gateway.certificate()
        # Plugins make the keys that they then want in the DNS.
        wanted = [] if names.ip(domain) else folder.gateway.hub.dns_records(folder.gateway.domains.first)
    except factories.Unusable as error:
        fail(str(error), 1)
    except FileExistsError:
        fail(f"{folder.path}/conf.d is there already; nothing was changed", 1)
    except OSError as error:
        fail(f"cannot write {error.filename or folder.path}: {error.strerror}", 1)
    click.echo(f"Wrote {folder.path}. Next: chatgate --dir {folder.path} serve")
    if any(wanted) and not local:
        certificate = "" if acme or domain.startswith("_") else " and a certificate of a known authority"
        click.echo(f"For mail with other servers it needs records in the DNS{certificate}: see docs/operate/dns.md")


def _given(option: str, form: Callable[[str], str], text: str) -> str:
    try:
        return form(text)
    except ValueError as error:
        fail(f"{option}: {error}", 2)


def write(
    path: Path,
    core: dict[str, Any],
    local: bool = False,
    listen: str | None = None,
    more: Mapping[str, dict[str, Any]] = MappingProxyType({}),
) -> None:
    """conf.d with a file for the core and each plugin that a new gateway runs. more: further plugins, with what their
    files set. Raises FileExistsError, OSError.
    """
    known = confd.installed()
    path.mkdir(parents=True, exist_ok=True)
    (path / "conf.d").mkdir(mode=0o700)
    try:
        for name in ("data", "tls"):
            (path / name).mkdir(mode=0o700, exist_ok=True)
        write_core(path, core)
        for name in (*PLUGINS, *(() if local else WITH_OTHERS), *more):
            factory = factories.load(known[name][0])
            settings = addresses(factory.Options, local, listen) if local or listen else {}
            write_plugin(path, name, factory, settings | more.get(name, {}))
    except BaseException:  # half a conf.d would be taken for a gateway, and keep the next init from making one
        shutil.rmtree(path / "conf.d", ignore_errors=True)
        raise


def write_core(path: Path, settings: dict[str, Any] | None = None) -> None:
    _write(path / "conf.d" / "00-chatgate.toml", render(CoreOptions, "The gateway itself.", settings))


def write_plugin(path: Path, name: str, factory: Any, settings: dict[str, Any] | None = None) -> Path:
    """The file that enables a plugin, with every key explained."""
    order = getattr(factory, "order", 50)
    target = path / "conf.d" / f"{order:02d}-{name}.toml"
    _write(target, render(factory.Options, summary(factory), settings))
    return target


def _write(path: Path, text: str) -> None:
    """Private, as it may come to hold a secret; and whole, as an empty one would enable the plugin. Raises as
    `new_file` does.
    """
    with new_file(path) as file:
        file.write(text)


def summary(factory: Any) -> str:
    """The first line of a plugin's docstring says what it is."""
    return (factory.__doc__ or "").strip().partition("\n")[0]


def addresses(options: Any, local: bool, listen: str | None) -> dict[str, tuple[str, ...]]:
    """The listener settings (those with a default such as ("*:465",)), moved to another address or to local ports."""
    moved = {}
    for field in dataclasses.fields(options):
        if not is_listener(field):
            continue
        where = names.bare(listen or "127.0.0.1")
        ports = [int(item[2:]) for item in cast(tuple[str, ...], field.default)]
        moved[field.name] = tuple(
            str(names.Listener(where, str(LOCAL_PORTS.get(port, port) if local else port))) for port in ports
        )
    return moved
