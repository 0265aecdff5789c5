"""What an operator can set in conf.d/NN-maildb.toml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chatgate.api import option


@dataclass(frozen=True)
class MailDbOptions:
    moved_to: ClassVar = {"full_minutes": "accounts", "recipient_delimiter": "accounts"}

    folder: str = option("data", "Where mail is kept: the database, and blobs/ with large messages.")
    quota_bytes: int = option(
        500_000_000, "Octets of mail that one account may keep. 0: no limit.", per_domain=True, live=True
    )
    quota_messages: int = option(
        50_000,
        "Messages that one account may keep: opening a mailbox costs time and memory for each. 0: no limit.",
        per_domain=True,
        live=True,
    )
    blob_bytes: int = option(65536, "A message larger than this many octets is a file of its own beside the database.")
    max_mailboxes: int = option(500, "Mailboxes, and subscriptions, that one account may have.", live=True)
    max_annotations: int = option(
        100, "Private METADATA entries that an account, and each mailbox, may have.", live=True
    )
    max_annotation_bytes: int = option(
        16384, "Octets that the value of one private METADATA entry may have.", live=True
    )
    max_annotations_bytes: int = option(
        1_000_000,
        "Octets of all private METADATA entries of an account, with their names. They are beside its quota.",
        live=True,
    )
    expunged_kept: int = option(
        1000,
        "Removed messages remembered for each mailbox when cleaning up. A session further behind is told of all "
        "UIDs that are gone, which costs more.",
        live=True,
    )
    queue_rows: int = option(
        100_000, "Recipients elsewhere for whom mail may wait at the same time. 0: nothing goes elsewhere.", live=True
    )
    queue_rows_per_account: int = option(2000, "The same for what one account sends.", live=True)
    queue_bytes: int = option(
        5_000_000_000,
        "Octets of all that, each message counted for each of its recipients; it is on the disk once.",
        live=True,
    )
    queue_bytes_per_account: int = option(
        500_000_000, "The same for what one account sends. It is beside its quota.", live=True
    )
    queue_days: float = option(
        2.0,
        "Days for which delivery elsewhere is tried before the sender is told. RFC 5321 says 4 or 5; in a chat, two "
        "days are long.",
        live=True,
    )
    tombstone_days: int = option(
        0, "Days for which nobody but its owner can have a removed address. 0: for ever.", live=True
    )
    busy_seconds: float = option(10.0, "Seconds to wait while another process, such as a command, writes.")
    save_before_change: bool = option(
        True,
        "Before a newer program changes the form of the database, copy it to mail.db.version-N beside it; the disk "
        "needs room for that.",
    )
    saved_days: float = option(14.0, "Days for which that copy, with mail that was deleted since, is kept.")
    reserve_bytes: int = option(
        32_000_000, "Octets kept free in the file 'reserve', so that mail can be deleted on a full disk. 0: none."
    )
    min_free_bytes: int = option(200_000_000, "'chatgate check' warns when the disk has fewer octets free.", live=True)
