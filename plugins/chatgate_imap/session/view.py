"""The selected mailbox as one client knows it: which UID has which sequence number, and what is still to be told."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice

from chatgate.api import Mailbox, Message, Store, Work

from ..syntax import flags, sets
from .contents import FETCHED, GONE, UNSAID, UNTOLD, WANTED, Messages
from .gathered import Share
from .recent import Own, Recent

_AT_ONCE = 500  # changed messages that are looked at before others get a turn: a millisecond
_MOST_KEYWORDS = 1000  # that are announced; those beyond are told with their messages only


class View:
    """messages[n - 1] has the sequence number n. A message enters together with the EXISTS that announces it, and
    leaves together with its EXPUNGE, so the numbers are what the client thinks they are at every moment.

    recent: what is \\Recent for this session. recents_told: how many of these the client knows of.
    condstore: the client wants MODSEQ (RFC 7162 §3.1). qresync: and VANISHED in place of EXPUNGE (§3.2.10).
    first_unseen: the sequence number of the first message without \\Seen when it was opened, 0 for none.
    saved: UIDs that a SEARCH has saved (RFC 5182), ascending. work: what takes long steps on it.
    share: what its messages may take in memory.
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
        now = store.status(mailbox.id)  # before the messages: what changes while they are read is told later
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
        self._any_gone = self._any_untold = False  # are messages marked so?

    def recents(self) -> bool:
        """Claim what is new in the view; is the number of recent ones another than the client knows? To be asked only
        when messages have come or gone: each costs a look at the session's ranges.
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
        """Of all messages, ascending."""
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
        """The flags with keywords spelt as this mailbox has them already: they have no case (RFC 9051 §2.3.2)."""
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
        """The client has read their content. Those of them of which that was not known."""
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
        """Untagged responses for all that changed since the last time, one by one, as they may be many. To be taken to
        the end. Raises NoSuchMailbox, and No when the view has become too large.

        expunges: whether EXPUNGE may be sent now (not while FETCH, STORE or SEARCH runs, RFC 3501 §7.4.1).
        flag_changes: whether FETCH responses may be sent that nobody asked for. What may not is kept for later.
        with_uid: the command is a UID command.
        own: modseqs whose changes the caller tells itself. silent: the modseqs of this session's own STORE.SILENT:
            its results are not told, but for the MODSEQ when CONDSTORE is on.
        wanted: UIDs whose flags the client shall hear in any case.
        """
        changes = self._store.changes(self.mailbox.id, self.modseq)
        arrived: Messages | None = None
        messages, telling = self.messages, 0
        moved = changes.uidnext != self.uidnext
        if changes.modseq != self.modseq:
            arrived = Messages()
            last, known = self.messages.uids[-1] if self.messages.uids else 0, len(self.known_keywords)
            self._lose(changes.expunged)
            changed = iter(changes.messages)  # gone through once: they may be too many to be in memory together
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
        """Mark those that are gone; None: all, and those that are there have the mark taken off again."""
        if expunged is None:
            self.messages.mark_all(GONE)
            return
        for uid in self.work.every(expunged):
            if (at := self.messages.position(uid)) is not None:
                self.messages.mark(at, GONE)
                self._any_gone = True

    def _tell(self, marks: int, with_uid: bool) -> Iterator[bytes]:
        """The flags of all that are marked so, and the marks are gone. Of what this session has set itself and does not
        want to hear there is the modseq alone, if that: the change of another one before it goes along as a whole.
        """
        for at in self.work.every(self.messages.marked(marks)):
            noted = self.messages.marks[at]
            self.messages.unmark(at, marks)
            loud = bool(noted & marks & ~UNSAID)
            if (loud or self.condstore) and not noted & GONE:
                yield self._line(at, with_uid, loud)

    def learn(self, kinds: Iterable[frozenset[str]]) -> list[bytes]:
        """A keyword the client has not seen yet is announced before it is used. kinds: the flags of messages."""
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
        """STORE's answers for messages that are gone though the client may not be told yet: as if they were still here,
        one of the ways RFC 2180 §4.2 leaves open, and the one that confuses no client.
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
        """From the highest number down: so no number has to be corrected for those that went before."""
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
