"""Everything a plugin may use, and the one module it imports: `from chatgate.api import …`.

A plugin is a class, named by an entry point in the group "chatgate":

    class Greeter:
        Options = GreeterOptions                    # a frozen dataclass of option(…) fields
        def __init__(self, gateway, options): ...   # keep both; do nothing yet
        @hookimpl
        def chatgate_connect(self, session): ...

See docs/writing-plugins.md.
"""

from chatgate.addresses import address_literal, normal_address, shown_address, valid_address
from chatgate.background import Background
from chatgate.board import account_key
from chatgate.confd import Secret, option, required
from chatgate.envelope import Envelope
from chatgate.faults import raised_at
from chatgate.gateway import Certificate, Gateway, Problem, Service
from chatgate.headers import Edit, Prepend, Remove, Replace, fields, split
from chatgate.hookspecs import hookimpl, hookspec
from chatgate.hub import PluginError
from chatgate.listeners import BindError, bind, shown
from chatgate.names import bare, ip
from chatgate.net import Server
from chatgate.peers import Networks
from chatgate.peers import normal as normal_peer
from chatgate.records import (
    Account,
    AccountExists,
    AddressGone,
    Changes,
    Copied,
    Delivery,
    FlagsChanged,
    Kept,
    Mailbox,
    MailboxExists,
    Message,
    NoSuchMailbox,
    OverQuota,
    Status,
    Stored,
    StoreError,
    Usage,
)
from chatgate.reply import UNAVAILABLE, Reply, login_refusal
from chatgate.session import Credentials, Session
from chatgate.store import Content, Store
from chatgate.turns import Abandoned, TooMuchWork, Work, give_turn, in_order, in_turns
from chatgate.units import iso_day, octets
from chatgate.uploads import Upload, Uploads

__all__ = [
    "UNAVAILABLE",
    "Abandoned",
    "Account",
    "AccountExists",
    "AddressGone",
    "Background",
    "BindError",
    "Certificate",
    "Changes",
    "Content",
    "Copied",
    "Credentials",
    "Delivery",
    "Edit",
    "Envelope",
    "FlagsChanged",
    "Gateway",
    "Kept",
    "Mailbox",
    "MailboxExists",
    "Message",
    "Networks",
    "NoSuchMailbox",
    "OverQuota",
    "PluginError",
    "Prepend",
    "Problem",
    "Remove",
    "Replace",
    "Reply",
    "Secret",
    "Server",
    "Service",
    "Session",
    "Status",
    "Store",
    "StoreError",
    "Stored",
    "TooMuchWork",
    "Upload",
    "Uploads",
    "Usage",
    "Work",
    "account_key",
    "address_literal",
    "bare",
    "bind",
    "fields",
    "give_turn",
    "hookimpl",
    "hookspec",
    "in_order",
    "in_turns",
    "ip",
    "iso_day",
    "login_refusal",
    "normal_address",
    "octets",
    "normal_peer",
    "option",
    "raised_at",
    "required",
    "shown",
    "shown_address",
    "split",
    "valid_address",
]
