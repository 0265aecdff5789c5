"""Accounts of a store, for tests that only need some."""

from types import SimpleNamespace
from typing import Any

from chatgate.api import Delivery


class People:
    """Accounts by their local part, made when first named."""

    def __init__(self, store: Any) -> None:
        self.store = store

    def __getattr__(self, name: str) -> SimpleNamespace:
        address = f"{name}@example.org"
        account = self.store.account(address) or self.store.create_account(address, "secret")
        box = self.store.mailbox(account.id, "INBOX").id
        return SimpleNamespace(id=account.id, address=address, box=box, inbox=Delivery(address, box, account.id))
