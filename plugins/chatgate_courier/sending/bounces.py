"""Rows that are given up: the sender is told, in the transaction that removes them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence

import gevent

from chatgate.api import Failure, Gateway, Queued, Reply, Stored, StoreError
from chatgate_courier.sending import content

log = logging.getLogger("chatgate.courier")

_GATHER = 1.0  # seconds for which failures of one message are gathered into one notice
_AGAIN = 300.0  # seconds until a notice that could not be made is tried again

Failed = Sequence[tuple[Queued, Failure]]


def expired(row: Queued, days: float) -> Failure:
    """Why a row that is too old is given up."""
    last = f": {row.reply.text}" if row.reply else ""
    if row.held:
        return Failure(row.recipient, "5.4.7", "the operator of this server has kept it back for too long")
    return Failure(row.recipient, "5.4.7", f"it was tried for {days:.1f} days{last}")


class Bounces:
    """done: told of rows that are not worked on any more."""

    def __init__(
        self,
        gateway: Gateway,
        done: Callable[[Iterable[Queued]], object],
        clock: Callable[[], float] = time.time,
        gather: float = _GATHER,
    ) -> None:
        self._gateway, self._done, self._clock, self._gather = gateway, done, clock, gather
        self._waiting: dict[int, list[tuple[Queued, Failure]]] = {}

    def add(self, failed: Failed) -> None:
        """Give up these rows of one message. Returns at once: what fails a moment later goes into the same notice.
        Until that is on disk, the rows are in the queue; whoever claims them after a kill tries them once more.
        """
        message = failed[0][0].message
        if message not in self._waiting:
            gevent.spawn_later(self._gather, self._tell, message)
        self._waiting.setdefault(message, []).extend(failed)

    def flush(self) -> None:
        """Tell of all that waits, now."""
        gevent.joinall([gevent.spawn(self._tell, message) for message in list(self._waiting)])

    def _tell(self, message: int) -> None:
        failed = self._waiting.pop(message, [])
        if not failed:
            return
        rows = [row for row, _ in failed]
        try:
            self._settle(rows, [failure for _, failure in failed])
        except StoreError as error:
            log.warning("not given up yet id=%s error=%s", rows[0].trace or "-", type(error).__name__)
        finally:
            self._done(rows)

    def _settle(self, rows: list[Queued], failures: list[Failure]) -> None:
        store, trace = self._gateway.store, rows[0].trace or "-"
        notice = None
        if rows[0].sender:  # RFC 5321 §4.5.5: nobody is told of a notice that did not arrive
            head = content.read(store, rows[0], content.HEAD)
            if head is None:
                return
            notice = self._gateway.intake.notice(rows[0].sender, head, failures)
        if isinstance(notice, Reply):
            store.postpone(rows, self._clock() + _AGAIN)
            log.error("no notice can be made now id=%s code=%d", trace, notice.code)
            return
        settled = store.settle(rows, None if notice is None else (notice.content, notice.destination))
        if notice is not None and isinstance(settled.notice, Stored):
            self._gateway.hub.stored(envelope=notice.envelope, stored=[settled.notice])
        told = notice.envelope.id if notice is not None and settled.notice is not None else "-"
        for domain in sorted({row.domain for row in rows}):
            these = [one for row, one in zip(rows, failures, strict=True) if row.domain == domain]
            facts = trace, domain, these[0].host, len(these), these[0].status, told
            log.info("bounced id=%s domain=%s host=%s recipients=%d status=%s notice=%s", *facts)
