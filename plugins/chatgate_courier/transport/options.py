"""What an operator can set about the way to other servers; part of conf.d/NN-courier.toml."""

from __future__ import annotations

from dataclasses import dataclass

from chatgate.api import option


@dataclass(frozen=True)
class TransportOptions:
    https: bool = option(True, "Try POST /mxdeliv at port 443 of a host before SMTP at port 25.", live=True)
    ca_file: str = option("", "PEM file of the authorities to trust for other servers. Empty: those of the system.")
    mta_sts: bool = option(
        True, "Keep to what other domains demand by MTA-STS: mail goes to hosts only that they name."
    )
    mta_sts_domains: int = option(10_000, "Domains whose MTA-STS policy is remembered over a restart.")
    mta_sts_seconds: float = option(60.0, "Seconds to fetch such a policy.")
    mta_sts_octets: int = option(65536, "Octets such a policy may have.")
    dane: bool = option(True, "Where DNSSEC proves TLSA records of a host, its certificate must be the one they name.")
    smtp_port: int = option(25, "Port of other servers for SMTP.", live=True)
    https_port: int = option(443, "Port of other servers for /mxdeliv.", live=True)
    max_hosts: int = option(5, "Hosts of a domain that are tried, the most preferred first.", live=True)
    max_addresses: int = option(6, "IP addresses of a host that are tried.", live=True)
    max_hops: int = option(100, "Received fields a message may have; one with more goes round in circles.", live=True)
    connect_seconds: float = option(
        20.0, "Seconds for a connection to one host, all of its addresses together.", live=True
    )
    tls_seconds: float = option(20.0, "Seconds for the TLS handshake.", live=True)
    https_seconds: float = option(60.0, "Seconds to wait for the answer to a POST.", live=True)
    reply_seconds: float = option(300.0, "Seconds to wait for an SMTP reply.", live=True)
    data_reply_seconds: float = option(
        600.0, "Seconds to wait for the reply to a message. Shorter ones cause messages that arrive twice.", live=True
    )
    block_seconds: float = option(180.0, "Seconds that 64 KB of a message may take.", live=True)
    try_seconds: float = option(
        900.0,
        "Seconds that one try to hand on a message may take in all, and one more for each 20 KB of it.",
        live=True,
    )
    connections_per_host: int = option(20, "Connections to one host at the same time.", live=True)
    idle_connections: int = option(200, "Unused connections kept open, to all hosts together.", live=True)
    https_idle_seconds: float = option(
        15.0, "Seconds an unused HTTPS connection is kept open. Other gateways close theirs after 20.", live=True
    )
    smtp_idle_seconds: float = option(10.0, "Seconds an unused SMTP connection is kept open.", live=True)
    messages_per_connection: int = option(1000, "Messages after which a connection is closed.", live=True)
    connection_seconds: float = option(600.0, "Seconds after which a connection is not used any more.", live=True)
    recipients_per_message: int = option(
        100, "Recipients of one SMTP transaction; a message for more goes in several.", live=True
    )
    smtp_only_seconds: float = option(
        1800.0,
        "Seconds for which a host that took mail by SMTP, but not by /mxdeliv, is not asked for that again.",
        live=True,
    )
    failures_in_a_row: int = option(
        3, "Failed connections in a row after which a host is left alone for a while.", live=True
    )
    pause_seconds: float = option(
        10.0, "Seconds it is left alone at first, then tried once; each further pause is twice as long.", live=True
    )
    max_pause_seconds: float = option(900.0, "Seconds of one such pause at most.", live=True)
    max_retry_after_seconds: float = option(3600.0, "Seconds that a host may ask to be left alone, at most.", live=True)
    known_hosts: int = option(20_000, "Hosts and domains whose failures are remembered.", live=True)

    def __post_init__(self) -> None:
        for name in _MORE_THAN_ZERO:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than zero")


_MORE_THAN_ZERO = (
    "smtp_port",
    "https_port",
    "max_hosts",
    "max_addresses",
    "mta_sts_domains",
    "mta_sts_seconds",
    "connect_seconds",
    "tls_seconds",
    "https_seconds",
    "reply_seconds",
    "data_reply_seconds",
    "block_seconds",
    "try_seconds",
    "connections_per_host",
    "messages_per_connection",
    "recipients_per_message",
    "failures_in_a_row",
    "pause_seconds",
    "max_pause_seconds",
    "known_hosts",
)
