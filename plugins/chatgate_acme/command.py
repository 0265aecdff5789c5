"""`chatgate tls renew`."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from chatgate.api import Domain, Gateway, fail
from chatgate_acme import files
from chatgate_acme.options import AcmeOptions
from chatgate_acme.places import Places

_HINT = (
    "The authority comes to port 80 or 443 of each name: is the gateway running, does the firewall let both pass, and "
    "do the addresses in the DNS lead here ('chatgate dns --check')?"
)
_DONE = {"fetched": "new certificate", "not due": "the certificate is good, nothing to do"}


def make(gateway: Gateway, options: AcmeOptions) -> click.Command:
    """The command `renew`."""

    @click.command("renew")
    @click.argument("domain", required=False)
    @click.option("--force", is_flag=True, help="Fetch a new one even if it is not time yet.")
    @click.option("--due", is_flag=True, hidden=True, help="As the gateway does it by itself.")
    def renew(domain: str | None, force: bool, due: bool) -> None:
        """Fetch certificates that are due, for DOMAIN or for all.

        The gateway does so by itself; it must be running, as it answers the authority, and takes a new certificate
        without a signal. The wait after a failure is not kept here, so mind the limits of the authority: of Let's
        Encrypt, five failures an hour and five certificates a week for the same names.
        """
        chosen = [one for one in gateway.domains if domain is None or domain.lower() in (one.name, one.hostname)]
        if not chosen:
            fail(f"{domain!r} is no domain of this gateway; it has {', '.join(d.name for d in gateway.domains)}", 2)
        chosen = [one for one in chosen if one.options(options).enabled]
        try:
            with files.alone(Places(gateway.path()).lock) as mine:
                if not mine:
                    if due:
                        return
                    fail("another process is fetching certificates: wait for its end", 1)
                failed = _all(gateway, options, chosen, force, due)
        except OSError as error:
            fail(f"{error.filename or gateway.path()}: {error.strerror}", 1)
        sys.exit(failed)

    return renew


def _all(gateway: Gateway, options: AcmeOptions, chosen: list[Domain], force: bool, due: bool) -> bool:
    """Did one fail?"""
    from chatgate_acme.renewal import Renewal  # pulls in the library that speaks ACME

    failed, told = False, click.echo if not due else _nothing
    for domain in chosen:
        addresses = gateway.hub.plugin("resolver").resolver.addresses
        report = _reporter(domain, told)
        one = Renewal(gateway.path(), domain, options, addresses, report)
        done = one.look(force=force, patient=due)
        report(_DONE.get(done) or one.state.problem)
        failed |= done not in _DONE
        if done == "failed":
            told(_HINT)
    return failed


def _reporter(domain: Domain, told: Callable[[str], object]) -> Callable[[str], object]:
    return lambda text: told(f"{domain.name}: {text}")


def _nothing(text: str) -> None:
    pass
