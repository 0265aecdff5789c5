"""What an operator can set in conf.d/NN-sweeper.toml: the rules."""

from __future__ import annotations

from dataclasses import dataclass

from chatgate.api import LEAST_LARGE, option


@dataclass(frozen=True)
class SweeperOptions:
    days: int = option(20, "Days after which any message is removed. 0: never.", per_domain=True, live=True)
    large_days: int = option(
        7, "Days after which a large message that was fetched or seen is removed. 0: never.", per_domain=True, live=True
    )
    large_bytes: int = option(200_000, "Octets above which a message is large; at least 65536.", live=True)
    account_days: int = option(
        90, "Days without a login after which an account is removed. 0: never.", per_domain=True, live=True
    )
    most_idle_percent: int = option(
        20,
        "With a larger share of all accounts idle at one time none is removed, as then a clock is more likely to be "
        "wrong than all these people gone; 'chatgate sweep --force' removes them. 100: no limit.",
        live=True,
    )
    few_idle_accounts: int = option(
        20, "So many idle accounts at one time are removed whatever their share is.", live=True
    )
    evict_at_percent: int = option(75, "From this share of its quota on, an account's mail is evicted …", live=True)
    evict_to_percent: int = option(
        70, "… down to this share: first messages that all devices have, then large ones, then the oldest.", live=True
    )
    floor_hours: float = option(
        24.0, "Hours in which a message that some device has not fetched is never evicted.", live=True
    )
    every_minutes: float = option(
        60.0, "Minutes from one sweep to the next. 0: only 'chatgate sweep' sweeps.", live=True
    )
    clock_file: str = option(
        "data/sweeper.clock",
        "Keeps the time by which the rules go, so that no leap of the clock moves it far.",
    )
    disk: str = option("data", "A path on the disk with the mail: the free space there counts.")
    no_accounts_below_bytes: int = option(
        1_000_000_000, "With fewer octets free on the disk nobody makes new accounts, but the operator.", live=True
    )
    full_within_days: float = option(
        7.0,
        "Days: a disk that will have less free than that by then, as it goes now, counts as trouble. 0: none does.",
        live=True,
    )
    no_large_mail_below_bytes: int = option(
        500_000_000,
        "With fewer octets free, large messages are refused for now, and the oldest large ones are removed.",
        live=True,
    )

    def __post_init__(self) -> None:
        if not 0 < self.evict_to_percent <= self.evict_at_percent <= 100:
            raise ValueError("evict_to_percent and evict_at_percent must be in order and from 1 to 100")
        if not 0 <= self.most_idle_percent <= 100 or self.few_idle_accounts < 0:
            raise ValueError("most_idle_percent must be from 0 to 100, few_idle_accounts not less than 0")
        if self.large_bytes < LEAST_LARGE:
            raise ValueError(f"large_bytes must not be less than {LEAST_LARGE}")
        if self.no_large_mail_below_bytes > self.no_accounts_below_bytes:
            raise ValueError("no_large_mail_below_bytes must not be more than no_accounts_below_bytes")
