"""What can be set in conf.d/20-smtp.toml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chatgate.api import option


@dataclass(frozen=True)
class SmtpOptions:
    moved: ClassVar = {"max_message_bytes": "max_message_bytes of 00-chatgate.toml"}

    submissions: tuple[str, ...] = option(("*:465",), "Where clients submit mail with TLS from the start; [] is off.")
    submission: tuple[str, ...] = option(("*:587",), "Where clients submit mail after STARTTLS; [] is off.")
    mx: tuple[str, ...] = option(("*:25",), "Where other mail servers deliver mail after STARTTLS; [] is off.")
    max_recipients: int = option(
        1000, "Recipients a message may have. Delta Chat is told and splits larger groups.", live=True
    )
    lookahead_seconds: float = option(
        1.0,
        "Seconds the refusal of a recipient is held back to see whether the message is for others, too, who shall get "
        "it then. Delta Chat sends all its commands at once; who waits for replies is told of each recipient.",
        live=True,
    )
    max_user_send_per_minute: int = option(60, "Messages an account may send in a minute, on average.", live=True)
    max_user_send_burst_size: int = option(10, "Messages an account may send at once after a pause.", live=True)
    hold_seconds: float = option(
        10.0,
        "Seconds the answer to a message over this rate is held back at most; longer ones to wait are refused.",
        live=True,
    )
    max_held: int = option(
        500, "Answers that may be held back at the same time; more messages are refused for now.", live=True
    )
    max_held_per_account: int = option(10, "The same for one account.", live=True)
    max_inflight_bytes: int = option(
        104857600,
        "Octets that unfinished messages of all accounts together may take in memory; when they are more, whoever "
        "holds much and sends slowly is refused for now. While a message is stored it can take three times its octets.",
        live=True,
    )
    max_inflight_bytes_mx: int = option(67108864, "The same for messages of other servers.", live=True)
    max_connections: int = option(
        1000,
        "Open connections at mx, and at each of the other listeners those of people who have logged in.",
        live=True,
    )
    max_unauthenticated: int = option(
        500,
        "Open connections at submissions and submission each on which nobody has logged in. When there are more, the "
        "oldest one of whoever holds the most is closed.",
        live=True,
    )
    max_connections_per_address: int = option(
        200, "Of the connections of either kind, those from one IPv4 address or IPv6 /64.", live=True
    )
    max_command_bytes: int = option(4096, "Octets a command line may have, with its line end.", live=True)
    max_line_bytes: int = option(
        8192,
        "Octets a line of a message may have, with its line end. RFC 5321 says 1000; real mail has more.",
        live=True,
    )
    max_errors: int = option(
        20, "Refused commands a client may send before it is cut off; an accepted message resets it.", live=True
    )
    max_commands_per_message: int = option(
        100,
        "Commands other than RCPT a client may send without getting a message taken before it is cut off.",
        live=True,
    )
    max_hops: int = option(
        100, "Received fields at which a message is taken to be in a loop. RFC 5321 says 100.", live=True
    )
    max_login_failures: int = option(3, "Wrong passwords on one connection before it is cut off.", live=True)
    login_seconds: float = option(60.0, "Seconds a client of submission may take until it is logged in.", live=True)
    command_seconds: float = option(
        300.0, "Seconds a client may take for its next command, and to take our reply.", live=True
    )
    min_upload_rate: int = option(1000, "Octets a second at which a message must arrive.", live=True)
    data_idle_seconds: float = option(
        60.0,
        "Seconds a message may stand still, or by which it may fall behind min_upload_rate, until it is cut off.",
        live=True,
    )
    data_seconds: float = option(3600.0, "Seconds a whole message may take; slow phones send large files.", live=True)

    def __post_init__(self) -> None:
        for name in (
            "max_recipients",
            "max_user_send_per_minute",
            "max_user_send_burst_size",
            "max_errors",
            "max_hops",
            "max_login_failures",
            "min_upload_rate",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: must be 1 or more")
        if self.max_hops > 1000:
            raise ValueError("max_hops: must be 1000 or less; no more are counted")
        # RFC 5321 §4.5.3.1: what every server must take.
        if self.max_command_bytes < 512:
            raise ValueError("max_command_bytes: must be 512 or more")
        if self.max_line_bytes < 1000:
            raise ValueError("max_line_bytes: must be 1000 or more")
