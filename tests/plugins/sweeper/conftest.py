"""A gateway with a store and the sweeper, a clock that stands still, and people with mail of any age."""

import time
from types import SimpleNamespace

import pytest
from chatgate_maildb import MailDb, MailDbOptions
from chatgate_sweeper import Sweeper, SweeperOptions

from chatgate.api import Delivery
from chatgate.hosting.confd import Config, Enabled
from chatgate.hosting.options import CoreOptions
from chatgate.running.gateway import Gateway
from chatgate.testing import enabled

DAY = 86400
NOW = int(time.time()) // DAY * DAY + DAY // 2  # today at noon


@pytest.fixture
def open_gateway(tmp_path):
    """Makes gateways with these options of the sweeper, all in one folder; quota: of every account."""
    made = []

    def make(*more, quota=1_000_000, **options):
        plugins = (
            Enabled("maildb", MailDb, MailDbOptions(quota_bytes=quota)),
            enabled("accounts"),
            Enabled("sweeper", Sweeper, SweeperOptions(**options)),
            *(Enabled(type(plugin).__name__.lower(), lambda gateway, _, p=plugin: p, None) for plugin in more),
        )
        made.append(Gateway(Config(tmp_path, CoreOptions(domain="example.org"), plugins)))
        return made[-1]

    yield make
    for gateway in made:
        gateway.stop()


@pytest.fixture
def gateway(open_gateway):
    return open_gateway()


class People:
    """Accounts of a domain by their local part, made when first named."""

    def __init__(self, gateway, domain="example.org"):
        self.gateway, self.store, self.domain = gateway, gateway.store, domain

    def __getattr__(self, name):
        address = f"{name}@{self.domain}"
        account = self.store.account(address) or self.store.create_account(address, "secret")

        def mail(octets=100, days=0.0, fetched=False, mailbox="INBOX"):
            box = self.store.mailbox(account.id, mailbox).id
            delivery = Delivery(address, box, account.id, frozenset(), int(NOW - days * DAY))
            (stored,) = self.store.store(bytes(octets), [delivery])
            if fetched:
                self.store.note_fetched(box, [stored.uid])
            return box, stored.uid

        def left():
            return {(kept.mailbox_id, kept.uid) for kept in self.store.kept(account.id)}

        return SimpleNamespace(id=account.id, address=address, mail=mail, left=left, account=account)


@pytest.fixture
def people(gateway):
    return People(gateway)


@pytest.fixture
def disk(monkeypatch):
    """How much is free."""
    from chatgate_sweeper import plugin, service, sweep, troubles

    state = SimpleNamespace(free=1 << 40)
    for module in (plugin, service, sweep, troubles):
        monkeypatch.setattr(module, "free_here", lambda gateway, options: state.free)
    return state
