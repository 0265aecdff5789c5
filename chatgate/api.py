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
from chatgate.command import Interrupts, domain_option, fail, json_option, new_file, show
from chatgate.domains import Domain, Domains
from chatgate.faults import raised_at
from chatgate.hosting.confd import ConfigError, configuration_problems
from chatgate.hosting.dnsrecords import DnsRecord, service_records
from chatgate.hosting.facts import Facts
from chatgate.hosting.hookspecs import hookimpl, hookspec
from chatgate.hosting.keeping import Change, Copy, KeptFiles, WayBack
from chatgate.hosting.options import Secret, option, required
from chatgate.hosting.registry import PluginError
from chatgate.hosting.services import Certificate, Problem, Service
from chatgate.mail.dsn import DELAYED, GIVEN_UP, Failure
from chatgate.mail.envelope import Envelope
from chatgate.mail.headers import Edit, Prepend, Remove, Replace, ReversePath
from chatgate.metrics import SECONDS, Counter, Distribution, Metric, joined_metrics, word
from chatgate.names import bare, ip, listener
from chatgate.network.limiter import Limiter
from chatgate.network.listeners import BindError, ports
from chatgate.network.peers import Networks
from chatgate.network.peers import normal as normal_peer
from chatgate.network.server import Server
from chatgate.network.session import Credentials, Session
from chatgate.network.trust import trusting, verifying
from chatgate.network.turns import Abandoned, TooMuchWork, Work, give_turn, in_order, in_turns
from chatgate.network.uploads import Upload, Uploads
from chatgate.reply import UNAVAILABLE, Reply, login_refusal, text_problem
from chatgate.running.accounts import Accounts, NewAccount
from chatgate.running.background import Background
from chatgate.running.control import Answer as ControlAnswer
from chatgate.running.control import NotServing
from chatgate.running.folderboard import FolderBoard
from chatgate.running.gateway import Gateway, hold
from chatgate.running.leased import Leased
from chatgate.running.replacing import replace_file, sync_folder
from chatgate.running.status import Process, all_metrics, all_troubles, whole_status
from chatgate.running.status import Status as GatewayStatus
from chatgate.running.systemd import starting
from chatgate.store.board import QUEUE, Board, LocalBoard, Watch, account_key
from chatgate.store.contract import Store
from chatgate.store.leases import Lease
from chatgate.store.messages import Content
from chatgate.store.records import (
    LEAST_LARGE,
    Account,
    AccountExists,
    AddressGone,
    Changes,
    Copied,
    Delivery,
    Destination,
    FlagsChanged,
    Former,
    Impossible,
    Kept,
    LimitReached,
    Mailbox,
    MailboxExists,
    Message,
    NoSuchAccount,
    NoSuchMailbox,
    OfDomains,
    Outgoing,
    OverQuota,
    Queued,
    QueueFull,
    Recipient,
    Settled,
    Skip,
    Status,
    Stored,
    StoreError,
    StoreFull,
    StoreUnavailable,
    Usage,
)
from chatgate.store.rules import (
    FIRST_MAILBOXES,
    LONGEST_NAME,
    address_key,
    few_flags,
    header_size,
    inside,
    kept_reply,
    mailbox_name,
    mailbox_order,
    new_address,
    new_mailbox_name,
    normal_flags,
    well_numbered,
)
from chatgate.texts import ENGLISH, LANGUAGE_TAG, Said, Texts, said, said_of
from chatgate.trouble import Episode, Trouble
from chatgate.units import MOST, free_octets, iso_day, octets

__all__ = [
    "Abandoned",
    "Account",
    "AccountExists",
    "Accounts",
    "AddressGone",
    "Background",
    "BindError",
    "Board",
    "Certificate",
    "Change",
    "Changes",
    "ConfigError",
    "Content",
    "ControlAnswer",
    "Copied",
    "Copy",
    "Counter",
    "Credentials",
    "DELAYED",
    "Delivery",
    "Destination",
    "Distribution",
    "DnsRecord",
    "Domain",
    "Domains",
    "ENGLISH",
    "Edit",
    "Envelope",
    "Episode",
    "FIRST_MAILBOXES",
    "Facts",
    "Failure",
    "FlagsChanged",
    "FolderBoard",
    "Former",
    "GIVEN_UP",
    "Gateway",
    "GatewayStatus",
    "Impossible",
    "Interrupts",
    "Kept",
    "KeptFiles",
    "LANGUAGE_TAG",
    "LEAST_LARGE",
    "LONGEST_NAME",
    "Lease",
    "Leased",
    "LimitReached",
    "Limiter",
    "LocalBoard",
    "MOST",
    "Mailbox",
    "MailboxExists",
    "Message",
    "Metric",
    "Networks",
    "NewAccount",
    "NoSuchAccount",
    "NoSuchMailbox",
    "NotServing",
    "OfDomains",
    "Outgoing",
    "OverQuota",
    "PluginError",
    "Prepend",
    "Problem",
    "Process",
    "QUEUE",
    "QueueFull",
    "Queued",
    "Recipient",
    "Remove",
    "Replace",
    "Reply",
    "ReversePath",
    "SECONDS",
    "Said",
    "Secret",
    "Server",
    "Service",
    "Session",
    "Settled",
    "Skip",
    "Status",
    "Store",
    "StoreError",
    "StoreFull",
    "StoreUnavailable",
    "Stored",
    "Texts",
    "TooMuchWork",
    "Trouble",
    "UNAVAILABLE",
    "Upload",
    "Uploads",
    "Usage",
    "Watch",
    "WayBack",
    "Work",
    "account_key",
    "address_key",
    "address_literal",
    "all_metrics",
    "all_troubles",
    "bare",
    "configuration_problems",
    "domain_option",
    "fail",
    "few_flags",
    "free_octets",
    "give_turn",
    "header_size",
    "hold",
    "hookimpl",
    "hookspec",
    "in_order",
    "in_turns",
    "inside",
    "ip",
    "iso_day",
    "joined_metrics",
    "json_option",
    "kept_reply",
    "listener",
    "login_refusal",
    "mailbox_name",
    "mailbox_order",
    "new_address",
    "new_file",
    "new_mailbox_name",
    "normal_address",
    "normal_flags",
    "normal_peer",
    "octets",
    "option",
    "ports",
    "raised_at",
    "replace_file",
    "required",
    "said",
    "said_of",
    "service_records",
    "show",
    "shown_address",
    "starting",
    "sync_folder",
    "text_problem",
    "trusting",
    "valid_address",
    "verifying",
    "well_numbered",
    "whole_status",
    "word",
]
