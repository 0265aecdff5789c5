"""The rows of the queue, and what the commands say of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from chatgate.api import Gateway, Queued, Reply
from chatgate_courier.policy import Policies

_PAGE = 1000


def rows(gateway: Gateway, after: int = 0) -> Iterator[Queued]:
    """The whole queue, or what comes after this id, by ascending id."""
    page = gateway.store.queue(after, _PAGE)
    while page:
        yield from page
        page = gateway.store.queue(page[-1].id, _PAGE)


def data(row: Queued, policies: Policies, now: float) -> dict[str, Any]:
    """For JSON. now: Unix seconds."""
    held = row.held or policies.of(row.domain).hold
    return {
        "id": row.id,
        "trace": row.trace,
        "sender": row.sender,
        "recipient": row.recipient,
        "domain": row.domain,
        "octets": row.size,
        "came": row.came,
        "due": row.due,
        "expires": row.expires,
        "attempts": row.attempts,
        "frozen": held,
        "reply": told_reply(row.reply),
        "age_seconds": round(now - row.came),
    }


def told_reply(reply: Reply | None) -> str:
    """What the other server said last; "" if that is not known."""
    return f"{reply.code} {reply}" if reply else ""


def line(row: Queued, frozen: bool, now: float) -> str:
    """A line of a list."""
    when = "frozen" if frozen else "now" if row.due <= now else f"in {span(row.due - now)}"
    tries = f"{row.attempts:>3} {'try  ' if row.attempts == 1 else 'tries'}"
    facts = f"{row.id:>8}  {row.trace or '-':12}  {span(now - row.came):>6}  {when:>10}  {tries}"
    return f"{facts}  <{row.sender}> to <{row.recipient}>"


def count(number: int, what: str) -> str:
    """Such as "1 row" and "2 rows"."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def span(seconds: float) -> str:
    """A time in the largest unit of which there are two."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def why(row: Queued, policies: Policies, now: float) -> str:
    """Why it still waits, in words."""
    policy = policies.of(row.domain)
    if row.held:
        return f"it is frozen; given up at {moment(row.expires)}"
    if policy.hold:
        return f"mail for {row.domain} is frozen; given up at {moment(row.expires)}"
    if policy.deny:
        return f"mail for {row.domain} is denied, and will be given up when it is due, {moment(row.due)}"
    said = f"the last answer was: {told_reply(row.reply)}" if row.reply else "no answer is known"
    if row.due <= now:
        return f"it is due; {said}" if row.attempts else "it is due, and was not tried yet"
    if not row.attempts:
        return f"its domain did not answer others; it is tried in {span(row.due - now)}"
    tried = f"it was tried {count(row.attempts, 'time')}; {said}"
    return f"{tried}; it is tried again, or being tried, within {span(row.due - now)}"


def moment(at: float) -> str:
    """at: Unix seconds."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
