"""What an account may keep can differ by domain."""

import pytest
from chatgate_maildb.options import MailDbOptions
from chatgate_maildb.store import MailStore

from chatgate.store.records import Delivery, OverQuota


@pytest.fixture
def store(tmp_path):
    general = MailDbOptions(quota_bytes=1000, reserve_bytes=0)
    domains = {
        "example.org": general,
        "large.example": MailDbOptions(quota_bytes=5000, quota_messages=2, reserve_bytes=0),
        "[127.0.0.2]": MailDbOptions(quota_bytes=0, reserve_bytes=0),
    }
    store = MailStore(tmp_path / "data", general, lambda mailbox_id: None, domains)
    yield store
    store.close()


def deliver(store, address, octets):
    account = store.account(address) or store.create_account(address, "secret")
    inbox = store.mailbox(account.id, "INBOX")
    store.store(b"A: b\r\n\r\n" + b"x" * (octets - 8), [Delivery(address, inbox.id, account.id)])
    return store.usage(account.id)


def test_each_domain_has_its_own(store):
    usage = deliver(store, "a@example.org", 900)
    assert (usage.limit, usage.octets) == (1000, 900)
    with pytest.raises(OverQuota):
        deliver(store, "a@example.org", 900)
    assert deliver(store, "a@large.example", 4000).limit == 5000
    assert deliver(store, "a@large.example", 500).message_limit == 2
    with pytest.raises(OverQuota):  # of messages
        deliver(store, "a@large.example", 100)
    assert deliver(store, "a@[127.0.0.2]", 9000).limit == 0
    assert [recipient.usage.limit for recipient in store.recipients(["a@large.example"]).values()] == [5000]


def test_an_accounts_own_comes_first(store):
    account = store.create_account("a@large.example", "secret", quota=100)
    assert store.usage(account.id).limit == 100
    with pytest.raises(OverQuota):
        deliver(store, "a@large.example", 200)


def test_who_is_crowded_goes_by_the_domain(store):
    for address in ("a@example.org", "a@large.example", "a@[127.0.0.2]"):
        deliver(store, address, 900)
    assert [account.address for account in store.crowded_accounts(0.75)] == ["a@example.org"]


def test_one_quota_for_all_costs_no_look_at_addresses(tmp_path):
    general = MailDbOptions(reserve_bytes=0)
    store = MailStore(tmp_path / "data", general, lambda mailbox_id: None, {"example.org": general})
    assert not store.quota.domains
    store.close()
