"""How often a message goes to the store: once for each recipient, and once to be kept."""

import pytest

from chatgate.api import Envelope, Session
from chatgate.testing import pgp_message


class Counted:
    """A store that notes what it is asked."""

    def __init__(self, store):
        self.kept, self.asked = store, []

    def __getattr__(self, name):
        self.asked.append(name)
        return getattr(self.kept, name)


@pytest.mark.parametrize("count", [1, 3, 10])
@pytest.mark.parametrize("origin", ["account", "peer"])
def test_n_recipients_and_one_to_keep_it(gateway_factory, count, origin):
    gateway = gateway_factory("tls", "maildb", "gate")
    addresses = [f"user{n}@example.org" for n in range(count)]
    for address in addresses:
        gateway.store.create_account(address, "")
    sender = "alice@example.org" if origin == "account" else "x@far.test"
    account = gateway.store.create_account("alice@example.org", "")
    session = Session("mx", "192.0.2.1", account=account if origin == "account" else None)
    store = gateway.__dict__["store"] = Counted(gateway.store)
    envelope = Envelope(sender, origin=origin)
    for address in addresses:
        gateway.intake.resolve(session, envelope, address)
        envelope.recipients.append(address)
    content = pgp_message(sender, addresses[0])
    assert gateway.intake.accept(session, envelope.with_content(content)).code == 250
    assert store.asked == ["recipients"] * count + ["store"]
    gateway.__dict__["store"] = store.kept
