"""Every hook of the core, grouped by the phase of a message's life. See docs/hooks.md for examples.

Four kinds, told by the question the docstring opens with:

- *decision* ("who decides …?", firstresult): plugins are asked in the order of their conf.d numbers until one gives an
  answer; None means "not me". An exception, a time-out or an answer of another type than the annotation names becomes a
  temporary refusal.
- *veto* ("who refuses …?", firstresult): a decision in which every plugin is asked until one refuses. An accepting
  Reply does not end the asking: no plugin can let pass what another would refuse.
- *collection* ("what do you add …?"): every plugin is asked, None adds nothing. Where a missing answer would be unsafe
  (`receive`, `sign`), a failure becomes a temporary refusal; elsewhere it is logged and the rest still count.
- *observer* ("what happened", annotated `-> None`): every plugin is told, each in its own try and with a time limit of
  its own; answers are ignored. Observers run in the greenlet that tells them and are interrupted when their time is
  over: hand anything slow to a `Background` of your own.

Where an annotation names Reply beside another type, a Reply refuses; the other type is the way to say yes.

The hooks of start and upkeep may raise PluginError with one line for the operator.

An implementation names only the arguments it wants; later versions may add arguments, never rename them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click
import pluggy

# Types of answers are imported at run time too, as answers are checked against them (chatgate/hosting/answers.py).
from chatgate.hosting.dnsrecords import DnsRecord
from chatgate.hosting.facts import Facts
from chatgate.hosting.keeping import KeptFiles
from chatgate.hosting.services import Certificate, Problem, Service
from chatgate.mail.headers import Edit, Prepend, ReversePath
from chatgate.metrics import Metric
from chatgate.reply import Reply
from chatgate.store.board import Board
from chatgate.store.contract import Store
from chatgate.store.records import Account, Delivery, Destination, Stored
from chatgate.trouble import Trouble

if TYPE_CHECKING:
    from chatgate.domains import Domain
    from chatgate.mail.envelope import Envelope
    from chatgate.network.session import Credentials, Session
    from chatgate.running.accounts import NewAccount
    from chatgate.running.gateway import Gateway

hookspec = pluggy.HookspecMarker("chatgate")
"""Marks a function as the specification of a hook: its docstring says what the hook asks, its arguments are the facts
that it passes. A plugin with hooks of its own names a module of such functions in its attribute `hookspecs`.
"""

hookimpl = pluggy.HookimplMarker("chatgate")
"""Marks a method of a plugin as its answer to the hook of that name. It may take fewer arguments than the hook has.
tryfirst, trylast: True to be asked before or after the others whose files have the same number.
"""

# ---------------------------------------------------------------------------------------------- start and upkeep


@hookspec(firstresult=True)
def chatgate_open_store(gateway: Gateway) -> Store | None:
    """Who provides the store? Asked once at start, before any service exists. No answer: the gateway does not start."""


@hookspec(firstresult=True)
def chatgate_board(gateway: Gateway) -> Board | None:
    """Who carries wake-ups, within this process and to others? Asked once, when all plugins are made; for commands,
    too, as running gateways are told of what a command changes. Nothing may be opened yet; whatever listens is a
    service. No answer: wake-ups stay in this process.
    """


@hookspec(firstresult=True)
def chatgate_certificate(gateway: Gateway, domain: Domain) -> Certificate | None:
    """Who has the TLS certificate for this domain? Asked for each domain at start, at SIGHUP and by `init`, and by
    plugins that need to know about it; several domains may have the same. No answer: the gateway does not start. A
    missing certificate may be made, but not while `gateway.read_only` is set.
    """


@hookspec
def chatgate_services(gateway: Gateway) -> Sequence[Service] | None:
    """What do you add to the services that run? Asked once at start, after the store is open. All services are bound in
    the order of the answers, then started, and later stopped in the reverse order. Not asked for commands that do not
    serve.
    """


@hookspec
def chatgate_ready(gateway: Gateway) -> str | None:
    """What do you show the operator on the terminal, now that every listener is bound? Asked by `serve` when its
    standard output is a terminal.
    """


@hookspec
def chatgate_check(gateway: Gateway) -> Sequence[Problem] | None:
    """What do you find wrong? Asked by `chatgate check` with the store open and nothing running. A plugin that fails
    here, or takes longer than `check_seconds`, has that shown as a problem of its own.
    """


@hookspec
def chatgate_troubles(gateway: Gateway) -> Sequence[Trouble] | None:
    """What do you add to the list of what is wrong right now? Asked every minute or so while the gateway serves, by
    `gateway.troubles()`, in each process of it: answer from what is at hand, and do not wait for others. Answer the
    same trouble, with the same key, as long as it lasts; when you leave it out, it is over.
    """


@hookspec
def chatgate_metrics(gateway: Gateway) -> Sequence[Metric] | None:
    """What do you add to what is counted and measured in this process? Asked by `gateway.measured()`, once a minute and
    by whoever shows metrics, in each process that serves: tell what is at hand, and count as cheaply as you can. Where
    only one process does something, under a lease, the others have nothing to tell.
    """


@hookspec
def chatgate_reloaded(changed: frozenset[str]) -> None:
    """What happened: live options have other values now, in the objects that you hold. changed: their names, such as
    "smtp: max_recipients" and, where that of a further domain changed, "b.example: smtp: max_recipients". Told in each
    process by `chatgate reload`; only plugins that made something of a live option need it.
    """


@hookspec
def chatgate_backup(gateway: Gateway) -> Sequence[KeptFiles] | None:
    """What do you add to a backup of the gateway? Asked by `chatgate backup`, beside a running gateway, and by
    `restore` and `upgrade`, which want to know where things belong and how they are proven. `gateway.read_only` is set:
    nothing may be made or changed. Files of conf.d come along by themselves. If a plugin fails here, so does the
    command.
    """


@hookspec
def chatgate_facts(domain: Domain) -> Facts | None:
    """What do you add to the facts about this domain that people are told: limits, how long things are kept, who may
    register? Asked each time a page or a command shows them, so be quick, and state what holds at that moment.
    """


@hookspec
def chatgate_dns_records(domain: Domain) -> Sequence[DnsRecord] | None:
    """What do you add to the records that this domain should have in the DNS? Asked by `init`, by commands that print
    or compare them, and now and then by a gateway that watches over them. A key that is missing may be made, but not
    while `gateway.read_only` is set. Not asked for a domain that is an IP address: it has no zone.
    """


@hookspec
def chatgate_commands(cli: click.Group, gateway: Gateway) -> None:
    """What do you add to the command line? Add click commands to `cli`. Asked each time the `chatgate` command runs on
    a folder whose configuration is valid; the store is opened when a command first uses `gateway.store`.
    """


# ---------------------------------------------------------------------------------------------- receive


@hookspec(firstresult=True)
def chatgate_connect(session: Session) -> Reply | None:
    """Who refuses to talk to this client at all? Asked once per connection, before the greeting, and after the TLS
    handshake where that comes first. A refusing Reply takes the place of the greeting, and the connection is closed. If
    nobody refuses, the client is let in.
    """


@hookspec(firstresult=True)
def chatgate_sender(session: Session, envelope: Envelope, address: str) -> Reply | None:
    """Who refuses this reverse-path ("" for the null sender)? Asked at MAIL FROM; the client hears a refusal at each
    RCPT TO. If nobody refuses, it may send.
    """


@hookspec(firstresult=True)
def chatgate_recipient(session: Session, envelope: Envelope, address: str) -> Destination | Reply | None:
    """Who decides where mail for this address goes? Asked at RCPT TO, and for the recipient of a notice; asked again
    when the mailbox of the answer is gone by the end of the message. A Delivery or Outgoing accepts, a Reply refuses.
    No answer refuses, too: nobody serves that address. `envelope.size` is the size that the sender declares.
    """


@hookspec
def chatgate_receive(session: Session, envelope: Envelope) -> Sequence[Edit | ReversePath] | None:
    """What do you add to (or take from) the header of this message, or which reverse-path should it have? Asked when
    the content is complete, before the filters. The edits are applied after the filters, so all filters see the
    original.
    A failure refuses the message.
    """


# ---------------------------------------------------------------------------------------------- filter


@hookspec(firstresult=True)
def chatgate_filter(session: Session, envelope: Envelope) -> Reply | None:
    """Who refuses this message? The client gets a refusing Reply. None, or an accepting Reply, passes the question on
    to the next filter: a message is accepted when all filters let it pass. A failure refuses the message.
    """


@hookspec
def chatgate_sign(sender: str, content: bytes) -> Sequence[Prepend] | None:
    """What do you put on top of this message, which is about to leave? Asked by `Intake.signed` for each attempt to
    hand a message to another server, and for notices of non-delivery; not for mail that stays here. sender: the
    reverse-path, "" for a notice. content: what will be sent. The fields that plugins add here go above it, those of
    the plugin asked first at the very top. Signers do not see each other's fields. A failure keeps the message from
    being sent, for now.
    """


# ---------------------------------------------------------------------------------------------- store


@hookspec
def chatgate_stored(envelope: Envelope, stored: Sequence[Stored]) -> None:
    """What happened: a message arrived in mailboxes. Told after the commit, before the 250; keep it short. Not told for
    IMAP APPEND, COPY and MOVE, nor for copies that go elsewhere.
    """


@hookspec
def chatgate_full(envelope: Envelope, full: Sequence[Delivery]) -> None:
    """What happened: a message to several recipients was refused for now, since these had no room for it and the
    sending server can be given only one reply for all. Plugins that answer `chatgate_recipient` can refuse just these
    when it tries again.
    """


# ---------------------------------------------------------------------------------------------- authenticate


@hookspec(firstresult=True)
def chatgate_authenticate(session: Session, credentials: Credentials) -> Account | Reply | None:
    """Who decides whose connection this is? Asked at each login of SMTP, IMAP and the site. An Account logs in; a Reply
    refuses with its text; no answer is refused like a wrong password. An address without an account may be given one by
    `gateway.accounts.create`, once its password was verified or is to be its first.
    """


@hookspec(firstresult=True)
def chatgate_admit(request: NewAccount) -> Reply | None:
    """Who refuses this new account? Asked at every attempt to make one, the operator's too, before it is made: this is
    the place for rules, limits and closed registration. If nobody refuses, `chatgate_create_account` is asked.
    """


@hookspec(firstresult=True)
def chatgate_create_account(request: NewAccount) -> Account | Reply | None:
    """Who makes this account, which nobody has refused? By its `secret` the same plugin recognises the owner later. A
    Reply says why it cannot be made; no answer: this gateway makes no accounts.
    """


@hookspec
def chatgate_account_attempted(request: NewAccount, account: Account | None) -> None:
    """What happened: an attempt to make an account is over. account: the one that was made; None when it was refused or
    failed. Told after every `chatgate_admit`, however that ended: give back what you set aside for the attempt.
    """


@hookspec(firstresult=True)
def chatgate_set_password(account: Account, password: str) -> bool | Reply | None:
    """Who changes a password? True: done and on disk. A Reply says why not. Asked by `gateway.accounts`."""


@hookspec
def chatgate_secret_problem(secret: str) -> str | None:
    """What do you find wrong with the secret of an account that comes from elsewhere: why will nobody be able to log in
    with it? One line that does not repeat it. Asked by `gateway.accounts.secret_problem`, for commands that import.
    """


@hookspec(firstresult=True)
def chatgate_login_link(address: str, password: str, qr: bool) -> str | None:
    """Who knows the link by which an app logs in to this account? Asked by `accounts create` and `accounts passwd`, and
    once more with `qr` when the link is to be drawn as a QR code in characters. No answer: none is shown.
    """


@hookspec
def chatgate_logged_in(session: Session, account: Account) -> None:
    """What happened: an account logged in. Told after every successful `chatgate_authenticate`, before the answer."""


@hookspec
def chatgate_account_removed(account: Account) -> None:
    """What happened: an account was deleted with all it had, by any way. Forget what you know of it."""


@hookspec
def chatgate_account_facts(account: Account) -> dict[str, Any] | None:
    """What do you keep about this account? As data for JSON, by names that nobody else uses. Its owner sees it, and the
    operator. Asked by `gateway.accounts.facts`, from a page or a command.
    """


# ---------------------------------------------------------------------------------------------- for IMAP


@hookspec
def chatgate_capabilities(session: Session) -> Sequence[str] | None:
    """What do you add to the IMAP capabilities? Asked up to twice per connection: for the time before login and for the
    time after it (`session.account` tells which).
    """


@hookspec(firstresult=True)
def chatgate_get_metadata(session: Session, mailbox: str, entry: str) -> bytes | None:
    """Who knows the value of this METADATA entry (RFC 5464)? mailbox: "" for server entries. entry: lower case."""


@hookspec
def chatgate_metadata_entries(session: Session, mailbox: str) -> Sequence[str] | None:
    """Which METADATA entries of this mailbox ("": of the server) do you add, to be read or set? Asked when a client
    wants all entries below one, or sets several at once; entries without a value may be named, too. In lower case.
    """


@hookspec(firstresult=True)
def chatgate_set_metadata(session: Session, mailbox: str, entry: str, value: bytes | None) -> Reply | None:
    """Who stores this METADATA entry (value None: remove it)? An accepting Reply: it is on disk. No answer: an entry
    below "/private/" is kept as a note (never one of chatgate's own, "/private/vendor/chatgate/"), any other is
    refused. An entry that `chatgate_metadata_entries` names must be set in a command of its own, as nobody could undo
    it.
    """


# ---------------------------------------------------------------------------------------------- expire


@hookspec
def chatgate_expire(now: float) -> dict[str, int] | None:
    """What do you clean up? now: Unix seconds. Returns how many things were removed, by kind. Work in small batches
    that give other greenlets a turn. Asked by the sweeper and by `chatgate sweep`.
    """


# Only a refusal ends the asking: an accepting answer would skip the plugins after it, the gate among them.
VETOES = frozenset({"chatgate_connect", "chatgate_sender", "chatgate_filter", "chatgate_admit"})

# A wrapper around a veto could turn the gate's no into a yes; the hooks of the start are not asked as decisions are.
UNWRAPPED = VETOES | {"chatgate_open_store", "chatgate_certificate"}

# Hooks that keep something out: a gateway without the plugin would let pass what it would have refused.
REFUSING = VETOES | {"chatgate_recipient", "chatgate_create_account"}

# Upkeep takes the time it needs.
UNHURRIED = frozenset({"chatgate_expire"})


_METADATA_ENTRY = re.compile(r"/(?:private|shared)(?:/[!-$&-)+-.0-@[-~]+)+")  # RFC 5464 §3.1; no capitals
_WORD = re.compile(r"[!-~]+")

# What else an answer of the right type must fulfil.
COMPLETE: dict[str, Callable[[Any], bool]] = {
    "chatgate_metadata_entries": lambda answer: all(map(_METADATA_ENTRY.fullmatch, answer)),
    "chatgate_capabilities": lambda answer: all(map(_WORD.fullmatch, answer)),
}
