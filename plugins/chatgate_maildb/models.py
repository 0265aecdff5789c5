"""The schema, as peewee models. They are not bound to a database: every query names the one it runs on."""

from __future__ import annotations

import peewee
from playhouse.sqlite_ext import AutoIncrementField

from chatgate.api import LEAST_LARGE


class Meta(peewee.Model):
    """`version`: the schema's (see migrations.py). `uidvalidity`: the last one given to any mailbox. `queued`,
    `queued_octets`: rows of Outgoing, and the sum of their sizes.
    """

    key = peewee.TextField(primary_key=True)
    value = peewee.IntegerField()


class HashKey(peewee.Model):
    """Random keys, made together with the database. `tombstone`: the key of the hashes in that table."""

    name = peewee.TextField(primary_key=True)
    value = peewee.BlobField()


class Account(peewee.Model):
    """AUTOINCREMENT, here and for mailboxes: sessions hold ids, so an id must never be used for another account.
    created, last_login: days since 1970-01-01. quota: octets, NULL for the default.
    """

    id = AutoIncrementField()
    address = peewee.TextField(unique=True)
    secret = peewee.TextField()
    created = peewee.IntegerField()
    last_login = peewee.IntegerField(default=0)
    disabled = peewee.TextField(default="", constraints=[peewee.SQL("DEFAULT ''")])
    quota = peewee.IntegerField(null=True)


class Tombstone(peewee.Model):
    """The address of a removed account, as a keyed hash: it can be recognised but not read. secret: the owner's. day:
    when the account was removed.
    """

    hash = peewee.BlobField(primary_key=True)
    secret = peewee.TextField()
    day = peewee.IntegerField()

    class Meta:
        without_rowid = True


class Mailbox(peewee.Model):
    """account NULL: the mailbox is deleted, its rows are being removed. Every writing statement updates the counters.
    history: all expunged messages with modseqs above this one are known.
    """

    id = AutoIncrementField()
    account = peewee.ForeignKeyField(Account, null=True, index=False)
    name = peewee.TextField()
    uidvalidity = peewee.IntegerField()
    uidnext = peewee.IntegerField(default=1)
    modseq = peewee.IntegerField(default=1)
    history = peewee.IntegerField(default=0)
    special_use = peewee.TextField(default="")
    messages = peewee.IntegerField(default=0)
    unseen = peewee.IntegerField(default=0)
    octets = peewee.IntegerField(default=0)

    class Meta:
        indexes = ((("account", "name"), True),)


class Body(peewee.Model):
    """The content of a message, shared by all its copies: in `data`, or in the file blobs/xx/`file` when it is large.
    It is removed with the last message. `data` is the last column, so that the others can be read without it.
    """

    size = peewee.IntegerField()
    header_size = peewee.IntegerField()
    file = peewee.TextField(null=True)
    data = peewee.BlobField(null=True)


class Shared(peewee.Model):
    """How many messages have this body, if it had more than one when it arrived or was copied later. A separate table:
    in Body, counting would write a page for each body instead of one for hundreds.
    """

    body = peewee.ForeignKeyField(Body, primary_key=True, on_delete="CASCADE")
    copies = peewee.IntegerField()


class Released(peewee.Model):
    """A message that had this body is gone, but the body's copies are not yet counted down, see removal.py."""

    body_id = peewee.IntegerField()


class Message(peewee.Model):
    """flags: sorted, separated by spaces. size repeats the body's, so that lists are read from this table alone.
    fetched: how many clients have read the content. There is no index by body and none by date: with them
    the sweeper would write twice as much (docs/decisions/0009).
    """

    mailbox = peewee.ForeignKeyField(Mailbox, index=False)
    uid = peewee.IntegerField()
    body_id = peewee.IntegerField()
    modseq = peewee.IntegerField()
    flags = peewee.TextField()
    size = peewee.IntegerField()
    date = peewee.IntegerField()
    fetched = peewee.IntegerField(default=0, constraints=[peewee.SQL("DEFAULT 0")])

    class Meta:
        primary_key = peewee.CompositeKey("mailbox", "uid")
        without_rowid = True


class Outgoing(peewee.Model):
    """A row of the queue: one remote recipient of a message. account_id is not a foreign key: mail that an account has
    sent is delivered even if the account is gone. due: when the row may be claimed, or the end of the lease if it is.
    code, enhanced, said: the reply to the last attempt. trace: of the envelope. held: by the operator.
    """

    id = AutoIncrementField()
    body_id = peewee.IntegerField()
    account_id = peewee.IntegerField(null=True)
    sender = peewee.TextField()
    recipient = peewee.TextField()
    domain = peewee.TextField()
    size = peewee.IntegerField()
    came = peewee.FloatField()
    expires = peewee.FloatField()
    due = peewee.FloatField()
    attempts = peewee.IntegerField()
    code = peewee.IntegerField(null=True)
    enhanced = peewee.TextField(null=True)
    said = peewee.TextField(null=True)
    trace = peewee.TextField(default="", constraints=[peewee.SQL("DEFAULT ''")])
    held = peewee.IntegerField(default=0, constraints=[peewee.SQL("DEFAULT 0")])


class Expunged(peewee.Model):
    """A UID that was expunged, and the modseq of that change."""

    mailbox = peewee.ForeignKeyField(Mailbox, index=False)
    modseq = peewee.IntegerField()
    uid = peewee.IntegerField()

    class Meta:
        primary_key = peewee.CompositeKey("mailbox", "modseq", "uid")
        without_rowid = True


class Subscription(peewee.Model):
    account = peewee.ForeignKeyField(Account, index=False, on_delete="CASCADE")
    name = peewee.TextField()

    class Meta:
        primary_key = peewee.CompositeKey("account", "name")
        without_rowid = True


class Annotation(peewee.Model):
    """mailbox: a name, or "" for the account itself."""

    account = peewee.ForeignKeyField(Account, index=False, on_delete="CASCADE")
    mailbox = peewee.TextField()
    entry = peewee.TextField()
    value = peewee.BlobField()

    class Meta:
        primary_key = peewee.CompositeKey("account", "mailbox", "entry")
        without_rowid = True


# Large messages have an index of their own, so that the sweeper finds them without reading all messages.
# The indexes get explicit names, as statements (INDEXED BY) and migrations refer to them.
Message.add_index(Message.index(Message.mailbox, Message.modseq, name="message_modseq"))
_BY_DATE = (Message.date, Message.mailbox, Message.uid)
Message.add_index(Message.index(*_BY_DATE, name="message_large", where=peewee.SQL(f"size>{LEAST_LARGE}")))
# What a claim passes by, it passes by in this index.
_CLAIMED = (Outgoing.due, Outgoing.id, Outgoing.domain, Outgoing.account_id)
Outgoing.add_index(Outgoing.index(*_CLAIMED, name="outgoing_due"))
Outgoing.add_index(Outgoing.index(Outgoing.account_id, Outgoing.size, name="outgoing_account"))
Account.add_index(peewee.SQL("CREATE INDEX account_idle ON account (max(last_login, created))"))
Body.add_index(Body.index(Body.file, name="body_file", unique=True, where=Body.file.is_null(False)))

MODELS = (
    Meta,
    HashKey,
    Account,
    Tombstone,
    Subscription,
    Annotation,
    Mailbox,
    Body,
    Shared,
    Released,
    Message,
    Outgoing,
    Expunged,
)
