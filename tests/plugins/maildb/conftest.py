"""A store in a folder of its own, and a few mailboxes to work with."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from chatgate_maildb import MailDb, MailDbOptions

from chatgate.api import Delivery
from chatgate.hosting.confd import Config, Enabled
from chatgate.hosting.options import CoreOptions
from chatgate.running.gateway import Gateway


@pytest.fixture
def open_gateway(tmp_path: Path):
    """Makes gateways with nothing but the mail store, all in one folder; closes the stores that are still open."""
    made = []

    def make(**options) -> Gateway:
        plugin = Enabled("maildb", MailDb, MailDbOptions(**options))
        made.append(Gateway(Config(tmp_path, CoreOptions(domain="example.org"), (plugin,))))
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
