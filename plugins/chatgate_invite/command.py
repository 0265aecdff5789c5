"""`chatgate invite`: make, list, show and revoke tokens. Works beside a running gateway."""

from __future__ import annotations

import datetime
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from chatgate.api import Domain, Gateway, domain_option, json_option, octets, show
from chatgate_invite.hooks import Invitations, Token
from chatgate_invite.tokens import draw, good, normal

_SECONDS = {"h": 3600, "d": 86400, "w": 7 * 86400}
_LONGEST_NOTE = 200
_MOST_USES = 10**6


def quota(text: str | None) -> int | None:
    """Octets of "500M"; "none", no limit, is 0. Raises BadParameter."""
    if not text or text.lower() == "none":
        return 0 if text else None
    try:
        return octets(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no size such as 500M or 2G") from None


def moment(text: str | None) -> int:
    """Unix seconds: of a time from now such as 12h, 7d or 4w, or of the end of a day, 2027-01-31; UTC. Never: 0. Raises
    BadParameter.
    """
    if not text:
        return 0
    if match := re.fullmatch(r"(\d{1,5})([hdw])", text):
        ends = int(time.time()) + int(match[1]) * _SECONDS[match[2]]
    else:
        try:
            day = datetime.date.fromisoformat(text) + datetime.timedelta(1)
        except (ValueError, OverflowError):
            wrong = f"{text!r} is neither a time such as 12h or 7d nor a day such as 2027-01-31"
            raise click.BadParameter(wrong) from None
        ends = int(datetime.datetime.combine(day, datetime.time(), datetime.UTC).timestamp())
    if ends <= time.time():
        raise click.BadParameter(f"{text!r} is over already")
    return ends


def one_line(text: str) -> str:
    """What fits into a row of the list. Raises BadParameter."""
    if not text.isprintable() or len(text) > _LONGEST_NOTE:
        raise click.BadParameter(f"one line of up to {_LONGEST_NOTE} characters")
    return text


def _typed(read: Callable[[Any], Any]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """The function as click calls it for an option."""
    return lambda ctx, param, value: read(value)


def create(
    gateway: Gateway, kept: Invitations, uses: str, expires: str, quota_text: str, note: str, domain: str
) -> tuple[Token, Domain | None]:
    """Make an invitation from what the operator typed elsewhere than in a command. domain: its name; "" for any. Raises
    BadParameter.
    """
    if not re.fullmatch(r"[0-9]{1,7}", uses) or int(uses) > _MOST_USES:
        raise click.BadParameter(f"{uses!r} is no number of accounts, 0 to {_MOST_USES}")
    chosen = gateway.domains.named(domain) if domain else None
    if domain and chosen is None:
        raise click.BadParameter(f"{domain!r} is no domain of this gateway")
    name = chosen.name if chosen else ""
    token = draw(int(uses), moment(expires.strip()), quota(quota_text.strip()), one_line(note), name)
    kept.create(token)
    return token, chosen


def revoke(kept: Invitations, token: str) -> None:
    """Raises ClickException when there is none."""
    if not normal(token) or not kept.revoke(normal(token)):
        raise click.ClickException("there is no such token")


def served(gateway: Gateway, token: Token) -> bool:
    """Is the token for one of our domains?"""
    return not token.domain or gateway.domains.named(token.domain) is not None


def make(kept: Callable[[], Invitations], gateway: Gateway) -> click.Group:
    """The group `invite` for this gateway. kept: where the tokens are; first called when a command runs."""

    @click.group("invite")
    def group() -> None:
        """Make and look after invitations.

        They let people in even while the server is closed to others (registration = "closed"), but not while the
        freeze file is there, which stops all new accounts.
        """

    @group.command("create")
    @click.option(
        "--uses",
        default=1,
        type=click.IntRange(0, _MOST_USES),
        help="How many accounts may come of it; 0 is any number.",
    )
    @click.option(
        "--expires",
        callback=_typed(moment),
        metavar="WHEN",
        help="When it ends: after 12h, 7d or 4w, or with a day such as 2027-01-31. Without this it never ends.",
    )
    @click.option(
        "--quota",
        callback=_typed(quota),
        metavar="SIZE",
        help='How much each account may keep, such as 500M; "none" for no limit.',
    )
    @click.option("--note", default="", callback=_typed(one_line), help="Words of your own, which the list shows.")
    @domain_option(gateway.domains, "Let people into this domain only.")
    @json_option
    def create_(domain: Domain | None, uses: int, expires: int, quota: int | None, note: str, as_json: bool) -> None:
        """Make a token, and print the ways to use it."""
        token = draw(uses, expires, quota, note, domain.name if domain else "")
        kept().create(token)
        data = facts(token) | ways(gateway, token, domain)
        show(data, as_json, [token.token, *about(data)])

    @group.command("list")
    @json_option
    def list_(as_json: bool) -> None:
        """List all tokens, with what is left of them."""
        rows = [facts(token) for token in kept().all()]
        width = max([6, *(len(row["domain"] or "") for row in rows)])
        lines = [("token", "used", "expires", "quota", "domain", "note")]
        for r in rows:
            count, ends = f"{r['used']}/{r['uses'] or '-'}", r["expires"] or "never"
            lines.append((r["token"], count, ends, _quota(r["quota"]), r["domain"] or "any", r["note"]))
        form = f"{{:<14}} {{:>11}} {{:<17}} {{:>14}} {{:<{width}}} {{}}".format
        show(rows, as_json, [form(*line).rstrip() for line in lines])

    @group.command("revoke")
    @click.argument("token")
    def revoke_(token: str) -> None:
        """Let nobody else in by this token.

        Accounts that came of it stay.
        """
        revoke(kept(), token)
        click.echo("Revoked.")

    @group.command("qr")
    @click.argument("token")
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
    @domain_option(gateway.domains, "Invite to this domain, if not to the first one or to that of the token.")
    def qr(domain: Domain | None, token: str, png: Path | None, svg: Path | None) -> None:
        """Show a token as a QR code and a link.

        They make Delta Chat create an account on this server.
        """
        found = kept().find(normal(token)) if normal(token) else None
        if found is None:
            raise click.ClickException("there is no such token")
        site = gateway.hub.plugin("site")
        if site is None:
            raise click.ClickException("links are the site's: enable the plugin site")
        if not good(found):
            click.echo("chatgate: warning: this token has been used up or has expired", err=True)
        if not served(gateway, found):
            raise click.ClickException(f"this token is for {found.domain}, which is no domain of this gateway")
        own = gateway.domains.named(found.domain) if found.domain else None
        if own and domain not in (None, own):
            raise click.ClickException(f"this token is for {found.domain} only")
        domain = own or domain
        link = site.at(domain).invitation(found.token)
        site.save(link, png, svg)
        lines = about(ways(gateway, found, domain) | {"link": link})
        click.echo("\n".join(lines if png or svg else [site.terminal(link, sys.stdout.isatty()), "", *lines]))

    return group


def facts(token: Token) -> dict[str, Any]:
    """What there is to say of it, as data for JSON."""
    ends = datetime.datetime.fromtimestamp(token.expires, datetime.UTC) if token.expires else None
    return {
        "token": token.token,
        "uses": token.uses,
        "used": token.used,
        "good": good(token),
        "expires": ends.strftime("%Y-%m-%dT%H:%MZ") if ends else None,
        "quota": token.quota,
        "domain": token.domain or None,
        "note": token.note,
        "created": (datetime.date(1970, 1, 1) + datetime.timedelta(token.created)).isoformat(),
    }


def _quota(quota: int | None) -> str:
    return "default" if quota is None else str(quota or "none")


def ways(gateway: Gateway, token: Token, domain: Domain | None) -> dict[str, Any]:
    """The links of the site, where there is one."""
    site = gateway.hub.plugin("site")
    if site is None:
        return {"token": token.token}
    place = site.at(domain)
    page = place.page(f"/invite/{token.token}") or None
    return {"token": token.token, "link": place.invitation(token.token), "personal": place.personal, "page": page}


def about(ways: dict[str, Any]) -> list[str]:
    """The ways to use a token, a line each."""
    lines = []
    if ways.get("link"):
        # A personal link contains an address and a password that were generated for it.
        lines.append(f"{'Link, for one account' if ways['personal'] else 'Link'}: {ways['link']}")
    if ways.get("page"):
        lines.append(f"Page: {ways['page']}")
    return [*lines, f"By hand: a password that begins with {ways['token']} and goes on with one of your own"]
