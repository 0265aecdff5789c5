"""The example of a store keeps the contract, and a gateway serves mail with it."""

import sys
from pathlib import Path

import pytest

from chatgate.testing import imap_client, new_login, pgp_message, smtp_client
from chatgate.testing.store import StoreKit

sys.path.append(str(Path(__file__).parents[2] / "contrib/examples/chatgate_memorystore"))

from chatgate_memorystore import MemoryStore, MemoryStorePlugin  # noqa: E402


class TestMemoryStore(StoreKit):
    persistent = shared = False

    def open_store(self, folder, post, octets=0, messages=0):
        return MemoryStore(post, octets, messages)


@pytest.fixture
def gateway(gateway_factory):
    return gateway_factory("tls", "accounts", "passwordless", "gate", "smtp", "imap", MemoryStorePlugin)


def test_a_gateway_serves_smtp_and_imap_with_it(gateway):
    alice, bob = new_login(gateway), new_login(gateway)
    reader = imap_client(gateway, bob)
    assert reader.select() == ("OK", [b"0"])
    mail = pgp_message(alice[0], bob[0])
    with smtp_client(gateway, alice) as smtp:
        assert smtp.sendmail(alice[0], [bob[0]], mail) == {}
    assert reader.noop()[0] == "OK" and reader.response("EXISTS")[1][-1] == b"1"
    assert reader.fetch("1", "(BODY.PEEK[])")[1][0][1].endswith(mail.partition(b"\r\n\r\n")[2])
    assert reader.store("1", "+FLAGS", "(\\Seen \\Deleted)")[0] == "OK"
    assert reader.copy("1", "Trash")[0] == "OK" and reader.expunge() == ("OK", [b"1"])
    assert reader.create("More/Than")[0] == "OK" and reader.rename("More", "Less")[0] == "OK"
    assert b'"Less/Than"' in b"".join(reader.list()[1]) and reader.getquotaroot("INBOX")[0] == "OK"
    assert reader.select("Trash") == ("OK", [b"1"])
    gateway.store.delete_account(gateway.store.account(bob[0]).id)
    with pytest.raises(reader.abort):
        for _ in range(50):
            reader.noop()
