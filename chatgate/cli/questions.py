"""What `chatgate init` asks on a terminal. Each answer can be an option; without a terminal nothing is asked."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from chatgate import names
from chatgate.command import fail


@dataclass
class Certificate:
    """How the certificate comes: from files (both paths), from an authority by ACME, or else self-signed."""

    certificate: str = ""
    key: str = ""
    acme: bool = False


def terminal() -> bool:
    """Is there somebody to ask?"""
    return sys.stdin.isatty() and sys.stdout.isatty()


def domain() -> str:
    click.echo("The mail domain is what stands behind the @ of every address: a host name, such as chat.example.org,")
    click.echo("a name that begins with _ for trying things out, or the IP address of this machine.")
    return until_right("Mail domain", names.mail_domain)


def certificate(terms: str) -> Certificate:
    """terms: what one agrees to who takes a certificate by ACME; "" where there is no plugin for that."""
    click.echo("\nHow does the certificate come?")
    click.echo("  self-signed  made now; good for trying things out, other servers and most apps do not accept it")
    click.echo("  files        from another program, such as certbot")
    ways = ["self-signed", "files"]
    if terms:
        click.echo(
            "  acme         fetched from Let's Encrypt, which comes to port 80 or 443 to look, and renewed by itself"
        )
        ways.append("acme")
    way = click.prompt("Certificate", type=click.Choice(ways), default=ways[-1] if terms else ways[0])
    if way == "files":
        return Certificate(
            until_right("File with the whole chain", readable), until_right("File with the key", readable)
        )
    if way == "acme":
        click.echo(f"\n{terms}")
        if not click.confirm("Do you agree?"):
            click.echo("Then it is self-signed for now; docs/operate/tls.md shows the other ways.")
            return Certificate()
        return Certificate(acme=True)
    return Certificate()


def readable(text: str) -> str:
    """The absolute path of a file that can be read. Raises ValueError."""
    path = Path(text).expanduser().absolute()
    try:
        path.open("rb").close()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    return str(path)


def until_right(question: str, form: Callable[[str], str]) -> str:
    while True:
        try:
            return form(click.prompt(question))
        except ValueError as error:
            click.echo(f"  {error}")


def given(option: str, form: Callable[[str], str], text: str) -> str:
    """An answer that was an option. Ends the command if it is wrong."""
    try:
        return form(text)
    except ValueError as error:
        fail(f"{option}: {error}", 2)
