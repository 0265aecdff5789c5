"""What the core asks the mail store beside the store itself: checks, upkeep."""

import inspect
import logging
import time

from chatgate.api import Credentials, Delivery, Store


def test_the_store_has_all_that_the_protocol_asks_for(store):
    for name, asked in inspect.getmembers(Store, inspect.isfunction):
        if not name.startswith("_"):
            given = inspect.signature(getattr(store, name))
            wanted = inspect.signature(asked)
            assert [str(p) for p in given.parameters.values()] == [str(p) for p in wanted.parameters.values()][1:], name


def test_check_and_expire(open_gateway, tmp_path):
    gateway = open_gateway(min_free_bytes=1 << 60)
    store = gateway.store
    store.create_account("alice@example.org", "")
    (problems,) = gateway.hub.check.or_raise(gateway=gateway)
    assert [(p.level, "free on the disk" in p.text) for p in problems] == [("warning", True)]
    store.writer.run(lambda tx: tx.execute("UPDATE mailbox SET messages=3 WHERE name='INBOX'"))
    (problems,) = gateway.hub.check.or_raise(gateway=gateway)
    assert problems[0].level == "error" and "counters" in problems[0].text
    assert gateway.hub.expire(now=time.time()) == [{}]


def test_no_log_holds_mail_or_secrets(open_gateway, caplog):
    """Not at debug level either: peewee would log every statement with its parameters."""
    caplog.set_level(logging.DEBUG)
    store = open_gateway().store
    account = store.create_account("alice@example.org", "hidden-secret")
    store.store(b"hidden-content", [Delivery("", store.mailbox(account.id, "INBOX").id, account.id)])
    store.set_secret(account.id, "hidden-secret-2")
    store.annotate(account.id, "", {"/private/a": b"hidden-note"})
    store.subscribe(account.id, "hidden-name", True)
    store.subscriptions(account.id)
    assert "hidden" not in caplog.text
    assert "hidden" not in repr((account, Credentials("a", "hidden")))
