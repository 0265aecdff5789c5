"""One certificate, from the order to the chain."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from acme import crypto_util, errors, messages
from acme.client import _renewal_info_path_component as renewal_id
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chatgate.api import ip
from chatgate_acme import answering, present
from chatgate_acme.network import Client, Trouble, told
from chatgate_acme.places import Places


class Unreached(Trouble):
    """The authority could not see what it wants to see. names: where, with the reason."""

    def __init__(self, names: dict[str, str], kind: str) -> None:
        super().__init__("; ".join(f"{name}: {why}" for name, why in names.items()))
        self.names, self.kind = names, kind


def issue(
    client: Client,
    names: Sequence[str],
    key: bytes,
    places: Places,
    *,
    profile: str,
    kind: str,
    replaces: present.Present | None,
    deadline: datetime.datetime,
    report: Callable[[str], object],
) -> bytes:
    """The chain for the key (PEM), by challenges of this kind. replaces: the certificate it is to replace. Raises
    Unreached, Trouble, OSError and whatever the library raises.
    """
    csr = crypto_util.make_csr(
        key,
        domains=[name for name in names if not ip(name)],
        ipaddrs=[address for name in names if (address := ip(name))],
    )
    order = _order(client, csr, profile, replaces)
    shown: list[Path] = []
    try:
        for authorization in order.authorizations:
            if authorization.body.status != messages.STATUS_VALID:
                if str(authorization.body.identifier.value) not in names:  # it becomes the name of a file
                    raise Trouble("the authority wants to see a name that nobody asked for")
                _answer(client, authorization, kind, places, shown, report)
        report("waiting for the authority to look")
        _look(client, order, kind, deadline)
        report("fetching the certificate")
        chain = client.finalize_order(order, deadline).fullchain_pem.encode()
    finally:
        for path in shown:
            path.unlink(missing_ok=True)
    _verify(chain, key, names)
    return chain


def _order(client: Client, csr: bytes, profile: str, replaces: present.Present | None) -> messages.OrderResource:
    name = ""
    if replaces is not None and "renewalInfo" in client.directory.to_partial_json():
        name = renewal_id(x509.load_pem_x509_certificate(replaces.pem))
    try:
        return client.order(csr, profile, name)
    except (messages.Error, errors.ConflictError) as error:
        # It does not know the old one, or it was replaced already (RFC 9773 §5).
        if not name or getattr(error, "code", None) == "rateLimited":
            raise
        return client.order(csr, profile, "")


def _answer(
    client: Client,
    authorization: messages.AuthorizationResource,
    kind: str,
    places: Places,
    shown: list[Path],
    report: Callable[[str], object],
) -> None:
    name = str(authorization.body.identifier.value)
    offered = {getattr(body.chall, "typ", ""): body for body in authorization.body.challenges}
    body = offered.get(kind)
    if body is None:
        raise Unreached({name: f"the authority offers no {kind}"}, kind)
    report(f"{name} by {kind}")
    shown.append(answering.show(body, name, client.net.key, places))
    client.answer_challenge(body, body.chall.response(client.net.key))


def _look(client: Client, order: messages.OrderResource, kind: str, deadline: datetime.datetime) -> None:
    try:
        client.poll_authorizations(order, deadline)
    except errors.ValidationError as error:
        failed = {}
        for one in error.failed_authzrs:
            why = [told(body.error).args[0] for body in one.body.challenges if body.error is not None]
            failed[str(one.body.identifier.value)] = why[0] if why else "no reason given"
        raise Unreached(failed, kind) from None


def _verify(chain: bytes, key: bytes, names: Sequence[str]) -> None:
    """Raises Trouble: an authority that is out of order must not replace a certificate that works."""
    try:
        got = present.read(key + b"\n" + chain)
    except ValueError as error:
        raise Trouble(f"the authority sends no certificate that can be used: {error}") from None
    if missing := set(names) - set(got.names):
        raise Trouble(f"the authority sends a certificate that is not for {', '.join(sorted(missing))}")
    if got.ends < datetime.datetime.now(datetime.UTC).timestamp():
        raise Trouble("the authority sends a certificate that is over")


def new_key() -> bytes:
    """P-256, PEM."""
    made: Any = ec.generate_private_key(ec.SECP256R1())
    pem: bytes = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem
