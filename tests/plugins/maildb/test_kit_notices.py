"""The kit notices what a store does wrong where its answers are right: here maildb, spoilt in one thing each time."""

import pytest
from chatgate_maildb import MailDbOptions, outgoing
from chatgate_maildb.accounts import Accounts
from chatgate_maildb.contents import InRow
from chatgate_maildb.store import MailStore
from chatgate_maildb.writer import Transaction

from chatgate.testing.store import AccountTests, DiskTests, QueueTests, WaitingTests

wrong = pytest.mark.xfail(strict=True, raises=AssertionError)


class Spoilt:
    def open_store(self, folder, post, octets=0, messages=0):
        return MailStore(folder, MailDbOptions(), post)


def only(kit, *wanted):
    """The kit's class without its tests but these."""
    hidden = {name: None for name in dir(kit) if name.startswith("test_") and name not in wanted}
    return type(kit.__name__, (Spoilt, kit), hidden)


class TestOneThatWorksInTheHub(only(WaitingTests)):
    @wrong
    def test_it(self, store, alice, turns, monkeypatch):
        connection = store.writer._connection

        def run(work, patient=False, grows=False):
            connection.execute("BEGIN IMMEDIATE")
            result = work(Transaction(store.writer._database))
            connection.commit()
            return result

        monkeypatch.setattr(store.writer, "run", run)
        WaitingTests.test_others_get_turns_while_one_waits_for_the_disk(self, store, alice, turns)


class TestOneThatReadsAllOfIt(only(WaitingTests)):
    @wrong
    def test_it(self, store, alice, monkeypatch):
        monkeypatch.setattr(store, "open", lambda box, uid: InRow(store.content(box, uid)))
        WaitingTests.test_what_is_opened_is_not_read_as_a_whole(self, store, alice)


class TestOneThatRemembersNames(only(AccountTests)):
    @wrong
    def test_as_they_were(self, opened, folder, monkeypatch):
        monkeypatch.setattr(Accounts, "_hash", lambda self, address: address.encode())
        AccountTests.test_a_tombstone_does_not_tell_the_address(self, opened, folder)

    @wrong
    def test_as_anybodys_hash(self, opened, folder, monkeypatch):
        import hashlib

        monkeypatch.setattr(Accounts, "_hash", lambda self, address: hashlib.sha256(address.encode()).digest())
        AccountTests.test_a_tombstone_does_not_tell_the_address(self, opened, folder)


class TestOneThatClaimsInAnotherOrder(only(QueueTests)):
    @wrong
    def test_of_ids_alone(self, store, monkeypatch):
        monkeypatch.setattr(outgoing, "_DUE", outgoing._DUE.replace("due, id", "id"))
        QueueTests.test_those_due_first_come_first(self, store)

    @wrong
    def test_of_recipients(self, store, monkeypatch):
        monkeypatch.setattr(outgoing, "_DUE", outgoing._DUE.replace("due, id", "due, recipient"))
        QueueTests.test_rows_of_a_message_that_are_due_together_come_together(self, store)


class TestOneThatDoesNotKnowAFullDisk(only(DiskTests)):
    def full_disk(self, store, folder):
        from tests.plugins.maildb.test_kit import TestMailDb as Kit

        return Kit.full_disk(self, store, folder)

    @wrong
    def test_it(self, store, alice, folder, monkeypatch):
        monkeypatch.setattr("chatgate_maildb.writer.is_full", lambda error: False)
        DiskTests.test_what_takes_up_space_is_done_or_refused(self, store, alice, folder)
