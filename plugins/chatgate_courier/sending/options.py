"""What an operator can set about the queue; part of conf.d/NN-courier.toml."""

from __future__ import annotations

from dataclasses import dataclass

from chatgate.api import option


@dataclass(frozen=True)
class SendingOptions:
    domains_at_once: int = option(500, "Domains to which mail is handed on at the same time.", live=True)
    messages_per_domain: int = option(
        10, "Messages handed on to one domain at the same time, once it takes any.", live=True
    )
    waiting_per_domain: int = option(
        100,
        "Recipients at one domain that are taken from the queue at once; what is for others goes between.",
        live=True,
    )
    waiting_per_account: int = option(
        200, "Recipients of one account's mail that are taken from the queue at once; others' mail goes between."
    )
    waiting: int = option(5000, "Recipients of all mail that are taken from the queue at once.", live=True)
    octets_at_once: int = option(200_000_000, "Octets of messages in memory while they are handed on.")
    lease_seconds: float = option(
        60.0,
        "Seconds after which a killed process's mail is tried by the next one: SMTP may have taken it already.",
        live=True,
    )
    retry_seconds: tuple[str, ...] = option(
        ("5", "20", "60", "300", "900", "3600"),
        "Seconds until a try after the first, the second, ... that failed for now; the last one goes on. A fifth more "
        "or less, by chance.",
    )
    delay_notice_hours: float = option(
        0.0, "Hours after which the sender is told that a message is still being tried. 0: it is not told."
    )
    late_seconds: float = option(
        900.0, "Seconds after which mail that is due and is not tried counts as trouble.", live=True
    )
    many_waiting: int = option(10_000, "Recipients in the queue beyond which that counts as trouble.", live=True)
    unreachable_seconds: float = option(
        7200.0, "Seconds after which a server that cannot be reached counts as trouble.", live=True
    )
    outcome_days: float = option(
        7.0, "Days for which `chatgate trace` knows what became of a message: domain, host and answer, no addresses."
    )
    outcomes: int = option(100_000, "Outcomes it knows at most; 0: none are kept.")

    def __post_init__(self) -> None:
        for name in ("domains_at_once", "messages_per_domain", "waiting_per_domain", "waiting_per_account", "waiting"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: must be 1 or more")
        if self.delay_notice_hours and not self.outcomes:
            raise ValueError("delay_notice_hours: what was told is known by the outcomes, of which none are kept")
        if not self.lease_seconds > 0:
            raise ValueError("lease_seconds: must be above 0")
        try:
            good = bool(self.retry_seconds) and all(float(one) > 0 for one in self.retry_seconds)
        except ValueError:
            good = False
        if not good:
            raise ValueError('retry_seconds: must be numbers above 0, such as ["5", "60"]')
