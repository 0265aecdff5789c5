"""`chatgate init`: write a gateway's folder."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import click

from chatgate import names
from chatgate.cli import questions, surroundings
from chatgate.cli.folder import Folder
from chatgate.cli.questions import given
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
    "metrics",
    "movein",
)

# And what a gateway that exchanges mail with other servers runs besides; one made with --local knows none.
WITH_OTHERS = ("resolver", "dkim", "courier", "doctor")

# --local: the port above 1024 that stands for each standard one.
LOCAL_PORTS = {25: 2525, 80: 8080, 143: 2143, 443: 8443, 465: 2465, 587: 2587, 993: 2993}


@click.command("init")
@click.option(
    "--domain",
    metavar="D",
    help="The mail domain: a host name, a name such as _test.example, or an IP address. On a terminal it is asked for.",
)
@click.option(
    "--hostname", metavar="H", help="The name or IP address that clients connect to, if it is not the domain."
)
@click.option(
    "--local", is_flag=True, help="Make it for this computer only: it listens on 127.0.0.1, on ports above 1024."
)
@click.option("--listen", metavar="ADDR", help="Listen on this IP address only, not on all.")
@click.option(
    "--self-signed", is_flag=True, help="Make a certificate now; that is also what is done where nobody is asked."
)
@click.option("--cert", metavar="FILE", help="The certificate, with its whole chain, is in this file; needs --key.")
@click.option("--key", metavar="FILE", help="The key of that certificate.")
@click.option(
    "--acme", is_flag=True, help="Get the certificate from Let's Encrypt; by that you agree to their terms of service."
)
@click.option(
    "--look/--no-look", default=None, help="Look whether ports and names are right.", show_default="on a terminal"
)
@click.pass_obj
def command(
    folder: Folder,
    domain: str | None,
    hostname: str | None,
    local: bool,
    listen: str | None,
    self_signed: bool,
    cert: str | None,
    key: str | None,
    acme: bool,
    look: bool | None,
) -> None:
    """Make the folder of a new gateway.

    It holds conf.d/ with every setting explained, data/, and tls/ with a certificate. Nothing is overwritten: a folder
    that has a conf.d is refused. On a terminal it asks for what no option says, prints the DNS records to set, and
    looks whether the ports can be had and the name leads here.
    """
    if confd.is_gateway(folder.path):
        fail(f"{folder.path}/conf.d is there already; nothing was changed", 1)
    if listen and not names.ip(listen):
        fail(f"--listen: {listen!r} is no IP address", 2)
    asked = questions.terminal()
    if domain is None and not asked:
        fail("say --domain D; on a terminal it is asked for", 2)
    chosen = _chosen(self_signed, cert, key, acme)
    settings = {"domain": questions.domain() if domain is None else given("--domain", names.mail_domain, domain)}
    if hostname:
        settings["hostname"] = given("--hostname", names.host, hostname)
    elif local and not names.ip(settings["domain"]):
        settings["hostname"] = "127.0.0.1"
    if acme and (local or settings["domain"].startswith("_")):
        fail(f"--acme: no authority comes to look at {'this computer' if local else settings['domain']}", 2)
    if chosen is None:  # nobody looks behind the certificate of a name with _, or of this computer
        public = not (local or settings["domain"].startswith("_") or names.ip(settings["domain"]))
        chosen = questions.certificate(_terms()) if asked and public else questions.Certificate()
    _make(folder, settings, local, listen, chosen)
    click.echo(f"Wrote {folder.path}. Next: chatgate --dir {folder.path} serve")
    if not local:
        _tell_records(folder, chosen, asked)
    if asked if look is None else look:
        _look(folder, local)


def _chosen(self_signed: bool, cert: str | None, key: str | None, acme: bool) -> questions.Certificate | None:
    """What the options say of the certificate; None: nothing."""
    if self_signed + bool(cert or key) + acme > 1:
        fail("--self-signed, --acme, or --cert and --key: one of these", 2)
    if bool(cert) != bool(key):
        fail("--cert and --key go together", 2)
    if acme:
        if not _terms():
            fail("--acme: there is no plugin 'acme'", 2)
        return questions.Certificate(acme=True)
    if cert and key:
        return questions.Certificate(given("--cert", questions.readable, cert), given("--key", questions.readable, key))
    return questions.Certificate() if self_signed else None


def _terms() -> str:
    """What one agrees to, in the words of the plugin; "" where it is not installed."""
    known = confd.installed().get("acme")
    if not known:
        return ""
    options = factories.load(known[0]).Options
    return next(f.metadata["help"] for f in dataclasses.fields(options) if f.name == "agree_to_terms")


def _make(
    folder: Folder, settings: dict[str, Any], local: bool, listen: str | None, chosen: questions.Certificate
) -> None:
    plugins: dict[str, dict[str, Any]] = {"acme": {"agree_to_terms": True}} if chosen.acme else {}
    if chosen.certificate:
        plugins["tls"] = {"certificate": chosen.certificate, "key": chosen.key}
    try:
        write(folder.path, settings, local, listen, plugins)
        try:
            folder.gateway.certificate()
        except BaseException:
            _unmake(folder.path)
            raise
    except factories.Unusable as error:
        fail(str(error), 1)
    except FileExistsError:
        fail(f"{folder.path}/conf.d is there already; nothing was changed", 1)
    except OSError as error:
        fail(f"cannot write {error.filename or folder.path}: {error.strerror}", 1)


def _tell_records(folder: Folder, chosen: questions.Certificate, whole: bool) -> None:
    """What is wanted in the DNS; plugins make the keys for it here. whole: each record, not only where to read on."""
    first = folder.gateway.domains.first
    if names.ip(first.name):
        return
    wanted = [record for some in folder.gateway.hub.dns_records(first) for record in some]
    wanted.sort(key=lambda record: not record.required)
    if not wanted:
        return
    signed = chosen.acme or chosen.certificate or first.name.startswith("_")
    certificate = "" if signed else " and a certificate of a known authority"
    click.echo(f"For mail with other servers it needs records in the DNS{certificate}: see docs/operate/dns.md")
    if whole:
        for record in wanted:
            word = "required" if record.required else "recommended"
            click.echo(f"  {record.name}  {record.type}  {record.value}\n      {word}: {record.why}")


def _look(folder: Folder, local: bool) -> None:
    lines = list(surroundings.ports(folder.gateway.config))
    first = folder.gateway.domains.first
    if not local and (why := surroundings.name(first.hostname)):
        lines.append(why)
    for line in lines:
        click.echo(f"note: {line}")
    if not lines:
        click.echo("All ports can be had" + ("." if local else f", and {first.hostname} leads to this machine."))


def write(
    path: Path,
    core: dict[str, Any],
    local: bool = False,
    listen: str | None = None,
    plugins: Mapping[str, dict[str, Any]] = MappingProxyType({}),
) -> None:
    """conf.d with a file for the core and each plugin that a new gateway runs. plugins: what is set of them, by name;
    those that are not among the usual ones are enabled, too. Raises FileExistsError, OSError.
    """
    known = confd.installed()
    path.mkdir(parents=True, exist_ok=True)
    (path / "conf.d").mkdir(mode=0o700)
    try:
        for name in ("data", "tls"):
            (path / name).mkdir(mode=0o700, exist_ok=True)
        write_core(path, core)
        usual = PLUGINS if local else (*PLUGINS, *WITH_OTHERS)
        for name in dict.fromkeys((*usual, *plugins)):
            factory = factories.load(known[name][0])
            settings = addresses(factory.Options, local, listen) if local or listen else {}
            write_plugin(path, name, factory, {**settings, **plugins.get(name, {})})
    except BaseException:
        _unmake(path)
        raise


def _unmake(path: Path) -> None:
    """Half a conf.d would be taken for a gateway, and keep the next init from making one."""
    shutil.rmtree(path / "conf.d", ignore_errors=True)
    for name in ("data", "tls"):
        with contextlib.suppress(OSError):  # it was there before, with something in it
            (path / name).rmdir()


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
