"""A gateway with accounts and the shipped store, in a folder of its own, and a few mailboxes."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from chatgate.api import Delivery
from chatgate.running.gateway import Gateway
from chatgate.testing import config


@pytest.fixture
def open_gateway(tmp_path: Path):
    """Makes gateways of a domain with these options of the plugin, all in one folder; quota_bytes: of everybody."""
    made = []

    def make(domain="example.org", quota_bytes=500_000_000, **options) -> Gateway:
        settings = {"maildb": {"quota_bytes": quota_bytes}, "accounts": options}
        made.append(Gateway(config(tmp_path, "maildb", domain=domain, **settings)))
        return made[-1]

    yield make
    for gateway in made:
        gateway.stop()


@pytest.fixture
def gateway(open_gateway):
    return open_gateway()


@pytest.fixture
def store(gateway):
    return gateway.store


class People:
    """Accounts by their local part, made when first named."""

    def __init__(self, store):
        self.store = store

    def __getattr__(self, name: str) -> SimpleNamespace:
        address = f"{name}@example.org"
        account = self.store.account(address) or self.store.create_account(address, "secret")
        box = self.store.mailbox(account.id, "INBOX").id
        return SimpleNamespace(id=account.id, address=address, box=box, inbox=Delivery(address, box, account.id))


@pytest.fixture
def people(store):
    return People(store)
