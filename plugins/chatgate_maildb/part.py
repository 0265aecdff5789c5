"""What the parts of the store have in common."""

from __future__ import annotations

from chatgate_maildb.blobs import Blobs
from chatgate_maildb.checkpoints import Checkpoints
from chatgate_maildb.database import Reader
from chatgate_maildb.options import MailDbOptions
from chatgate_maildb.writer import Writer


class Part:
    """Accounts, mailboxes, messages and retention are parts of one class, MailStore, which opens these."""

    options: MailDbOptions
    reader: Reader
    writer: Writer
    blobs: Blobs
    checkpoints: Checkpoints

    def quota(self, own: int | None) -> int:
        """Octets that an account may keep whose own quota is this one; 0 for no limit."""
        return self.options.quota_bytes if own is None else own
