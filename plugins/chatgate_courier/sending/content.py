"""The octets of a message in the queue."""

from __future__ import annotations

from chatgate.api import Queued, Store

HEAD = 65536  # octets that are looked at for the header


def read(store: Store, row: Queued, most: int | None = None) -> bytes | None:
    """The message of this row, or its first `most` octets; None when the row is gone: dropped by the operator, or
    settled by whoever had it before.
    """
    opened = store.open_queued(row.id)
    if opened is None:
        return None
    try:
        return opened.read(0, opened.size if most is None else min(opened.size, most))
    finally:
        opened.close()
