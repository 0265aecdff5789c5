"""One client: the loop that reads a command, runs it, reports changes by others, and writes the tagged answer."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from chatgate.api import (
    UNAVAILABLE,
    Abandoned,
    Account,
    Impossible,
    LimitReached,
    Mailbox,
    MailboxExists,
    NoSuchMailbox,
    OverQuota,
    Session,
    Store,
    StoreError,
    StoreFull,
    StoreUnavailable,
    TooMuchWork,
    Work,
    raised_at,
)

from ..commands import COMMANDS, Command
from ..syntax import mailbox_names
from ..syntax.answers import Bad, Bye, Closed, No, Refusal, code_of, tagged
from ..syntax.parser import Parser
from ..syntax.reading import LiteralRefused, read_command
from .gathered import Share
from .reminder import Reminder
from .view import View
from .wire import Wire

if TYPE_CHECKING:
    from ..plugin import Imap

log = logging.getLogger("chatgate.imap")

_COMMAND = re.compile(rb'([^(){ %*"\\+\x00-\x1f\x7f-\xff]{1,128}) ((?:UID )?[^ ]{1,40})', re.I)
_LOGIN_LINE = 16384  # octets of a command before login: an initial response (RFC 4959) and more
_LOGIN_LITERAL = 1024  # octets: an address or a password; in APPEND the mailbox name
_APPEND = re.compile(rb"[^ ]+ APPEND ", re.I)


class Connection:
    """state: "not authenticated", "authenticated" (with an account) or "selected" (with a view) (RFC 3501 §3).

    tag: of the running command. closing: say goodbye after it. condstore: RFC 7162, stays on for later SELECTs.
    qresync: likewise (§3.2). utf8: the client has enabled UTF8=ACCEPT (RFC 6855).
    delta_chat: the client's ID says that it is Delta Chat. in_vain: its last command asked for a TURN server, and there
        is none, see `Stuck`.
    work: counts the steps of long commands (see `Work`); beyond its limit the answer is NO.
    changed: the board reported a change in the selected mailbox, or something could not be told to the client yet.
    """

    __slots__ = (
        "imap",
        "session",
        "wire",
        "work",
        "state",
        "view",
        "changed",
        "_watch",
        "_share",
        "tag",
        "closing",
        "condstore",
        "qresync",
        "utf8",
        "reminder",
        "delta_chat",
        "in_vain",
        "login_failures",
        "_bad",
        "_commands_left",
        "_capabilities",
    )

    def __init__(self, imap: Imap, session: Session, sock: Any) -> None:
        options = imap.options
        self.imap, self.session = imap, session
        self.work = Work(options.command_work_seconds)
        seconds = options.command_seconds, options.stall_seconds
        self.wire = Wire(sock, *seconds, self.work, imap.unsent, imap.uploads, session)
        self.wire.deadline = time.monotonic() + options.login_seconds
        self.state = "not authenticated"
        self.view: View | None = None
        self.changed = False
        self._watch: Any = None
        self._share: Share | None = None
        self.tag = b"*"
        self.closing = False
        self.condstore = False
        self.qresync = False
        self.utf8 = False
        self.reminder = Reminder()
        self.delta_chat = self.in_vain = False
        self.login_failures = 0
        self._bad = 0
        self._commands_left = options.max_commands_before_login
        self._capabilities: bytes | None = None
        session.on_stop = self._stop

    @property
    def account(self) -> Account:
        """The account of the client; commands that need it are only run after login."""
        assert self.session.account is not None
        return self.session.account

    @property
    def store(self) -> Store:
        return self.imap.gateway.store

    @property
    def hub(self) -> Any:
        """The hub through which plugins are asked for decisions."""
        return self.imap.gateway.hub

    # ------------------------------------------------------------------------------------------ loop

    def run(self) -> None:
        """Serve until the client or the gateway ends it."""
        try:
            self._greet()
            while not self.closing:
                if self.session.ending is not None:  # commands that are here already are not run
                    raise Bye(self.session.ending.text, self.session.ending.imap)
                self._serve_one()
            self.wire.flush()
        except Bye as bye:
            self._goodbye(bye)
        except StoreError:
            self._goodbye(Bye(UNAVAILABLE.text, "UNAVAILABLE"))
        except Closed:
            if self.in_vain:
                self.imap.stuck.hung_up(self.account.id)
        finally:
            self.deselect()
            self.wire.close()
            self.imap.left(self.session)

    def _stop(self) -> None:
        assert self.session.ending is not None
        bye = Bye(self.session.ending.text, self.session.ending.imap)
        self.wire.stop(bye)
        self.work.end(bye)  # stops jobs that would take longer than closing may take

    def _goodbye(self, bye: Bye) -> None:
        try:
            self.wire.write(b"* %s\r\n" % tagged(b"BYE", bye.text, bye.code))
            self.wire.flush()
        except Closed:
            pass

    def _greet(self) -> None:
        refusal = self.hub.connect(session=self.session)
        if refusal is not None and not refusal.accepts:
            raise Bye(refusal.text, code_of(refusal))
        self.wire.write(b"* OK [CAPABILITY %s] IMAP4rev1 server ready\r\n" % self.capabilities())

    def _serve_one(self) -> None:
        known = self.state != "not authenticated"
        longest = self.imap.options.max_line_bytes
        if not known:
            longest = min(longest, _LOGIN_LINE)
        try:
            self._execute(read_command(self.wire, longest, self._admit, self._swallow), known)
        except LiteralRefused as refused:
            found = _COMMAND.match(refused.line)
            self.tag = found[1] if found else b"*"
            self._answer(refused.refusal.line())
            self._misbehaved()
        finally:
            self.wire.release()

    def _execute(self, parts: list[bytes], known: bool) -> None:
        found = _COMMAND.match(parts[0])
        if found is None:
            self.tag = b"*"
            self._answer(Bad("Expected a tag and a command").line())
            self._misbehaved()
            return
        self.tag = found[1]
        name = found[2].upper()
        command = COMMANDS.get(name)
        if command is None:
            self._answer(Bad("Unknown command").line())
            self._misbehaved()
            return
        if not known:
            self._commands_left -= 1
            if self._commands_left < 0:
                raise Bye("Too many commands before login")
        if self.in_vain:
            self.in_vain = False
            self.imap.stuck.went_on(self.account.id)
        answer, bad = self._run(command, Parser(parts, found.end(), self.utf8))
        # The name is one of the table by now, and so no word of the client's.
        self.imap.commands.add(name.decode(), "OK" if answer is None else answer[:3].decode().strip())
        if command.tells and (command.looks or self.changed):
            self.tell(command.expunges, command.flag_changes, command.by_uid)
        if answer is not None:
            self._answer(answer)
        if bad:
            self._misbehaved()
        else:
            self._bad = 0

    def _run(self, command: Command, parser: Parser) -> tuple[bytes | None, bool]:
        """(the tagged answer without its tag, None if already written; whether the client broke the rules)."""
        try:
            if self.state not in command.states:
                raise Bad(f"Command is not allowed while {self.state}")
            if parser.pos < len(parser.line):
                parser.space()
            self.work.begin()
            self.work.turn()  # others get a turn between pipelined commands, too
            text = command.handler(self, parser)
            return (None if text is None else b"OK " + text.encode()), False
        except Refusal as refusal:
            return refusal.line(), isinstance(refusal, Bad)
        except StoreError as error:
            return _refused_by_store(error).line(), False
        except TooMuchWork:
            return No("This takes too long, please ask for less at once", "LIMIT").line(), False
        except (Bye, Closed, Abandoned):
            raise
        except Exception as error:
            kind, at = type(error).__name__, raised_at(error.__traceback__)
            log.error("command failed session=%s error=%s at=%s", self.session.id, kind, at)
            return No(UNAVAILABLE.text, "UNAVAILABLE").line(), False

    def _answer(self, line: bytes) -> None:
        self.wire.write(b"%s %s\r\n" % (self.tag, line))

    def _misbehaved(self) -> None:
        self._bad += 1
        limit = self.imap.options.max_errors
        if self._bad >= (limit if self.session.account is not None else min(limit, 5)):
            raise Bye("Too many invalid commands")

    def _swallow(self) -> int:
        """The size of the largest literal that is read even though it is refused."""
        return 0 if self.session.account is None else 2 * self.imap.max_message_bytes(self.session)

    def _admit(self, parts: list[bytes], size: int) -> None:
        """Is the next literal allowed? Only APPEND may send a message, and only after login. Raises No."""
        options = self.imap.options
        if self.session.account is None:
            if size > _LOGIN_LITERAL:
                raise No("Literal too large")
        elif _APPEND.match(parts[0]):
            most = self.imap.max_message_bytes(self.session)
            if size > most:
                raise No("Literal too large", "TOOBIG")
            if size + sum(map(len, parts[1:])) > 2 * most:
                raise No("Too much for one command, please send the messages one by one", "LIMIT")
        elif size + sum(map(len, parts)) > options.max_line_bytes:
            raise No("Literal too large", "TOOBIG")

    # ------------------------------------------------------------------------------------------ the mailbox

    def select(self, mailbox: Mailbox, read_only: bool) -> View:
        """Open a mailbox. Raises NoSuchMailbox, TooMuchWork, No."""
        # Watch before reading, so that no change in between is missed.
        self._watch = self.imap.gateway.board.watch(mailbox.id, self._on_change)
        self.changed = False
        try:
            self._share = Share(self.imap.gathered, self.account.id)
            self.view = View(self.store, mailbox, self.imap.recent, read_only, self.work, self._share)
        except (StoreError, TooMuchWork, No):
            self.deselect()
            raise
        self.view.condstore, self.view.qresync = self.condstore, self.qresync
        self.state = "selected"
        return self.view

    def deselect(self) -> None:
        """Close the mailbox, if one is open."""
        if self._watch is not None:
            self._watch.cancel()
            self.state = "authenticated"
        if self._share is not None:
            self._share.release()
        self.view = self._watch = self._share = None
        self.changed = False

    @contextmanager
    def gathering(self) -> Iterator[Share]:
        """A share of the memory, for what a command keeps about many messages until it is done."""
        share = Share(self.imap.gathered, self.account.id)
        try:
            yield share
        finally:
            share.release()

    def _on_change(self) -> None:
        self.changed = True
        self.wire.wake()

    def tell(self, expunges: bool, flag_changes: bool = True, with_uid: bool = False, **own: Any) -> bool:
        """Write what must be told about the mailbox now, see `View.news`. Returns whether there was anything."""
        if self.view is None:
            return False
        self.changed, uidnext, said = False, self.view.uidnext, False
        try:
            for line in self.view.news(expunges, flag_changes, with_uid, **own):
                self.wire.write(line)
                said = True
        except NoSuchMailbox:
            raise Bye("The selected mailbox was deleted") from None
        except No as refusal:
            raise Bye(refusal.text, refusal.code) from None
        self.changed |= self.view.owes
        if self.view.uidnext != uidnext and (uids := self.view.uids):
            self.reminder.told(self.view.mailbox.id, uids[-1])
        return said

    # ------------------------------------------------------------------------------------------ for commands

    def reply(self, text: str) -> None:
        """Write the tagged OK now, for commands after which the connection speaks differently."""
        self._answer(b"OK " + text.encode())

    def quoted(self, name: str) -> bytes:
        """A mailbox name in the encoding that this client uses."""
        return mailbox_names.quoted(name, self.utf8)

    def use_utf8(self) -> None:
        """From now on mailbox names are in UTF-8, in both directions (RFC 6855 §3)."""
        self.utf8 = True

    def use_qresync(self) -> None:
        """From now on expunged messages are reported by UID instead of sequence number (RFC 7162 §3.2.3)."""
        self.use_condstore()
        self.qresync = True
        if self.view is not None:
            self.view.qresync = True

    def use_condstore(self) -> None:
        """From now on the client is told modseqs, for this mailbox and later ones (RFC 7162 §3.1)."""
        self.condstore = True
        if self.view is not None:
            self.view.condstore = True

    def capabilities(self) -> bytes:
        """The capabilities in the current state."""
        if self._capabilities is None:
            self._capabilities = self.imap.capabilities(self.session)
        return self._capabilities

    def capabilities_changed(self) -> None:
        """Call it after login and STARTTLS."""
        self._capabilities = None

    def logged_in(self) -> None:
        """Call it when the account has been set: the login deadline no longer applies."""
        self.state = "authenticated"
        self.wire.deadline = None
        self.capabilities_changed()


# RFC 5530, and for OVERQUOTA RFC 9208
_STORE_CODES: dict[type[StoreError], str] = {
    NoSuchMailbox: "NONEXISTENT",
    MailboxExists: "ALREADYEXISTS",
    OverQuota: "OVERQUOTA",
    Impossible: "CANNOT",
    LimitReached: "LIMIT",
    StoreFull: "UNAVAILABLE",
    StoreUnavailable: "UNAVAILABLE",
}


def _refused_by_store(error: StoreError) -> No:
    for kind, code in _STORE_CODES.items():
        if isinstance(error, kind):
            return No(str(error), code)
    return No(str(error))
