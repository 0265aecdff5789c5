"""What an operator can set in conf.d/NN-push.toml."""

from __future__ import annotations

from dataclasses import dataclass

from chatgate.api import option


@dataclass(frozen=True)
class PushOptions:
    url: str = option(
        "https://notifications.delta.chat/notify", "The notification service: tokens are POSTed to this address."
    )
    ca_file: str = option("", "PEM file of the authorities to trust for it. Empty: those of the system.")
    file: str = option("data/push.db", "Where tokens and waiting notifications are kept.")
    capability: bool = option(
        True,
        "Announce XDELTAPUSH in IMAP after login: Delta Chat up to 2.59 looks for it before it sets a token.",
        live=True,
    )
    token_days: int = option(90, "Days after which a token that no client has set again is forgotten.", live=True)
    max_tokens: int = option(
        10, "Tokens (devices) one account may have. A further one takes the place of the oldest.", live=True
    )
    max_token_bytes: int = option(4096, "Octets a token may have.", live=True)
    coalesce_seconds: float = option(
        0.3, "Seconds that a notification waits for more mail: one request for all of it.", live=True
    )
    connections: int = option(50, "Requests that may be under way at the same time.", live=True)
    request_seconds: float = option(20.0, "Seconds for one request, from connecting to the status of the answer.")
    idle_seconds: float = option(60.0, "Seconds an unused connection is kept open for the next request.")
    first_retry_seconds: float = option(
        2.0, "Seconds to the first retry; every further one takes four times as long.", live=True
    )
    max_retry_seconds: float = option(1800.0, "Seconds between two tries at most.", live=True)
    give_up_hours: float = option(5.0, "Hours after the last new mail when a notification is given up.", live=True)
    max_waiting: int = option(
        100_000, "Notifications that may wait. Further ones are dropped; mail is not affected.", live=True
    )
    failures_in_a_row: int = option(
        10, "Failed requests in a row after which the service gets none for a while.", live=True
    )
    pause_seconds: float = option(
        5.0, "Seconds it is left alone at first, then asked once; each further pause is twice as long.", live=True
    )
    max_pause_seconds: float = option(120.0, "Seconds of one such pause at most.", live=True)

    def __post_init__(self) -> None:
        for name in _MORE_THAN_ZERO:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than zero")


_MORE_THAN_ZERO = (
    "max_tokens",
    "connections",
    "request_seconds",
    "first_retry_seconds",
    "max_retry_seconds",
    "failures_in_a_row",
    "pause_seconds",
    "max_pause_seconds",
)
