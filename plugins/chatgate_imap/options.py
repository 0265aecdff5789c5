"""What can be set in conf.d/25-imap.toml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chatgate.api import option


@dataclass(frozen=True)
class ImapOptions:
    moved: ClassVar = {"max_message_bytes": "max_message_bytes of 00-chatgate.toml"}

    imaps: tuple[str, ...] = option(("*:993",), "Where clients read mail with TLS from the start; [] is off.")
    imap: tuple[str, ...] = option(("*:143",), "Where clients read mail after STARTTLS; [] is off.")
    plaintext_login: bool = option(
        False, "Let clients log in without TLS. Only for tests and behind a TLS proxy.", live=True
    )
    capabilities: tuple[str, ...] = option(
        ("XCHATMAIL",),
        "Capabilities announced after login besides those of IMAP. Delta Chat up to 2.59 looks for XCHATMAIL.",
        live=True,
    )
    max_connections: int = option(
        10000, "Open connections of people who have logged in, at each of the two listeners.", live=True
    )
    max_unauthenticated: int = option(
        1000,
        "Open connections at each listener on which nobody has logged in. When there are more, the oldest one of "
        "whoever holds the most is closed.",
        live=True,
    )
    max_connections_per_address: int = option(
        1000, "Of the connections of either kind, those from one IPv4 address or IPv6 /64.", live=True
    )
    max_connections_per_account: int = option(50, "Open connections of one account.", live=True)
    login_seconds: float = option(60.0, "Seconds a client may take from connecting to being logged in.", live=True)
    command_seconds: float = option(
        1800.0, "Seconds without a command until logout; RFC 3501 wants 1800 at least.", live=True
    )
    command_work_seconds: float = option(
        30.0, "Seconds a command may compute, waiting not counted; then it ends with NO [LIMIT].", live=True
    )
    min_upload_rate: int = option(
        1000, "Octets a second at which a literal or a long command line must arrive.", live=True
    )
    stall_seconds: float = option(
        120.0, "Seconds a literal may fall behind min_upload_rate, or a client not read what is sent.", live=True
    )
    keepalive_seconds: float = option(
        120.0, "Seconds between signs of life in IDLE. Delta Chat needs less than 300.", live=True
    )
    login_failure_seconds: float = option(1.0, "Seconds the answer to a wrong password is held back.", live=True)
    max_login_failures: int = option(4, "Wrong passwords on one connection before it is cut off.", live=True)
    max_commands_before_login: int = option(50, "Commands a client may send until it is logged in.", live=True)
    max_errors: int = option(20, "Invalid commands in a row before a client is cut off; 5 before login.", live=True)
    max_line_bytes: int = option(
        131072,
        "Octets in a command, literals included unless it is APPEND; 10 000 UIDs, one by one, need 110 000.",
        live=True,
    )
    max_inflight_bytes: int = option(
        104857600,
        "Octets that unfinished commands and messages of all connections together may take in memory; when they are "
        "more, whoever holds much and sends slowly is refused for now.",
        live=True,
    )
    max_unsent_bytes: int = option(
        67108864, "Octets of unsent answers of all connections; beyond that the slowest are cut off.", live=True
    )
    max_gathered_bytes_per_account: int = option(
        67108864,
        "Octets that the mailboxes which an account has open, on all its connections, and what it sorts may take in "
        "memory: 40 and a little more for each message.",
        live=True,
    )
    max_gathered_bytes: int = option(
        268435456,
        "The same of all accounts together; past it, who has more than a million open gets no more.",
        live=True,
    )
    max_mailboxes: int = option(100, "Mailboxes of one account, INBOX included.", live=True)
    max_metadata_bytes: int = option(4096, "Octets in the value of a METADATA entry.", live=True)
    compress_level: int = option(3, "zlib level of COMPRESS=DEFLATE, 1 to 9; 0 does not offer it.", live=True)

    def __post_init__(self) -> None:
        if self.compress_level > 9:
            raise ValueError("compress_level must be from 0 to 9")
        if self.min_upload_rate < 1:
            raise ValueError("min_upload_rate must be 1 at least")
        if self.max_line_bytes < 8192:
            raise ValueError("max_line_bytes must be 8192 at least")  # RFC 7162 §4
