"""What an operator can set in conf.d/40-dkim.toml."""

from __future__ import annotations

from dataclasses import dataclass

from chatgate.api import option
from chatgate_dkim.message import MAX_HEADER
from chatgate_dkim.tags import domain

LITERAL = ("verify", "refuse", "allow")


@dataclass(frozen=True)
class DkimOptions:
    min_rsa_bits: int = option(1024, "Bits an RSA key of another domain must have, 1024 at least.", live=True)
    clock_skew_seconds: float = option(300.0, "Seconds that the clock of another server may be wrong.", live=True)
    max_signatures: int = option(
        5,
        "Signatures of the author's domain that are looked at in one message. Each may cost two questions to the DNS.",
        live=True,
    )
    max_header: int = option(MAX_HEADER, "Octets the header of a message from another server may have.", live=True)
    dns_seconds: float = option(
        30.0, "Seconds the DNS may take for the keys of a message; then it is refused for now.", live=True
    )
    refresh_seconds: float = option(
        60.0,
        "Seconds between two times that a key of one domain is asked for anew, past what the DNS said before, when a "
        "signature does not match it.",
        live=True,
    )
    literal_senders: str = option(
        "verify",
        'Mail whose author is at an IP address: "verify": it must come from that address; "refuse"; "allow": from '
        "anywhere, and so anybody can write it.",
        live=True,
    )

    selector: str = option(
        "chatgate",
        "Name of a new RSA key in the DNS (SELECTOR._domainkey.DOMAIN); the Ed25519 key has SELECTOR-ed25519. A key "
        "keeps the name it has.",
        per_domain=True,
    )
    look_seconds: float = option(
        300.0,
        "Seconds between two looks into the DNS for the record of a new key, which then begins to sign.",
        live=True,
    )
    old_key_days: float = option(
        7.0,
        "Days after a new key has begun to sign for which the record of the old one must stay in the DNS.",
        live=True,
    )

    def __post_init__(self) -> None:
        if self.literal_senders not in LITERAL:
            raise ValueError(f"literal_senders: must be one of {', '.join(LITERAL)}")
        if self.min_rsa_bits < 1024:  # RFC 8301 §3.2
            raise ValueError("min_rsa_bits: must be 1024 at least")
        if domain(self.selector.encode()) is None or len(self.selector) > 60:
            raise ValueError(f"selector: {self.selector!r} is no name in the DNS")
        for name in ("max_signatures", "max_header", "dns_seconds", "look_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: must be more than zero")
