"""How a store is asked. The core has no database of its own; the plugin that answers `chatgate_open_store` brings one
(shipped: chatgate_maildb).
"""

from __future__ import annotations

from typing import Protocol

from chatgate.store.accounts import Accounts
from chatgate.store.mailboxes import Mailboxes
from chatgate.store.messages import Messages
from chatgate.store.retention import Retention
from chatgate.store.upkeep import Upkeep


class Store(Accounts, Mailboxes, Messages, Retention, Upkeep, Protocol):
    """Every method may block its greenlet, never the hub. A method that changes something returns when the change is
    on disk, and only then posts the mailbox on the gateway's board. Any of them may raise StoreError.
    Mailbox ids of another account are the caller's mistake: look mailboxes up by account and name.
    """
