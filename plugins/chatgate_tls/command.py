"""`chatgate tls`: which certificate each domain has."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from chatgate.api import Certificate, Domain, Gateway, PluginError, Problem, domain_option, fail, json_option, show

_NO_ACME = (
    "nothing here fetches certificates; 'chatgate plugins enable acme' turns on the plugin that does. A self-signed "
    "one is renewed by itself, files of other programs by these programs"
)


def make(gateway: Gateway, used: Callable[[Domain], tuple[str, Certificate, list[Problem]]]) -> click.Group:
    """The command group `tls`. used: returns source, certificate and problems of a domain; raises PluginError."""

    @click.group("tls")
    def tls() -> None:
        """See the certificates of the domains, and renew them."""

    @tls.command("show")
    @domain_option(gateway.domains, "Only this domain.")
    @json_option
    def show_(domain: Domain | None, as_json: bool) -> None:
        """Show the certificate of each domain, and what is wrong with it."""
        gateway.read_only = True
        rows = [_row(one, used) for one in gateway.domains if domain in (None, one)]
        show(rows, as_json, [line for row in rows for line in _lines(row)])

    if gateway.hub.has("acme"):
        tls.add_command(gateway.hub.plugin("acme").renew)
    else:

        @tls.command("renew", hidden=True, context_settings={"ignore_unknown_options": True})
        @click.argument("rest", nargs=-1)
        def renew(rest: tuple[str, ...]) -> None:
            fail(_NO_ACME, 1)

    return tls


def _row(domain: Domain, used: Callable[[Domain], tuple[str, Certificate, list[Problem]]]) -> dict[str, Any]:
    row: dict[str, Any] = {"domain": domain.name, "host": domain.hostname, "source": None, "file": None, "names": []}
    row |= {"issuer": None, "key": None, "not_after": None, "days_left": None, "problems": []}
    try:
        source, certificate, problems = used(domain)
        row |= {"source": source, "file": str(certificate.chain)} | _seen(certificate.chain)
    except PluginError as error:
        problems = [Problem("error", str(error))]
    row["problems"] = [vars(problem) for problem in problems]
    return row


def _seen(chain: Path) -> dict[str, Any]:
    """Raises PluginError."""
    from cryptography import x509  # as only this command parses certificates
    from cryptography.x509.oid import NameOID

    try:
        leaf = x509.load_pem_x509_certificates(chain.read_bytes())[0]
    except (OSError, ValueError) as error:
        raise PluginError(f"{chain}: {error}") from error
    names: list[str] = []
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [str(one.value) for one in found]
    except (x509.ExtensionNotFound, ValueError):
        pass
    said = [*leaf.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    said += leaf.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    left = leaf.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    return {
        "names": names,
        "issuer": " ".join(str(one.value) for one in said),
        "key": _kind(leaf.public_key()),
        "not_after": leaf.not_valid_after_utc.isoformat(),
        "days_left": round(left.total_seconds() / 86400, 1),
    }


def _kind(key: Any) -> str:
    name = type(key).__name__.lstrip("_").removesuffix("PublicKey")
    curve = getattr(getattr(key, "curve", None), "name", "")
    return {"secp256r1": "EC P-256", "secp384r1": "EC P-384"}.get(curve) or f"{name} {getattr(key, 'key_size', '')}"


def _lines(row: dict[str, Any]) -> list[str]:
    lines = [row["domain"] if row["domain"] == row["host"] else f"{row['domain']}, host {row['host']}"]
    if row["names"]:
        lines.append(f"  for      {', '.join(row['names'])}")
        lines.append(f"  issuer   {row['issuer'] if row['source'] != 'self-signed' else 'nobody: it is self-signed'}")
        lines.append(f"  key      {row['key']}")
        lines.append(f"  until    {row['not_after'][:10]}, {row['days_left']:.0f} days")
        lines.append(f"  source   {row['source']}: {row['file']}")
    return lines + [f"  {one['level']}: {one['text']}" for one in row["problems"]]
