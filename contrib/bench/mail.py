"""Senders and readers, and the tally of what became of every copy of every message."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Sequence

from .connection import Refused
from .imap import Mailbox
from .payload import Messages
from .report import Faults
from .server import Account, Server
from .smtp import Submission

_UID = re.compile(rb"\bUID (\d+)")
_UIDNEXT = re.compile(rb"\[UIDNEXT (\d+)\]")
_PATIENCE = 10.0  # seconds without any progress after which what has not come is lost


class Copy:
    """One message for one reader; the moments are on the monotonic clock, 0.0 for not yet."""

    __slots__ = ("accepted", "exists", "expunged", "fetched", "sent")

    def __init__(self) -> None:
        self.sent = self.accepted = self.exists = self.fetched = self.expunged = 0.0


class Tally:
    """copies: by (number of the message, index of the reader). finished: how many are expunged."""

    def __init__(self, messages: Messages) -> None:
        self.messages = messages
        self.copies: dict[tuple[int, int], Copy] = {}
        self.faults = Faults()
        self.finished = 0

    def accepted(self) -> list[Copy]:
        return [copy for copy in self.copies.values() if copy.accepted]

    def received(self) -> list[Copy]:
        return [copy for copy in self.copies.values() if copy.accepted and copy.fetched]

    async def settle(self, copies: Sequence[Copy] | None = None) -> None:
        """Return when all accepted copies (of these, or of all) are read and expunged, or nothing moves any more."""
        waiting = self.accepted() if copies is None else copies
        progress, moved = self.finished, time.monotonic()
        while any(not copy.expunged for copy in waiting) and time.monotonic() - moved < _PATIENCE:
            await asyncio.sleep(0.004)
            if self.finished != progress:
                progress, moved = self.finished, time.monotonic()

    def close(self) -> None:
        """Count what never came."""
        for (number, reader), copy in self.copies.items():
            if copy.accepted and not copy.fetched:
                self.faults.add("lost", f"message {number} for reader {reader}")


class Reader:
    """Waits in IDLE, fetches what is new, compares it octet for octet, deletes and expunges it at once."""

    def __init__(self, box: Mailbox, index: int, tally: Tally) -> None:
        self._box, self._index, self._tally = box, index, tally
        self._next_uid = 1
        self._wake: asyncio.Future[None] | None = None
        box.announced = self._announced
        self._idle: asyncio.Future[bytes] | None = None

    @classmethod
    async def open(cls, server: Server, account: Account, index: int, tally: Tally) -> Reader:
        """Connected, its mailbox emptied, in IDLE. Raises OSError, TimeoutError, Refused."""
        box = await Mailbox.login(server.host, server.imap, *account)
        reader = cls(box, index, tally)
        for response in await box.command("SELECT INBOX"):
            if found := _UIDNEXT.search(response[0]):
                reader._next_uid = int(found[1])
        if box.exists:
            await box.command("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            await box.command("EXPUNGE")
        box.arrivals.clear()
        reader._idle = await box.idle()
        return reader

    async def run(self) -> None:
        """Until cancelled. The end of the connection and any refusal are faults."""
        box = self._box
        try:
            while True:
                if not box.exists:
                    self._wake = asyncio.get_running_loop().create_future()
                    await box.wait(self._wake, None)
                assert self._idle is not None
                idle, self._idle = self._idle, None
                await box.done(idle)
                while box.exists and await self._fetch():
                    pass
                self._idle = await box.idle()
        except (OSError, TimeoutError, Refused) as error:
            self._tally.faults.add("reader failed", str(error) or type(error).__name__)

    async def close(self) -> None:
        """Look whether anything is left in the mailbox, and disconnect."""
        try:
            if self._idle:
                await self._box.done(self._idle)
            await self._box.command("NOOP")
            if self._box.exists:
                self._tally.faults.add("left in the mailbox", f"{self._box.exists} messages of reader {self._index}")
        except (OSError, TimeoutError, Refused) as error:
            self._tally.faults.add("reader failed", str(error) or type(error).__name__)
        self._box.close()

    def _announced(self) -> None:
        if self._wake and not self._wake.done():
            self._wake.set_result(None)

    async def _fetch(self) -> bool:
        """Take everything that is new; False when there was nothing."""
        first, read = self._next_uid, []
        responses = await self._box.command(f"UID FETCH {first}:* (UID BODY.PEEK[])")
        moment = time.monotonic()
        for response in responses:
            if len(response) < 3 or not (found := _UID.search(response[0]) or _UID.search(response[-1])):
                continue
            uid = int(found[1])
            if uid < first:
                continue  # "n:*" names the last message even when its UID is below n (RFC 3501 §6.4.8)
            self._next_uid = max(self._next_uid, uid + 1)
            if copy := self._take(response[1], moment):
                read.append(copy)
        if self._next_uid == first:
            return False
        await self._box.command(f"UID STORE {first}:{self._next_uid - 1} +FLAGS.SILENT (\\Deleted)")
        await self._box.command("EXPUNGE")
        moment = time.monotonic()
        for copy in read:
            copy.expunged = moment
        self._tally.finished += len(read)
        return True

    def _take(self, content: bytes, moment: float) -> Copy | None:
        tally, arrivals = self._tally, self._box.arrivals
        announced = arrivals.popleft() if arrivals else moment
        header, _, body = content.partition(b"\r\n\r\n")
        number = tally.messages.number(header)
        copy = tally.copies.get((number, self._index)) if number is not None else None
        if number is None or copy is None:
            tally.faults.add("not for this mailbox")
            return None
        if body != tally.messages.body(number):
            tally.faults.add("corrupt", f"message {number}")
        if copy.fetched:
            tally.faults.add("delivered twice", f"message {number}")
            return None
        copy.exists, copy.fetched = announced, moment
        return copy


class Sender:
    """One submission session, opened anew if it breaks; every break is a fault."""

    def __init__(self, server: Server, account: Account, tally: Tally) -> None:
        self._server, self._account, self._tally = server, account, tally
        self._session: Submission | None = None

    async def open(self) -> Sender:
        """Raises OSError, TimeoutError, Refused."""
        self._session = await Submission.login(self._server.host, self._server.smtp, *self._account)
        return self

    async def send(self, number: int, readers: Sequence[int], addresses: Sequence[str]) -> list[Copy]:
        """Submit one message; returns its copies, none if it was not accepted."""
        tally, sender = self._tally, self._account[0]
        copies = [tally.copies.setdefault((number, reader), Copy()) for reader in readers]
        try:
            if self._session is None:
                await self.open()
            assert self._session is not None
            begun, accepted = await self._session.send(
                sender, addresses, tally.messages.message(number, sender, addresses)
            )
        except Refused as error:
            tally.faults.add("refused", str(error))
            return []
        except (OSError, TimeoutError) as error:
            tally.faults.add("sender failed", str(error) or type(error).__name__)
            self.close()
            return []
        for copy in copies:
            copy.sent, copy.accepted = begun, accepted
        return copies

    async def send_all(
        self,
        numbers: Iterable[int],
        reader_of: Callable[[int], int],
        addresses: Sequence[str],
        due: Callable[[int], float],
    ) -> None:
        """One after the other, none before its moment on the monotonic clock."""
        for number in numbers:
            if (pause := due(number) - time.monotonic()) > 0:
                await asyncio.sleep(pause)
            reader = reader_of(number)
            await self.send(number, [reader], [addresses[reader]])

    def close(self) -> None:
        if self._session:
            self._session.close()
            self._session = None
