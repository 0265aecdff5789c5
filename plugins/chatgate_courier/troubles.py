"""What the operator should know of the queue, and of servers that cannot be reached."""

from __future__ import annotations

from collections.abc import Iterator

from chatgate.api import Gateway, Store, Trouble
from chatgate_courier.options import CourierOptions
from chatgate_courier.sending.handing import Ways
from chatgate_courier.transport import Transports
from chatgate_courier.waiting import span

_MOST = 20  # servers that are named; those that are down for longest stay the same as long as they are


def troubles(gateway: Gateway, options: CourierOptions, transports: Ways, now: float) -> list[Trouble]:
    """transports: those of this process. now: Unix seconds."""
    unreachable = transports.unreachable() if isinstance(transports, Transports) else []
    return [*_queue(gateway.store, options, now), *_down(unreachable, options, now)]


def _queue(store: Store, options: CourierOptions, now: float) -> Iterator[Trouble]:
    due = store.next_due()
    if due is not None and now - due > options.late_seconds:
        what = f"mail to other servers is not handed on: some should have been tried {span(now - due)} ago"
        yield Trouble("queue:late", what, due, "chatgate queue list; journalctl -u chatgate --grep 'queue|courier'")
    count = store.count_queue()
    if count > options.many_waiting:
        what = f"{count} messages to other servers wait in the queue"
        do = "chatgate queue list shows to whom; whoever sends that much: chatgate accounts disable ADDRESS"
        yield Trouble("queue:long", what, 0, do)


def _down(down: list[tuple[str, float, tuple[str, ...]]], options: CourierOptions, now: float) -> Iterator[Trouble]:
    long = sorted((one for one in down if now - one[1] > options.unreachable_seconds), key=lambda one: one[1])
    for name, since, domains in long[:_MOST]:
        domain = name.removeprefix("@") if name.startswith("@") else domains[0] if domains else name
        what = (
            f"the DNS does not answer for {domain}" if name.startswith("@") else f"the server {name} cannot be reached"
        )
        do = f"chatgate doctor {domain}; chatgate queue list --domain {domain}"
        yield Trouble(f"breaker:{name}", f"{what}, so mail for it waits", since, do)
