"""Who is logged in, and the end of sessions whose login is not valid any more."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import gevent

from chatgate.metrics import Counter
from chatgate.network.session import Session
from chatgate.reply import UNAVAILABLE, Reply
from chatgate.store.board import Board
from chatgate.store.records import Account, StoreError

log = logging.getLogger("chatgate.logins")

# No text with "authentication", see chatgate.reply. EXPIRED: "access is no longer permitted using that passphrase"
# (RFC 5530 §3).
CHANGED = Reply(421, "4.7.0", "The password was changed, log in with the new one", imap="EXPIRED")
GONE = Reply(421, "4.7.0", "This account does not exist any more")

# Seconds that a session has to say goodbye. Then the connection is cut, whatever its plugin or client is doing.
_GRACE = 5.0


class Logins:
    """Sessions by account, from the login to the end of the connection.

    They end when the password is changed or the account is disabled or removed, whoever does that and in whatever
    process: the board says that something about the account changed, and the account is looked up. find: looks it up in
    the store, by address. count: logins, by service.
    """

    def __init__(self, board: Board, find: Callable[[str], Account | None]) -> None:
        self._find = find
        self.count = Counter()
        self._sessions: dict[int, tuple[Session, ...]] = {}  # tuples of one take the least memory
        self._changing: set[Session] = set()
        board.on_account = self._doubt

    @property
    def accounts(self) -> Collection[int]:
        """Ids of the accounts that have a session."""
        return self._sessions.keys()

    def enter(self, session: Session) -> None:
        """`session.account` was set, for the first time or again. The account is looked up once more, as it may have
        changed while the password was being verified.
        """
        account = session.account
        assert account is not None
        others = self._sessions.get(account.id, ())
        if session not in others:
            self.count.add(session.service)
            self._sessions[account.id] = (*others, session)
        self._judge(session)

    def leave(self, session: Session) -> None:
        """The connection is over."""
        account = session.account
        if account is None:
            return
        sessions = self._sessions.get(account.id, ())
        if len(sessions) > 1:
            self._sessions[account.id] = tuple(one for one in sessions if one is not session)
        elif sessions == (session,):
            del self._sessions[account.id]

    @contextmanager
    def changing(self, session: Session) -> Iterator[None]:
        """Within this context the session changes its own account. It is not ended because of that, and
        `session.account` is then the account as changed.
        """
        self._changing.add(session)
        try:
            yield
        finally:
            self._changing.discard(session)
            account = session.account
            current = self._find(account.address) if account is not None else None
            if account is not None and current is not None and current.id == account.id and current != account:
                session.account = current
            if account is not None:
                self._judge(session)

    def _doubt(self, account_id: int) -> None:
        """Called by the board: must not block."""
        if account_id in self._sessions:
            gevent.spawn(self._judge_all, account_id)

    def _judge_all(self, account_id: int) -> None:
        for session in self._sessions.get(account_id, ()):
            self._judge(session)

    def _judge(self, session: Session) -> None:
        account = session.account
        if session in self._changing or account is None or session.ending is not None:
            return
        try:
            verdict = _verdict(account, self._find(account.address))
        except StoreError:  # an account that cannot be looked up is not let in either
            verdict = UNAVAILABLE
        if verdict is not None:
            log.info("login ended session=%s: %s", session.id, "unknown" if verdict is UNAVAILABLE else "changed")
            session.end(verdict)
            gevent.spawn_later(_GRACE, session.cut)


def _verdict(account: Account, current: Account | None) -> Reply | None:
    """Why a login as `account` is not valid any more; None: it is."""
    if current is None or current.id != account.id:
        return GONE
    if current.disabled:
        return Reply(421, "4.7.0", current.disabled, imap="CONTACTADMIN")
    return CHANGED if current.secret != account.secret else None
