"""How a store is asked. The core has no database of its own; the plugin that answers `chatgate_open_store` brings one
(shipped: chatgate_maildb). docs/writing-a-store.md shows how to write another, `chatgate.testing.store` tests it.
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
    """What holds for every method, unless its docstring says otherwise:

    **Durability.** A method that changes something returns when the change is on disk and would survive a power cut:
    an SMTP client hears 250 a moment later. It happens as a whole or, when the method raises, not at all;
    StoreUnavailable alone leaves that open. A store may keep everything in memory, for tests; nothing else is excused.

    **Order.** Who asks after a method has returned sees what it did, in this process and in any other that has the same
    store open. What failed because of somebody else's change, such as AccountExists, is raised when that change can be
    seen.

    **The board.** After that, and never before, the store calls `gateway.board.post` with the id of each mailbox in
    which something changed, and with `account_key(id)` of each account whose sessions may have to end; each docstring
    says which. What posts nothing says nothing about it, and a method that finds nothing to change posts nothing.
    Posting is done in the hub's thread, before the method returns or shortly after. One too many, such as of what was
    rolled back, does no harm.

    **Greenlets.** Many call at the same time. A method may block its greenlet, never the hub: waiting for a disk or a
    socket belongs in a thread of gevent's pool, or to a library that waits in Python; work of more than some
    milliseconds gives turns (`give_turn`). A caller may be interrupted (gevent.Timeout, GreenletExit) while it waits.
    Then either nothing is changed, now and later, or the method is finished as if nobody had interrupted it and then,
    of a kill, ends: a client that was told "try again" must not find the message stored.

    **Ids** of accounts and of mailboxes are positive numbers below 2**31, each kind counted by itself, and never given
    again: sessions hold them. UIDs go from 1 to 2**32 - 1, UIDVALIDITY too, modseqs from 1 to 2**63 - 1.

    **What is gone.** Accounts and mailboxes may vanish at any time. A change to an account that is not there does
    nothing. A mailbox that is not there raises NoSuchMailbox where the docstring says so, else it has no messages;
    right after its deletion those it had may still be found. The id of a mailbox that belongs to somebody else is the
    caller's mistake, which the store need not notice: callers look mailboxes up by account and name.

    **Text.** Addresses, names of mailboxes and flags come as people and clients write them; `address_key`,
    `mailbox_name`, `new_mailbox_name`, `new_address` and `normal_flags` of `chatgate.api` make of them what is kept,
    compared and answered. Lists are ordered by code points.

    **Errors** are the StoreErrors of `chatgate.api`. Any method may raise StoreUnavailable, and what takes space
    StoreFull. A driver's own exceptions do not get out. A store that keeps to a limit of its own raises LimitReached;
    it must take at least 100 mailboxes, 100 subscriptions, and 100 annotations for each place.
    """
