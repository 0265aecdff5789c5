"""Brings what a source tells of into this gateway: account by account, mailbox by mailbox, a batch of messages at a
time, each noted in the journal once it is on disk.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from chatgate.api import (
    Account,
    AccountExists,
    AddressGone,
    Domain,
    Former,
    Gateway,
    Impossible,
    LimitReached,
    Mailbox,
    PluginError,
    few_flags,
    mailbox_name,
    normal_flags,
)
from chatgate_movein import hooks, names
from chatgate_movein.journal import Journal
from chatgate_movein.records import Folder, Letter, Person, Source, Unreadable
from chatgate_movein.report import Report

_DAY = 86400
# A batch of messages: one transaction, and what is kept in memory.
_MOST_MESSAGES, _MOST_OCTETS = 200, 8_000_000


class Move:
    """onto: the domain that all accounts come into; None for their own. dry: everything is read and nothing written."""

    def __init__(
        self, gateway: Gateway, source: Source, journal: Journal, onto: Domain | None, dry: bool = False
    ) -> None:
        self._gateway, self._source, self._journal, self._onto, self._dry = gateway, source, journal, onto, dry
        self._taken: set[str] = set()
        self.report = Report(dry_run=dry)
        self._today = gateway.store.now() // _DAY
        hub = gateway.hub
        self._tokens = hub.decision(hooks.chatgate_import_tokens).or_raise
        self._cleartext = hub.decision(hooks.chatgate_import_cleartext).or_raise
        self._key = hub.decision(hooks.chatgate_import_key).or_raise
        self._invitation = hub.decision(hooks.chatgate_import_invitation).or_raise

    # ------------------------------------------------------------------------------------------ accounts

    def person(self, person: Person) -> None:
        """Bring one account. Raises StoreFull, StoreUnavailable, PluginError: then the whole import ends."""
        shown = names.shown(person.name)
        try:
            address = names.address(person.name, self._gateway.domains, self._onto)
            if address in self._taken:
                raise Unreadable(f"another account there becomes {address}, too")
            self._taken.add(address)
            if person.blocked:
                self._block(address)
                return
            account = self._account(person, address)
            self._belongings(person, account)
            for folder in person.folders():
                self._folder(account, folder)
        except Unreadable as error:
            self.report.leave(str(error), shown)
            return
        if not self._dry:
            self._journal.done(self._origin(person))

    def _origin(self, person: Person) -> str:
        return f"{self._source.kind}:{person.name.lower()}"

    def _account(self, person: Person, address: str) -> Account:
        """The account here, made if need be. Raises Unreadable if it is somebody else's."""
        secret = self._secret(person, address)
        there = self._gateway.store.account(address)
        was = self._former(person, address, secret)
        moved = self._journal.find(self._origin(person))
        if there is None:
            if moved is not None and moved.account_id is not None:
                raise Unreadable("it came before, and was removed here since")
            there = self._made(person, was)
        elif moved is None or moved.account_id not in (None, there.id):
            raise Unreadable("there is an account of this address already")
        elif moved.account_id is None and there.secret != secret:  # made by somebody, after this import was cut off
            raise Unreadable("there is an account of this address already")
        if not self._dry and (moved is None or moved.account_id is None):
            self._journal.made(self._origin(person), there.id)
        return there

    def _made(self, person: Person, was: Account) -> Account:
        if self._dry:
            if self._gateway.store.tombstone(was.address) is not None:
                raise Unreadable("an account of this address was removed here")
        else:
            self._journal.begin(self._origin(person), was.address)
            try:
                was = self._gateway.accounts.restore(was)
            except AddressGone:
                raise Unreadable("an account of this address was removed here") from None
            except (AccountExists, Impossible) as error:
                raise Unreadable(str(error)) from None
        self.report.counts["accounts"] += 1
        return was

    def _secret(self, person: Person, address: str) -> str:
        try:
            if person.secret:
                secret = names.secret(person.secret)
                if problem := self._gateway.accounts.secret_problem(secret):
                    self.report.leave(f"its password: {problem}; 'chatgate accounts passwd' sets another", address)
                return secret
            self.report.leave("it has no password there; 'chatgate accounts passwd' sets one", address)
        except Unreadable as error:
            self.report.leave(f"{error}; 'chatgate accounts passwd' sets another", address)
        return names.NO_PASSWORD

    def _former(self, person: Person, address: str, secret: str) -> Account:
        """Days that are not known, or cannot be, count as today: an account must not look as if nobody used it."""
        seen = person.last_login if 0 < person.last_login <= self._today else self._today * (person.last_login > 0)
        made = person.created if 0 < person.created <= self._today else seen or self._today
        return Account(0, address, secret, seen, made, "", person.quota)

    def _belongings(self, person: Person, account: Account) -> None:
        if person.cleartext:
            if self._dry or self._cleartext(account=account):
                self.report.counts["accounts that may get unencrypted mail"] += 1
            else:
                self.report.leave("no enabled plugin lets it get unencrypted mail, as it did there", account.address)
        if not person.tokens:
            return
        taken = len(person.tokens) if self._dry else self._tokens(account=account, tokens=person.tokens)
        if taken is None:
            self.report.leave("device tokens: no enabled plugin notifies phones", account.address)
        else:
            self.report.counts["device tokens"] += taken

    def _block(self, address: str) -> None:
        """Nobody is to have this address: as after a final deletion here."""
        store = self._gateway.store
        if store.account(address) is not None:
            raise Unreadable("it is blocked there, and in use here")
        if store.tombstone(address) is None:
            self.report.counts["addresses that nobody may have"] += 1
            if not self._dry:
                made = store.create_account(address, names.NO_PASSWORD)
                store.delete_account(made.id, final=True)

    # ------------------------------------------------------------------------------------------ mail

    def _folder(self, account: Account, folder: Folder) -> None:
        shown = names.shown(folder.name)
        for fault in folder.faults:
            self.report.leave(fault, account.address, shown)
        try:
            box = self._mailbox(account, names.mailbox(folder.name), folder)
            self._letters(account, box, folder)
        except Unreadable as error:
            self.report.leave(str(error), account.address, shown)
        except (Impossible, LimitReached) as error:
            self.report.leave(str(error), account.address, shown)

    def _mailbox(self, account: Account, name: str, folder: Folder) -> Mailbox | None:
        """None in a dry run, if it is not there."""
        store = self._gateway.store
        found = store.mailbox(account.id, name)
        if found is None and not self._dry:
            found = store.create_mailbox(account.id, name, _known_use(folder.special_use))
        if not self._dry and folder.subscribed and mailbox_name(name) not in store.subscriptions(account.id):
            store.subscribe(account.id, name, True)
        return found

    def _letters(self, account: Account, box: Mailbox | None, folder: Folder) -> None:
        noted = self._journal.box(box.id) if box is not None else None
        above = noted.upto if noted else 0
        if box is not None and noted is not None and box.uidnext not in (noted.uidnext, noted.aim):
            late = sum(1 for _ in folder.letters(above))
            if late:
                why = "came there after the first import, and the mailbox here has had mail of its own since"
                self.report.left[account.address, names.shown(folder.name), why] += late
            return
        self.report.counts["mailboxes"] += noted is None
        write = self._writer(box, folder, above)
        batch: list[Former] = []
        upto = above
        for letter in folder.letters(above):
            if (former := self._former_letter(account, folder, letter)) is not None:
                batch.append(former)
            upto = letter.uid
            if len(batch) >= _MOST_MESSAGES or sum(len(one.content) for one in batch) >= _MOST_OCTETS:
                write(batch, upto)
                batch = []
        write(batch, upto)

    def _writer(self, box: Mailbox | None, folder: Folder, above: int) -> Callable[[list[Former], int], None]:
        journal, store = self._journal, self._gateway.store
        if box is not None and not self._dry:
            # Before the first batch, which raises UIDNEXT: how far it was raised by us, and how far by mail of its own?
            journal.reached(box.id, above, box.uidnext, max(box.uidnext, folder.uidnext))

        def write(batch: list[Former], upto: int) -> None:
            self.report.counts["octets of mail"] += sum(len(former.content) for former in batch)
            if self._dry or box is None:
                self.report.counts["messages"] += len(batch)
                return
            validity = folder.uidvalidity or box.uidvalidity
            stored = store.restore_messages(box.id, validity, folder.uidnext, batch)
            self.report.counts["messages"] += len(stored)  # not in one: the sum is shared with other greenlets
            uidnext = store.status(box.id).uidnext
            journal.reached(box.id, upto, uidnext, uidnext)

        return write

    def _former_letter(self, account: Account, folder: Folder, letter: Letter) -> Former | None:
        try:
            return Former(letter.uid, letter.read(), _flags(letter.flags), letter.date)
        except Unreadable as error:
            self.report.leave(f"message: {error}", account.address, names.shown(folder.name))
            return None

    # ------------------------------------------------------------------------------------------ what is the server's

    def of_the_server(self) -> None:
        """Keys, invitations, aliases."""
        self._each("keys", self._source.keys, self._one_key)
        self._each("invitations", self._source.invitations, self._one_invitation)
        self._each("aliases", self._source.aliases, self._one_alias)
        for fault in self._source.faults:
            self.report.leave(fault)

    def _each(self, what: str, ask: Callable[[], Iterable[Any]], take: Callable[[Any], None]) -> None:
        try:
            for one in ask():
                take(one)
        except Unreadable as error:
            self.report.leave(f"{what}: {error}")

    def _one_key(self, key: Any) -> None:
        shown = f"DKIM key {names.shown(key.selector)} of {names.shown(key.domain)}"
        domain = self._gateway.domains.named(key.domain.lower())
        if domain is None:
            self.report.leave(f"{shown}: this gateway does not have that domain")
            return
        if not _is_file(key.file):
            self.report.leave(f"{shown}: not a file")
            return
        try:
            taken = True if self._dry else self._key(domain=domain, selector=key.selector, file=key.file)
        except PluginError as error:
            self.report.leave(f"{shown}: {error}")
            return
        if taken is None:
            self.report.leave(f"{shown}: no enabled plugin signs mail")
        self.report.counts["DKIM keys"] += bool(taken)

    def _one_invitation(self, invited: Any) -> None:
        if self._dry:
            self.report.counts["invitations"] += 1
            return
        facts = {name: getattr(invited, name) for name in ("token", "uses", "used", "expires", "note")}
        taken = self._invitation(**facts)
        if taken is None:
            self.report.leave("invitation: no enabled plugin knows them (shipped: invite)")
        self.report.counts["invitations"] += bool(taken)

    def _one_alias(self, pair: tuple[str, str]) -> None:
        alias, target = map(names.shown, pair)
        self.report.leave(f"alias {alias} of {target}: there are none here; an account of that name can be made")


def _is_file(path: Path) -> bool:
    """And neither a link nor a pipe?"""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _known_use(use: str) -> str:
    return use if use in ("\\Drafts", "\\Junk", "\\Sent", "\\Trash", "\\Archive", "\\Flagged", "\\All") else ""


def _flags(given: Iterable[str]) -> frozenset[str]:
    """Those that a message can have here, in order until they are too many."""
    flags: frozenset[str] = frozenset()
    for flag in given:
        try:
            flags = few_flags(flags | normal_flags([flag]))
        except (Impossible, LimitReached):
            continue
    return flags
