"""`chatgate qr`, `chatgate site`, and what `chatgate serve` shows on a terminal."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from chatgate.api import Domain, Domains, Gateway, domain_option, json_option, show
from chatgate_site import invite, own
from chatgate_site.places import Places


def welcome(link: str, personal: bool, page: str, colours: bool) -> str:
    """The QR code, its link and the address of the site."""
    about = "It makes one new account; whoever uses it first has it." if personal else "It may be used by many."
    lines = ["", invite.terminal(link, colours), "", f"Scan this with Delta Chat, or paste the link. {about}", link]
    return "\n".join([*lines, *([f"The same on the site: {page}"] if page else []), ""])


def make(domains: Domains, places: Places) -> click.Command:
    """The command `qr` for this gateway."""

    @click.command("qr")
    @domain_option(domains, "Invite to this domain, if not to the first one.")
    @click.option(
        "--png",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Write the QR code to this file, as a PNG picture.",
    )
    @click.option(
        "--svg",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Write the QR code to this file, as an SVG picture.",
    )
    @json_option
    def qr(domain: Domain | None, png: Path | None, svg: Path | None, as_json: bool) -> None:
        """Show an invitation as a QR code and a link.

        They make Delta Chat create an account on this server.
        """
        place = places.of(domain)
        if shut_by := place.facts().shut_by:
            click.echo(f"chatgate: warning: {shut_by}", err=True)
        link, personal = place.inviter.link(), place.personal
        save(link, png, svg)
        if as_json:
            show({"link": link, "personal": personal, "url": place.url}, True, [])
        elif png or svg:
            click.echo(link)
        else:
            click.echo(welcome(link, personal, place.page("/"), colours=sys.stdout.isatty()))

    return qr


def site(gateway: Gateway) -> click.Group:
    """The command `site` for this gateway."""

    @click.group("site")
    def group() -> None:
        """The pages of the website."""

    @group.command("export")
    @click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
    @json_option
    def export(folder: Path, as_json: bool) -> None:
        """Write the templates of all pages into DIR, to be changed.

        Remove what stays as it is, and name the folder with the option pages in the file of site.
        """
        written = own.export(gateway, folder)
        show({"files": [str(path) for path in written]}, as_json, [str(path) for path in written])

    return group


def save(link: str, png: Path | None, svg: Path | None) -> None:
    """The QR code as picture files. Raises ClickException."""
    for path, picture in ((png, invite.png), (svg, _svg)):
        if path:
            try:
                path.write_bytes(picture(link))
            except OSError as error:
                raise click.ClickException(f"cannot write {path}: {error.strerror}") from error


def _svg(link: str) -> bytes:
    return invite.svg(link).encode()
