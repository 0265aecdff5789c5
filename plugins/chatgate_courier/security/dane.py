"""DANE for SMTP (RFC 7672): certificates that the DNS names, where DNSSEC proves what it says."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from chatgate_resolver import Absent, Resolver

log = logging.getLogger("chatgate.courier")

TRUST_ANCHOR, END_ENTITY = 2, 3
_WHOLE, _KEY = 0, 1  # selectors: the certificate, or its SubjectPublicKeyInfo
_HASHES = {1: hashlib.sha256, 2: hashlib.sha512}  # by matching type; 0: the data as they are


class Tlsa(NamedTuple):
    """A record that can be used: usage 2 (a certificate authority of the host's own) or 3 (its certificate), selector,
    matching type, data (RFC 6698 §2.1).
    """

    usage: int
    selector: int
    mtype: int
    data: bytes


class Dane:
    """Ask `records` for a host of an MX record, if the MX records (or that there are none) were a `secure` answer: who
    could forge these could name a host of their own (RFC 7672 §2.2.1).

    If there are records, connect without the usual check of the certificate, and hand `presented_chain` to
    `authenticates`: only if that is True mail may go to the host. The authorities that this machine trusts do not
    matter then. If there are none, DANE says nothing, and the usual check is made.
    """

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    def records(self, host: str, port: int = 25) -> tuple[Tlsa, ...]:
        """The usable records of this host, a name; () if DANE says nothing about it. Raises Trouble if that cannot be
        found out for now, or DNSSEC finds a forgery: the host must not be used then, as if it were down (§2.1.2).
        """
        try:
            # Zones that are not signed are not asked for TLSA: some of their nameservers do not answer that (§2.2.2).
            if not self._resolver.addresses(host).secure:
                return ()
            answer = self._resolver.tlsa(f"_{port}._tcp.{host}")
        except Absent:
            return ()
        if not answer.secure:
            return ()
        found = [Tlsa(*value) for value in answer.values]
        usable = _strongest([one for one in found if _is_usable(one)])
        if not usable:
            # TLS it must be then, but nobody can say whose (§2.2): ours is, and is checked as usual.
            log.info("dane host=%s has no record that can be used", host)
        return usable


def _is_usable(record: Tlsa) -> bool:
    """Usages 0 and 1 are for those who trust public authorities as well; in SMTP they mean nothing (§3.1.3)."""
    if record.usage not in (TRUST_ANCHOR, END_ENTITY) or record.selector not in (_WHOLE, _KEY) or not record.data:
        return False
    if record.mtype in _HASHES:
        return len(record.data) == _HASHES[record.mtype]().digest_size
    return record.mtype == 0


def _strongest(records: Iterable[Tlsa]) -> tuple[Tlsa, ...]:
    """Of one usage and selector only the hashes of the strongest kind count (RFC 7671 §9)."""
    records = tuple(records)
    best = {one[:2]: 1 for one in records} | {one[:2]: 2 for one in records if one.mtype == 2}
    return tuple(one for one in records if one.mtype in (0, best[one[:2]]))


def presented_chain(sock: Any) -> list[bytes]:
    """The certificates that the peer of this TLS connection has sent, in DER, its own one first; unchecked."""
    if hasattr(sock, "get_unverified_chain"):  # since Python 3.13
        return list(sock.get_unverified_chain())
    chain = sock._sslobj.get_unverified_chain() or []
    return [one.public_bytes(2) for one in chain]  # 2: DER (_ssl.ENCODING_DER)


def matches(record: Tlsa, chain: Sequence[bytes]) -> bool:
    """Does the record name the host's certificate (usage 3), or one of those above it (usage 2)? chain: in DER, the
    host's own first. For usage 2 this is not enough: see `authenticates`.
    """
    candidates = chain[:1] if record.usage == END_ENTITY else chain[1:]
    return any(_names(record, one) for one in candidates)


def authenticates(records: Sequence[Tlsa], chain: Sequence[bytes], names: Sequence[str]) -> bool:
    """Is the host that presents this chain the one that the records mean? names: its own and the mail domain, for one
    of which the certificate must be if an authority is named (§3.2.3); a certificate that is named itself may have any
    name, and be expired (§3.1.1). Raises nothing; takes about a millisecond.
    """
    for record in records:
        if record.usage == END_ENTITY:
            if matches(record, chain):
                return True
        elif any(_verifies(anchor, chain, names) for anchor in _anchors(record, chain)):
            return True
    return False


def _names(record: Tlsa, certificate: bytes) -> bool:
    if (selected := _selected(record.selector, certificate)) is None:
        return False
    return (_HASHES[record.mtype](selected).digest() if record.mtype else selected) == record.data


def _selected(selector: int, certificate: bytes) -> bytes | None:
    if selector == _WHOLE:
        return certificate
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except Exception:  # a stranger's certificate: whatever it is that cannot be read, it is not the one
        return None


def _anchors(record: Tlsa, chain: Sequence[bytes]) -> list[bytes]:
    """The certificates of the chain that the record means; or the one that it holds itself, which may be left out of
    the chain (§3.1.2).
    """
    found = [one for one in chain[1:] if _names(record, one)]
    return found or ([record.data] if (record.selector, record.mtype) == (_WHOLE, 0) else [])


def _verifies(anchor: bytes, chain: Sequence[bytes], names: Sequence[str]) -> bool:
    """Does the chain lead from a certificate for one of these names to the anchor?"""
    from cryptography import x509
    from cryptography.x509.verification import PolicyBuilder, Store

    try:
        trusted, (own, *others) = x509.load_der_x509_certificate(anchor), map(x509.load_der_x509_certificate, chain)
        builder = PolicyBuilder().store(Store([trusted]))
    except Exception:  # see _selected
        return False
    for name in names:
        try:
            builder.build_server_verifier(x509.DNSName(name)).verify(own, others)
            return True
        except Exception:
            continue
    return False
