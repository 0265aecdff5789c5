"""A store in a folder of its own, and a few mailboxes to work with."""

from pathlib import Path

import pytest
from chatgate_maildb import MailDb, MailDbOptions

from chatgate.hosting.confd import Config, Enabled
from chatgate.hosting.options import CoreOptions
from chatgate.running.gateway import Gateway
from tests.people import People


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


@pytest.fixture
def people(store):
    return People(store)
