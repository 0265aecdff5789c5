"""The selected mailbox as one client knows it: which UID has which sequence number, and what it must still be told."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice

from chatgate.api import Mailbox, Message, Store, Work

from ..syntax import flags, sets
from .contents import FETCHED, GONE, UNSAID, UNTOLD, WANTED, Messages
from .gathered import Share
from .recent import Own, Recent

_AT_ONCE = 500  # changed messages that are processed before others get a turn: a millisecond
_MOST_KEYWORDS = 1000  # that are announced; others are told only with their messages


class View:
    """messages[n - 1] has the sequence number n. A message enters together with the EXISTS that announces it, and
    leaves together with its EXPUNGE, so the numbers are always the same as the client's.

    recent: the UIDs that are \\Recent for this session. recents_told: how many of these the client knows of.
    condstore: the client wants MODSEQ (RFC 7162 §3.1). qresync: and VANISHED in place of EXPUNGE (§3.2.10).
    first_unseen: the sequence number of the first message without \\Seen at the time of opening, 0 for none.
    saved: UIDs that a SEARCH has saved (RFC 5182), ascending. work: counts the steps of long jobs.
    share: the memory that its messages take.
    """

    __slots__ = (
        "mailbox",
        "read_only",
        "messages",
        "uidnext",
        "modseq",
        "recent",
        "recents_told",
        "condstore",
        "qresync",
        "known_keywords",
        "first_unseen",
        "work",
        "saved",
        "_any_gone",
        "_any_untold",
        "_store",
        "_recent_of",
        "_share",
    )

    def __init__(
        self, store: Store, mailbox: Mailbox, recent_of: Recent, read_only: bool, work: Work, share: Share
    ) -> None:
        """Raises NoSuchMailbox, TooMuchWork, No."""
        self._store, self.mailbox, self._recent_of = store, mailbox, recent_of
        self.read_only, self.work, self._share = read_only, work, share
        self.condstore = self.qresync = False
        now = store.status(mailbox.id)  # before the messages: changes made while they are read are told later
        self.modseq, self.uidnext = now.modseq, now.uidnext
        self.messages = Messages()
        self.first_unseen = 0
        self.known_keywords = frozenset[str]()
        for page in work.each(store.pages(mailbox.id, now.uidnext)):
            if not self.first_unseen:
                numbered = enumerate(page, len(self.messages) + 1)
                self.first_unseen = next((at for at, message in numbered if flags.SEEN not in message.flags), 0)
            self._know(self.messages.extend(page))
            share.hold(self.messages.octets)
        self.recent, self.recents_told = Own(), 0
        self.recents()
        self.saved: Sequence[int] = ()
        self._any_gone = self._any_untold = False  # are there messages with these marks?

    def recents(self) -> bool:
        """Claim new messages in the view. Returns whether the number of recent ones differs from what the client knows.
        To be called only if messages have come or gone: it looks up each message in the session's ranges.
        """
        mailbox_id = self.mailbox.id
        first = self._recent_of.first(mailbox_id)
        if not self.read_only:
            self._recent_of.claim(mailbox_id, self.uidnext)
        self.recent.add(first, self.uidnext)
        before, self.recents_told = self.recents_told, self.recent.count(self.messages.uids)
        return self.recents_told != before

    # ------------------------------------------------------------------------------------------ looking

    @property
    def uids(self) -> Sequence[int]:
        """The UIDs of all messages, ascending."""
        return self.messages.uids

    def __len__(self) -> int:
        return len(self.messages)

    def uids_at(self, positions: Iterable[int]) -> Sequence[int]:
        return array("I", map(self.messages.uids.__getitem__, positions))

    def positions(self, text: bytes, by_uid: bool) -> Sequence[int]:
        """Positions in `messages` for a sequence set, ascending. Raises Bad."""
        if text == sets.SAVED:
            return array("I", (at for uid in self.saved if (at := self.messages.position(uid)) is not None))
        ranges = sets.parse(text)
        return sets.by_uid(ranges, self.messages.uids) if by_uid else sets.by_number(ranges, len(self.messages))

    def spelling(self, wanted: Collection[str]) -> frozenset[str]:
        """The flags, with keywords spelt as this mailbox already has them: case does not matter (RFC 9051 §2.3.2)."""
        if not any(flag[0] != "\\" for flag in wanted):
            return frozenset(wanted)
        known = {keyword.lower(): keyword for keyword in self.known_keywords}
        return frozenset(flag if flag[0] == "\\" else known.get(flag.lower(), flag) for flag in wanted)

    def flag_lines(self) -> list[bytes]:
        """FLAGS and PERMANENTFLAGS."""
        words = flags.written(self.known_keywords.union(flags.SYSTEM))
        permanent = b"()" if self.read_only else words[:-1] + b" \\*)"
        return [
            b"* FLAGS %s\r\n" % words,
            b"* OK [PERMANENTFLAGS %s] Flags permitted.\r\n" % permanent,
        ]

    def have_read(self, uids: Iterable[int]) -> Sequence[int]:
        """The client has read the content of these messages. Returns those of which that was not known."""
        new = array("I")
        for uid in self.work.every(uids):
            at = self.messages.position(uid)
            if at is not None and self.messages.mark(at, FETCHED):
                new.append(uid)
        return new

    # ------------------------------------------------------------------------------------------ telling

    @property
    def owes(self) -> bool:
        """Is there something that could not be told yet?"""
        return self._any_gone or self._any_untold

    def news(
        self,
        expunges: bool,
        flag_changes: bool = True,
        with_uid: bool = False,
        own: Collection[int] = (),
        silent: Collection[int] = (),
        wanted: Iterable[int] = (),
    ) -> Iterator[bytes]:
        """Untagged responses for all changes since the last time, one by one, as there may be many. The caller must
        iterate to the end. Raises NoSuchMailbox, and No if the view has become too large.

        expunges: whether EXPUNGE may be sent now (not while FETCH, STORE or SEARCH runs, RFC 3501 §7.4.1).
        flag_changes: whether unsolicited FETCH responses may be sent. If they may not, they are kept for later.
        with_uid: the command is a UID command.
        own: modseqs whose changes the caller tells itself. silent: the modseqs of this session's own STORE.SILENT:
            its results are not told, except for the MODSEQ if CONDSTORE is on.
        wanted: UIDs whose flags the client must be told in any case.
        """
        changes = self._store.changes(self.mailbox.id, self.modseq)
        arrived: Messages | None = None
        messages, telling = self.messages, 0
        moved = changes.uidnext != self.uidnext
        if changes.modseq != self.modseq:
            arrived = Messages()
            last, known = self.messages.uids[-1] if self.messages.uids else 0, len(self.known_keywords)
            self._lose(changes.expunged)
            changed = iter(changes.messages)  # iterated once: there may be too many to keep all in memory
            while page := list(islice(changed, _AT_ONCE)):
                self.work.turn()
                arrived.extend([message for message in page if message.uid > last])
                there: list[tuple[int, Message]] = []
                for message in page:
                    at = messages.position(message.uid)
                    if at is None:
                        continue
                    if changes.expunged is None:
                        messages.unmark(at, GONE)
                    if message.modseq == messages.modseq(at):
                        continue
                    there.append((at, message))
                    if message.modseq in silent:
                        messages.mark(at, UNSAID)
                        telling |= UNSAID
                    elif message.modseq not in own:
                        messages.mark(at, UNTOLD)
                        self._any_untold = True
                messages.change(there)
                self._know({message.flags for message in page})
            self.modseq, self.uidnext = changes.modseq, changes.uidnext
            if changes.expunged is None:
                self._any_gone = next(messages.marked(GONE), None) is not None
            if len(self.known_keywords) > known:
                yield from self.flag_lines()
        for uid in self.work.every(wanted):
            if (at := messages.position(uid)) is not None:
                messages.mark(at, WANTED)
                telling |= WANTED
        if flag_changes and self._any_untold:
            telling |= UNTOLD
            self._any_untold = False
        if telling:
            yield from self._tell(telling, with_uid)
        if expunges and self._any_gone:
            yield from self._expunge()
            moved = True
        if arrived:
            messages.join(arrived)
            yield b"* %d EXISTS\r\n" % len(messages)
        if moved and self.recents():
            yield b"* %d RECENT\r\n" % self.recents_told
        self._share.hold(messages.octets)

    def _lose(self, expunged: Iterable[int] | None) -> None:
        """Mark expunged messages as gone. None: mark all; the caller then unmarks those that still exist."""
        if expunged is None:
            self.messages.mark_all(GONE)
            return
        for uid in self.work.every(expunged):
            if (at := self.messages.position(uid)) is not None:
                self.messages.mark(at, GONE)
                self._any_gone = True

    def _tell(self, marks: int, with_uid: bool) -> Iterator[bytes]:
        """The flags of all messages with these marks, which are cleared. For changes that this session has made itself
        with STORE.SILENT, only the modseq is told, and only if CONDSTORE is on; but if another session changed the same
        message before, its flags are told, too.
        """
        for at in self.work.every(self.messages.marked(marks)):
            noted = self.messages.marks[at]
            self.messages.unmark(at, marks)
            loud = bool(noted & marks & ~UNSAID)
            if (loud or self.condstore) and not noted & GONE:
                yield self._line(at, with_uid, loud)

    def learn(self, kinds: Iterable[frozenset[str]]) -> list[bytes]:
        """Announce keywords that the client has not seen yet, before they are used. kinds: the flags of messages."""
        known = len(self.known_keywords)
        self._know(kinds)
        return self.flag_lines() if len(self.known_keywords) > known else []

    def _know(self, kinds: Iterable[frozenset[str]]) -> None:
        known = set(self.known_keywords)
        for kind in kinds:
            self.work.turn()
            if (room := _MOST_KEYWORDS - len(known)) <= 0:
                break
            known.update(islice(flags.keywords(kind) - known, room))
        self.known_keywords = frozenset(known)

    def pretend(self, uids: Iterable[int], how: str, changed: frozenset[str], with_uid: bool) -> Iterator[bytes]:
        """STORE's responses for messages that are gone when the client may not be told yet: as if they still existed,
        which is one of the ways that RFC 2180 §4.2 allows, and the one that confuses no client.
        """
        for uid in uids if self._any_gone else ():
            at = self.messages.position(uid)
            if at is None or not self.messages.marks[at] & GONE:
                continue
            old = self.messages.flags(at)
            new = old | changed if how == "add" else old - changed if how == "remove" else changed
            self.messages.change([(at, self.messages[at]._replace(flags=new))])
            yield self._line(at, with_uid)

    def flags_line(self, uid: int) -> bytes:
        """The FETCH response with its UID and flags; b"" if it is not in the view."""
        self.work.turn()
        at = self.messages.position(uid)
        return b"" if at is None else self._line(at, with_uid=True)

    def _line(self, at: int, with_uid: bool, with_flags: bool = True) -> bytes:
        uid, items = self.messages.uids[at], []
        if with_uid or self.condstore:
            items.append(b"UID %d" % uid)
        if with_flags:
            items.append(b"FLAGS " + flags.wire(self.messages.flags(at), uid in self.recent))
        if self.condstore:
            items.append(b"MODSEQ (%d)" % self.messages.modseq(at))
        return b"* %d FETCH (%s)\r\n" % (at + 1, b" ".join(items))

    def _expunge(self) -> Iterator[bytes]:
        """EXPUNGE from the highest number down: so no number has to be adjusted for earlier ones."""
        gone = array("I", self.work.every(self.messages.marked(GONE)))
        uids = sets.spans(self.work.every(map(self.messages.uids.__getitem__, gone))) if self.qresync else []
        self._any_gone = False
        gone.reverse()
        self.messages.remove(gone)
        self.work.turn()
        if self.qresync:
            yield b"* VANISHED %s\r\n" % sets.text(uids)
            return
        for at in self.work.every(gone):
            yield b"* %d EXPUNGE\r\n" % (at + 1)
