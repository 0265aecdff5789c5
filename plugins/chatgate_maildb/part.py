"""What the parts of the store have in common."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cached_property

from chatgate_maildb.blobs import Blobs
from chatgate_maildb.checkpoints import Checkpoints
from chatgate_maildb.database import Reader
from chatgate_maildb.fetched import Fetched
from chatgate_maildb.options import MailDbOptions
from chatgate_maildb.rows import Quota
from chatgate_maildb.writer import Writer


class Part:
    """The base of the classes for accounts, mailboxes, messages and so on, which MailStore joins. MailStore opens the
    attributes below. A part only uses these and its own base classes, so the order in which parts are joined does not
    matter.
    """

    options: MailDbOptions
    quotas: Mapping[str, Quota]  # by domain, where it is another than that of `options`
    reader: Reader
    writer: Writer
    blobs: Blobs
    checkpoints: Checkpoints
    fetched: Fetched
    _not_before = 0.0

    def not_before(self, now: float) -> None:
        self._not_before = now

    def now(self) -> int:
        return int(max(time.time(), self._not_before))

    @cached_property
    def quota(self) -> Quota:
        return Quota(self.options.quota_bytes, self.options.quota_messages, self.quotas)
