"""What can be set in conf.d/90-doctor.toml."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from chatgate.api import option


@dataclass(frozen=True)
class DoctorOptions:
    addresses: tuple[str, ...] = option(
        (),
        "Public IP addresses of this server. Empty: those it listens on or sends from, as far as they are public; "
        "behind NAT it cannot see them.",
        per_domain=True,
        live=True,
    )
    check_hours: float = option(
        24.0, "Hours between two looks whether the DNS still has the records of each domain; 0: none while it serves."
    )
    disk_bytes: int = option(
        1_000_000_000, "Free octets below which `chatgate doctor` warns of a full disk.", live=True
    )
    port_25_hosts: tuple[str, ...] = option(
        (),
        "Hosts that `chatgate doctor` may connect to at port 25, to see whether a provider blocks it, such as the mail "
        "server of a friend. Empty: only the peer that it is asked about.",
        live=True,
    )
    connect_seconds: float = option(10.0, "Seconds `chatgate doctor` waits for each connection.", live=True)

    def __post_init__(self) -> None:
        for address in self.addresses:
            try:
                ipaddress.ip_address(address)
            except ValueError:
                raise ValueError(f"addresses: {address!r} is no IP address") from None
        if 0 < self.check_hours < 0.1:
            raise ValueError("check_hours: must be 0, or 0.1 or more: nameservers belong to others")
        if self.connect_seconds <= 0:
            raise ValueError("connect_seconds: must be more than zero")
