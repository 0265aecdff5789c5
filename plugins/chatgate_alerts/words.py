"""The messages, as people read them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from chatgate_alerts.watching import Event

_MOST = 30  # events that one message names


class Message(NamedTuple):
    """id: its name everywhere, by which a receiver knows that it has it already. title: a few words. text: all of it,
    some lines. facts: for programs, as JSON.
    """

    id: str
    title: str
    text: str
    facts: dict[str, Any]


def message(id: str, gateway: str, events: Sequence[Event]) -> Message:
    """gateway: its name. events: at least one; several are put together."""
    if len(events) == 1:
        title, text = _title(gateway, events[0]), _text(events[0])
    else:
        begun = sum(event.kind == "begin" for event in events)
        title = f"{gateway}: {begun} troubles, {len(events) - begun} over"
        text = "\n\n".join(_text(event) for event in events[:_MOST])
        if len(events) > _MOST:
            text += f"\n\nand {len(events) - _MOST} more: chatgate alerts list"
    facts = {"id": id, "gateway": gateway, "title": title, "events": [_facts(event) for event in events[:_MOST]]}
    return Message(id, title, f"{title}\n\n{text}" if len(events) > 1 else f"{gateway}\n\n{text}", facts)


def list_lines(events: Sequence[Event]) -> list[str]:
    """For a terminal and for who has just come."""
    return [line for event in events for line in (*_text(event).splitlines(), "")][:-1]


def _title(gateway: str, event: Event) -> str:
    state = {"begin": "trouble", "end": "over", "test": "test"}[event.kind]
    return f"{gateway}: {state}: {event.trouble.key}"


def _text(event: Event) -> str:
    trouble = event.trouble
    what = trouble.what[:1].upper() + trouble.what[1:]
    if event.kind == "test":
        return f"🔔 {what}."
    lasted = span(event.at - trouble.since)
    if event.kind == "end":
        return f"✅ Over after {lasted}: {trouble.what}."
    return f"⚠️ {what}.\nSince {moment(trouble.since)} ({lasted}).\nTo do: {trouble.do}"


def _facts(event: Event) -> dict[str, Any]:
    trouble = event.trouble
    return {
        "event": event.kind,
        "key": trouble.key,
        "what": trouble.what,
        "since": _iso(trouble.since),
        "at": _iso(event.at),
        "do": trouble.do,
    }


def moment(at: float) -> str:
    """at: Unix seconds, whatever they are."""
    return time.strftime("%A %d %B, %H:%M UTC", time.gmtime(_sane(at)))


def span(seconds: float) -> str:
    """A length of time, in the largest unit of which there are two."""
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return "a minute" if seconds >= 60 else "less than a minute"


def _iso(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(_sane(at)))


def _sane(at: float) -> float:
    """What a bent clock or plugin says may be no year that can be written."""
    return min(max(at, 0.0), 253_402_300_799.0)
