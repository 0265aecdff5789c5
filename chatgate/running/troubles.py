"""What the core itself knows to be wrong: with its plugins, its services, and the turning of the hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatgate.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatgate.running.gateway import Gateway

# A stall that is this long, or one of so many, is worth a word; a busy machine causes shorter ones now and then.
_LONG, _OFTEN = 5.0, 3

_LOG = "journalctl -u chatgate --grep"


def of_core(gateway: Gateway) -> list[Trouble]:
    """Those of this process."""
    return [*_unguarded(gateway), *_left_out(gateway), *_failing(gateway), *_services(gateway), *_stalls(gateway)]


def _unguarded(gateway: Gateway) -> Iterator[Trouble]:
    if not gateway.hub.guarded:
        what = "no plugin that is a gate is enabled: unencrypted mail is taken and delivered"
        yield Trouble("gate", what, 0, "chatgate plugins enable gate, then restart the gateway")


def _left_out(gateway: Gateway) -> Iterator[Trouble]:
    for one in gateway.left_out:
        what = f"the plugin {one.name} could not be used at the start and is left out: {_line(one.reason)}"
        yield Trouble(f"plugin:{one.name}", what, 0, "chatgate check says what is wrong; then restart the gateway")


def _failing(gateway: Gateway) -> Iterator[Trouble]:
    """One for each plugin, by the hook that has failed for longest."""
    since: dict[str, tuple[float, str, int]] = {}
    for (plugin, hook), tally in list(gateway.hub.tallies.items()):
        began = tally.failing.since()
        if began is not None and (plugin not in since or began < since[plugin][0]):
            since[plugin] = began, hook, tally.failing.count
    for plugin, (began, hook, count) in since.items():
        times = "once" if count == 1 else f"{count} times"
        what = f"the plugin {plugin} failed {times} when it was asked chatgate_{hook}"
        yield Trouble(f"plugin:{plugin}", what, began, f"{_LOG} 'hook failed.*plugin={plugin}'")


def _services(gateway: Gateway) -> Iterator[Trouble]:
    for service in gateway.services:
        failing = getattr(service, "failing", None)
        if failing is not None and (began := failing.since()) is not None:
            times = "once" if failing.count == 1 else f"{failing.count} times"
            what = f"the service {service.name} ended by itself {times} and was begun anew"
            yield Trouble(f"service:{service.name}", what, began, f"{_LOG} 'service ended service={service.name}'")


def _stalls(gateway: Gateway) -> Iterator[Trouble]:
    watch = gateway.watch
    if watch is not None and (began := watch.lately.since()) is not None:
        late, found = watch.worst
        if late < _LONG and watch.lately.count < _OFTEN:
            return
        count = f", {watch.lately.count} times" if watch.lately.count > 1 else ""
        plugin = found.partition("plugin=")[2].partition(" ")[0]
        by = f" (plugin {plugin})" if plugin not in ("", "-") else ""
        what = f"the gateway stood still{count}, for up to {late:.1f} s{by}: everybody had to wait"
        yield Trouble("stall", what, began, f"{_LOG} 'hub stands still'")


def _line(text: str) -> str:
    """Of an error, which may have any length and line breaks."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:300]
