"""Every hook of the core, grouped by the phase of a message's life. See docs/hooks.md for examples.

Four kinds, told by the question the docstring opens with:

- *decision* ("who decides …?", firstresult): plugins are asked in the order of their conf.d numbers until one gives an
  answer; None means "not me". Asked through `Hub.ask`: an exception, a time-out or an answer of another type than the
  annotation names becomes a temporary refusal.
- *veto* ("who refuses …?", firstresult): a decision in which every plugin is asked until one refuses. An accepting
  Reply ends nothing: nobody can let pass what another plugin would refuse.
- *collection* ("what do you add …?"): every plugin is asked, None adds nothing. Asked through `Hub.ask` where a
  missing answer would be unsafe (`receive`, `sign`), else through `Hub.notify`.
- *observer* ("what happened", annotated `-> None`): told through `Hub.notify`, each plugin in its own try and with a
  time limit of its own; answers are ignored. Observers run in the greenlet that tells them and are cut off where they
  wait when their time is over: hand anything slow to a `Background` of your own.

Where an annotation names Reply beside another type, a Reply refuses; the other type is the way to say yes.

The hooks of start and upkeep are asked through `Hub.call` or `Hub.survey`: raise PluginError with one line for the
operator.

An implementation names only the arguments it wants; later versions may add arguments, never rename them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click
import pluggy

# What a hook answers with is imported for good, as answers are compared with it (chatgate/hosting/answers.py).
from chatgate.hosting.facts import Facts
from chatgate.hosting.services import Certificate, Problem, Service
from chatgate.mail.headers import Edit, Prepend, ReversePath
from chatgate.reply import Reply
from chatgate.store.board import Board
from chatgate.store.contract import Store
from chatgate.store.records import Account, Delivery, Destination, Stored

if TYPE_CHECKING:
    from chatgate.domains import Domain
    from chatgate.mail.envelope import Envelope
    from chatgate.network.session import Credentials, Session
    from chatgate.running.accounts import NewAccount
    from chatgate.running.gateway import Gateway

hookspec = pluggy.HookspecMarker("chatgate")
"""Marks a function as the specification of a hook: its docstring says what the hook asks, its arguments what it tells.
A plugin that asks questions of its own names a module of them in `hookspecs`.
"""

hookimpl = pluggy.HookimplMarker("chatgate")
"""Marks a method of a plugin as its answer to the hook of that name. It may take fewer arguments than the hook has.
tryfirst, trylast: True to be asked before or after the others whose files have the same number.
"""

# ---------------------------------------------------------------------------------------------- start and upkeep


@hookspec(firstresult=True)
def chatgate_open_store(gateway: Gateway) -> Store | None:
    """Who brings the store? Asked once at start, before any service exists. No answer: the gateway does not start."""


@hookspec(firstresult=True)
def chatgate_board(gateway: Gateway) -> Board | None:
    """Who carries wake-ups, in this process and to others? Asked once, when all plugins are made; for commands,
    too, as what they change is told to the gateways that run. Nothing may be opened yet; what listens is a service. No
    answer: they stay in this process.
    """


@hookspec(firstresult=True)
def chatgate_certificate(gateway: Gateway, domain: Domain) -> Certificate | None:
    """Who has the TLS certificate for this domain? Asked for each domain at start and at SIGHUP, by `init`, and by who
    needs to know more of it; several may have the same. No answer: the gateway does not start. One that is missing may
    be made, but not while `gateway.read_only` is set.
    """


@hookspec
def chatgate_services(gateway: Gateway) -> Sequence[Service] | None:
    """What do you add to what runs? Asked once at start, after the store is open. Services are bound in this order,
    then accept, and stop in the reverse order. Not asked for commands that do not serve.
    """


@hookspec
def chatgate_ready(gateway: Gateway) -> str | None:
    """What do you show the operator on the terminal, now that every listener is bound? Asked by `serve` when its
    standard output is a terminal.
    """


@hookspec
def chatgate_check(gateway: Gateway) -> Sequence[Problem] | None:
    """What do you find wrong? Asked by `chatgate check` with the store open and nothing running. What goes wrong in
    here, or takes longer than `check_seconds`, is shown as a problem of the plugin.
    """


@hookspec
def chatgate_facts(domain: Domain) -> Facts | None:
    """What do you make true for people in this domain: limits, how long things are kept, who may come in? Asked each
    time a page or a command tells it, so it must be quick, and say what holds at that moment.
    """


@hookspec
def chatgate_commands(cli: click.Group, gateway: Gateway) -> None:
    """What do you add to the command line? Add click commands to `cli`. Asked each time the `chatgate` command runs on
    a folder whose configuration is valid; the store is opened when a command first uses `gateway.store`.
    """


# ---------------------------------------------------------------------------------------------- receive


@hookspec(firstresult=True)
def chatgate_connect(session: Session) -> Reply | None:
    """Who refuses to talk to this client at all? Asked once a connection, before the greeting, after TLS where that
    comes first. A refusing Reply is the greeting, and the connection closes; nobody refused: it is let in.
    """


@hookspec(firstresult=True)
def chatgate_sender(session: Session, envelope: Envelope, address: str) -> Reply | None:
    """Who refuses this reverse-path ("" for the null sender)? Asked at MAIL FROM; a refusal is told at each RCPT TO.
    Nobody refused: it may send.
    """


@hookspec(firstresult=True)
def chatgate_recipient(session: Session, envelope: Envelope, address: str) -> Destination | Reply | None:
    """Who decides where mail for this address goes? Asked at RCPT TO, and for whoever gets a notice; asked again when
    the mailbox of the answer is gone by the end of the message. A Delivery or Outgoing takes it, a Reply refuses. No
    answer refuses: nobody serves that address. `envelope.size` is what the sender says of its message.
    """


@hookspec
def chatgate_receive(session: Session, envelope: Envelope) -> Sequence[Edit | ReversePath] | None:
    """What do you add to (or take from) the header of this message, or which reverse-path shall it have? Asked when the
    content is complete, before the filters. The edits are applied after the filters, so all filters see the original.
    A failure refuses the message.
    """


# ---------------------------------------------------------------------------------------------- filter


@hookspec(firstresult=True)
def chatgate_filter(session: Session, envelope: Envelope) -> Reply | None:
    """Who refuses this message? A refusing Reply is the client's answer. None, or an accepting Reply, lets the next
    filter look: a message passes when all have. A failure refuses the message.
    """


@hookspec
def chatgate_sign(envelope: Envelope, content: bytes) -> Sequence[Prepend] | None:
    """What do you put on top of this message, now that nobody changes it any more? Asked once a message, after the
    edits: `content` is what is stored and sent, below the fields that plugins add here, the first one asked topmost.
    Signers do not see each other's fields. A failure refuses the message.
    """


# ---------------------------------------------------------------------------------------------- store


@hookspec
def chatgate_stored(envelope: Envelope, stored: Sequence[Stored]) -> None:
    """What happened: a message arrived in mailboxes. Told after the commit, before the 250; keep it short.
    Not told for IMAP APPEND, COPY and MOVE, nor of what goes elsewhere.
    """


@hookspec
def chatgate_full(envelope: Envelope, full: Sequence[Delivery]) -> None:
    """What happened: a message to several was refused for now, since these had no room for it and the sender can only
    be told one thing of all. Whoever answers `chatgate_recipient` can refuse them alone with the next try.
    """


# ---------------------------------------------------------------------------------------------- authenticate


@hookspec(firstresult=True)
def chatgate_authenticate(session: Session, credentials: Credentials) -> Account | Reply | None:
    """Who decides whose connection this is? Asked at each login of SMTP, IMAP and the site. An Account logs in;
    a Reply refuses with its text; no answer refuses as a wrong password does. An address without an account may get one
    by `gateway.accounts.create`, once its password was found to be right or is the first one.
    """


@hookspec(firstresult=True)
def chatgate_admit(request: NewAccount) -> Reply | None:
    """Who refuses this new account? Asked at every attempt to make one, the operator's too, before anybody makes it:
    rules, limits and closed doors are here. Nobody refused: `chatgate_create_account` is asked.
    """


@hookspec(firstresult=True)
def chatgate_create_account(request: NewAccount) -> Account | Reply | None:
    """Who makes this account, which nobody has refused? Its `secret` is how the same plugin knows the owner again. A
    Reply says why it cannot be; no answer: no accounts are made here.
    """


@hookspec
def chatgate_account_attempted(request: NewAccount, account: Account | None) -> None:
    """What happened: an attempt to make an account is over. account: what came of it; None when it was refused or
    failed. Told after every `chatgate_admit`, in whatever way that ended: give back what you took for it.
    """


@hookspec(firstresult=True)
def chatgate_set_password(account: Account, password: str) -> bool | Reply | None:
    """Who changes a password? True: done and on disk. A Reply says why not. Asked by `gateway.accounts`."""


@hookspec(firstresult=True)
def chatgate_login_link(address: str, password: str, qr: bool) -> str | None:
    """Who knows the link by which an app logs in to this account? Asked by `accounts create` and `accounts passwd`, and
    once more with `qr` when the link shall be drawn as a QR code in characters. No answer: none is shown.
    """


@hookspec
def chatgate_logged_in(session: Session, account: Account) -> None:
    """What happened: an account logged in. Told after every successful `chatgate_authenticate`, before the answer."""


@hookspec
def chatgate_account_removed(account: Account) -> None:
    """What happened: an account was deleted with all it had, by whatever way. Forget what you know of it."""


# ---------------------------------------------------------------------------------------------- for IMAP


@hookspec
def chatgate_capabilities(session: Session) -> Sequence[str] | None:
    """What do you add to the IMAP capabilities? Asked once a connection for before and once for after login
    (`session.account` tells)."""


@hookspec(firstresult=True)
def chatgate_get_metadata(session: Session, mailbox: str, entry: str) -> bytes | None:
    """Who knows the value of this METADATA entry (RFC 5464)? mailbox: "" for server entries. entry: lower case."""


@hookspec
def chatgate_metadata_entries(session: Session, mailbox: str) -> Sequence[str] | None:
    """Which METADATA entries of this mailbox ("": of the server) do you add, to be read or set? Asked when a client
    wants all entries below one, or sets several at once; those that have no value now may be named, too. Lower case.
    """


@hookspec(firstresult=True)
def chatgate_set_metadata(session: Session, mailbox: str, entry: str, value: bytes | None) -> Reply | None:
    """Who takes this METADATA entry (None: remove)? An accepting Reply: it is on disk. No answer: an entry below
    "/private/" is kept as a note (never one of chatgate's own, "/private/vendor/chatgate/"), any other is refused. An
    entry that `chatgate_metadata_entries` names is set in a command of its own, as nobody could undo it.
    """


# ---------------------------------------------------------------------------------------------- expire


@hookspec
def chatgate_expire(now: float) -> dict[str, int] | None:
    """What do you clean up? now: Unix seconds. Returns how many things went, by kind. Work in small batches that
    give other greenlets a turn. Asked by the sweeper and by `chatgate sweep`.
    """


# Nothing but a refusal ends the asking: an accepting answer would skip the plugins behind it, the gate among them.
VETOES = frozenset({"chatgate_connect", "chatgate_sender", "chatgate_filter", "chatgate_admit"})

# A wrapper around a veto could make a yes of the gate's no; those of the start are not asked by `Hub.ask`.
UNWRAPPED = VETOES | {"chatgate_open_store", "chatgate_certificate"}

# Where these would be refused, a gateway without the plugin that refuses lets pass.
REFUSING = VETOES | {"chatgate_recipient", "chatgate_create_account"}

# Upkeep takes the time it needs.
UNHURRIED = frozenset({"chatgate_expire"})


_METADATA_ENTRY = re.compile(r"/(?:private|shared)(?:/[!-$&-)+-.0-@[-~]+)+")  # RFC 5464 §3.1; no capitals
_WORD = re.compile(r"[!-~]+")

# What an answer of the right type must be besides, in view of the facts of the question.
COMPLETE: dict[str, Callable[[Any, dict[str, Any]], bool]] = {
    "chatgate_metadata_entries": lambda answer, facts: all(map(_METADATA_ENTRY.fullmatch, answer)),
    "chatgate_capabilities": lambda answer, facts: all(map(_WORD.fullmatch, answer)),
}
