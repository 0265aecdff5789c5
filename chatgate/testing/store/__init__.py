"""The conformance kit: tests of everything that the contract of a store says, for any store.

    from chatgate.testing.store import StoreKit

    class TestMyStore(StoreKit):
        def open_store(self, folder, post, octets=0, messages=0):
            return MyStore(folder, post, quota=octets, most_messages=messages)

pytest collects the tests of the kit as tests of that class. See docs/writing-a-store.md. The parts can be taken one by
one, too: a new store begins with AccountTests and MailboxTests. hypothesis is needed for the model.
"""

from chatgate.testing.store.accounts import AccountTests
from chatgate.testing.store.changes import ChangesTests, FlagTests
from chatgate.testing.store.concurrency import ConcurrencyTests, SharingTests
from chatgate.testing.store.crash import CrashTests
from chatgate.testing.store.disk import DiskTests
from chatgate.testing.store.kit import Kit, Person, person
from chatgate.testing.store.leases import LeaseTests
from chatgate.testing.store.mailboxes import MailboxTests
from chatgate.testing.store.messages import MessageTests
from chatgate.testing.store.model import ModelTests
from chatgate.testing.store.queue import QueueTests
from chatgate.testing.store.quota import QuotaTests
from chatgate.testing.store.restoring import RestoringTests
from chatgate.testing.store.retention import RetentionTests
from chatgate.testing.store.waiting import WaitingTests

__all__ = [
    "AccountTests",
    "ChangesTests",
    "ConcurrencyTests",
    "CrashTests",
    "DiskTests",
    "FlagTests",
    "Kit",
    "LeaseTests",
    "MailboxTests",
    "MessageTests",
    "ModelTests",
    "Person",
    "QueueTests",
    "QuotaTests",
    "RestoringTests",
    "RetentionTests",
    "SharingTests",
    "StoreKit",
    "WaitingTests",
    "person",
]


class StoreKit(
    AccountTests,
    MailboxTests,
    MessageTests,
    ChangesTests,
    FlagTests,
    QuotaTests,
    RestoringTests,
    RetentionTests,
    QueueTests,
    LeaseTests,
    ConcurrencyTests,
    SharingTests,
    WaitingTests,
    DiskTests,
    ModelTests,
    CrashTests,
):
    """All of them."""
