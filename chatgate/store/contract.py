"""The contract of a store. The core has no database of its own; the plugin that answers `chatgate_open_store` provides
one (chatgate_maildb is the one shipped). docs/writing-a-store.md shows how to write another, and
`chatgate.testing.store` tests it.
"""

from __future__ import annotations

from typing import Protocol

from chatgate.store.accounts import Accounts
from chatgate.store.leases import Leases
from chatgate.store.mailboxes import Mailboxes
from chatgate.store.messages import Messages
from chatgate.store.queue import Queue
from chatgate.store.retention import Retention
from chatgate.store.upkeep import Upkeep


class Store(Accounts, Mailboxes, Messages, Queue, Retention, Leases, Upkeep, Protocol):
    """These rules hold for every method, unless its docstring says otherwise:

    **Durability.** A method that changes something returns when the change is on disk and would survive a power cut:
    an SMTP client hears 250 a moment later. The change happens as a whole or, when the method raises, not at all; only
    StoreUnavailable leaves that open. The one exception is a store for tests, which may keep everything in memory.

    **Order.** After a method has returned, every caller sees what it did, in this process and in any other that has the
    same store open. An error that is due to somebody else's change, such as AccountExists, is raised only once that
    change can be seen.

    **The board.** Once a change is on disk, and never before, the store calls `gateway.board.post` with the id of each
    mailbox in which something changed, and with `account_key(id)` of each account whose sessions may have to end; each
    docstring says which. A docstring that does not mention posting means that the method posts nothing, and no method
    posts when it found nothing to change. Posting is done in the hub's thread, before the method returns or shortly
    after. A superfluous posting, such as one for a transaction that was rolled back, does no harm.

    **Greenlets.** Methods are called by many greenlets at the same time. A method may block its greenlet, never the
    hub: waiting for a disk or a socket belongs in a thread of gevent's pool, or in a library that waits in Python; work
    that takes more than a few milliseconds gives other greenlets turns (`give_turn`). A caller may be interrupted
    (gevent.Timeout, GreenletExit) while it waits. Then either nothing is changed, now or later, or the method completes
    as if nobody had interrupted it (and, if the greenlet was killed, then lets the kill end it): a client that was told
    "try again" must not find the message stored.

    **Ids** of accounts and of mailboxes are positive numbers below 2**31, each kind counted by itself, and are never
    reused: sessions hold them. UIDs and UIDVALIDITY values go from 1 to 2**32 - 1, modseqs from 1 to 2**63 - 1.

    **Missing accounts and mailboxes.** Either may vanish at any time. A change to an account that does not exist does
    nothing. For a mailbox that does not exist, a method raises NoSuchMailbox where its docstring says so; otherwise the
    mailbox counts as empty, though right after its deletion its messages may still be found. Passing the id of a
    mailbox that belongs to somebody else is the caller's mistake, which the store need not notice: callers look
    mailboxes up by account and name.

    **Text.** Addresses, names of mailboxes and flags arrive as people and clients write them; `address_key`,
    `mailbox_name`, `new_mailbox_name`, `new_address` and `normal_flags` of `chatgate.api` turn them into the form that
    is kept, compared and returned. Lists are ordered by code points.

    **Errors** are the StoreErrors of `chatgate.api`. Any method may raise StoreUnavailable, and any method that takes
    up space may raise StoreFull; one that only removes something never does, as deleting is how a full disk gets room.
    A driver's own exceptions never reach the caller. Where several errors apply, the first of these is raised: what is
    wrong with the arguments themselves (Impossible, LimitReached for something too long or too many flags); what is
    missing (NoSuchAccount, NoSuchMailbox); what is there or was (AddressGone, AccountExists, MailboxExists); what a
    change would make of it (Impossible, LimitReached); what there is no room for (OverQuota, QueueFull). Accounts are
    free, so there must be an end to the mailboxes, subscriptions and annotations of one: a store raises LimitReached
    at a number of its own, of at least 100 mailboxes and subscriptions of an account and 100 annotations of each
    place.
    """
