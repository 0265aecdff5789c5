"""A gateway with accounts and the shipped store, in a folder of its own, and a few mailboxes."""

from pathlib import Path

import pytest

from chatgate.running.gateway import Gateway
from chatgate.testing import config
from tests.people import People


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


@pytest.fixture
def people(store):
    return People(store)
