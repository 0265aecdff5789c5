"""What the parts of the store have in common."""

from __future__ import annotations

from chatgate_maildb.blobs import Blobs
from chatgate_maildb.database import Reader
from chatgate_maildb.options import MailDbOptions
from chatgate_maildb.writer import Writer


class Part:
    """Accounts, mailboxes and messages are parts of one class, MailStore, which opens these."""

    options: MailDbOptions
    reader: Reader
    writer: Writer
    blobs: Blobs
