"""What the core measures of itself: messages, refusals, sessions, plugins, the hub, the process."""

from __future__ import annotations

import gc
import os
import platform
import resource
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from chatgate import __version__
from chatgate.metrics import Counter, Metric
from chatgate.network.server import Server

if TYPE_CHECKING:
    from chatgate.running.gateway import Gateway

_PAGE = os.sysconf("SC_PAGE_SIZE")
_STARTED = time.time()


def of_core(gateway: Gateway) -> list[Metric]:
    """Those of this process."""
    return [
        *_messages(gateway),
        *_sessions(gateway),
        *_plugins(gateway),
        *_stalls(gateway),
        *_troubles(gateway),
        *_process(gateway),
    ]


def _messages(gateway: Gateway) -> Iterator[Metric]:
    intake = gateway.intake
    yield Metric(
        "chatgate_messages",
        "Messages that were complete, by who brought them and whether they were taken",
        "counter",
        ("origin", "outcome"),
        dict(intake.messages.counts),
    )
    yield Metric(
        "chatgate_copies",
        "Copies of messages that were stored, in mailboxes here or in the queue of mail that goes elsewhere",
        "counter",
        ("to",),
        dict(intake.copies.counts),
    )
    yield Metric(
        "chatgate_refusals",
        "What was refused: at which step, by which plugin, with which reply and enhanced status code",
        "counter",
        ("step", "plugin", "code", "status"),
        dict(gateway.hub.refusals.counts),
    )
    yield Metric.single(
        "chatgate_delivery_seconds",
        "From the sender's name (MAIL) to the wake-up of who reads: with the time the client took to send",
        "histogram",
        intake.delivery,
        "seconds",
    )
    yield Metric.single(
        "chatgate_intake_seconds",
        "From the end of a message to its being on disk: filters, edits, store",
        "histogram",
        intake.taking,
        "seconds",
    )


def _sessions(gateway: Gateway) -> Iterator[Metric]:
    servers = [one for one in gateway.services if isinstance(one, Server)]
    open_now: dict[tuple[str, ...], float] = {}
    turned_away: dict[tuple[str, ...], float] = {}
    for server in servers:
        strangers, known = server.seats.taken
        open_now |= {(server.name, "no"): strangers, (server.name, "yes"): known}
        turned_away |= {(server.name, "refused"): server.seats.refused, (server.name, "cut"): server.seats.displaced}
    yield Metric(
        "chatgate_connections",
        "Open connections, by service and whether somebody is logged in",
        "gauge",
        ("service", "known"),
        open_now,
    )
    yield Metric(
        "chatgate_connections_accepted",
        "Connections that were accepted",
        "counter",
        ("service",),
        {(one.name,): one.accepted for one in servers},
    )
    yield Metric(
        "chatgate_connections_turned_away",
        "Connections for which there was no place, or that had to give theirs up to others",
        "counter",
        ("service", "how"),
        turned_away,
    )
    attempts = dict(gateway.accounts.attempts.counts)
    yield Metric("chatgate_signups", "Attempts to make an account", "counter", ("way", "outcome"), attempts)
    yield Metric("chatgate_logins", "Logins", "counter", ("service",), dict(gateway.logins.count.counts))
    yield Metric.single("chatgate_accounts_online", "Accounts with a session", "gauge", len(gateway.logins.accounts))


def _plugins(gateway: Gateway) -> Iterator[Metric]:
    tallies = [(key, tally) for key, tally in sorted(gateway.hub.tallies.items()) if tally.calls][:_MOST_TALLIES]
    labels = ("plugin", "hook")
    calls = {key: tally.calls for key, tally in tallies}
    yield Metric("chatgate_hook_calls", "How often hooks of plugins were called", "counter", labels, calls)
    seconds = {key: tally.seconds for key, tally in tallies}
    yield Metric(
        "chatgate_hook_seconds", "What that took, waiting included", "counter", labels, seconds, unit="seconds"
    )
    failures = {key: tally.failures for key, tally in tallies}
    yield Metric("chatgate_hook_failures", "How often they failed", "counter", labels, failures)
    left_out = {(): len(gateway.left_out)}
    yield Metric("chatgate_plugins_left_out", "Plugins that could not be used", "gauge", (), left_out, across="max")


def _stalls(gateway: Gateway) -> Iterator[Metric]:
    watch = gateway.watch
    if watch is None:
        return
    yield Metric.single("chatgate_stalls", "How often the hub stood still", "counter", watch.stalls)
    yield Metric.single("chatgate_stall_seconds", "For how long altogether", "counter", watch.seconds, "seconds")


def _troubles(gateway: Gateway) -> Iterator[Metric]:
    """By kind, which is the first word of their keys: the rest names servers and domains."""
    found = Counter()
    for trouble in gateway.troubles():
        found.add(trouble.key.partition(":")[0], "yes" if trouble.blocks else "no")
    yield Metric(
        "chatgate_troubles",
        "What is wrong right now, by kind, and whether mail does not flow because of it",
        "gauge",
        ("kind", "blocks"),
        dict(found.counts),
        across="max",
    )


def _process(gateway: Gateway) -> Iterator[Metric]:
    def each(value: float) -> dict[tuple[str, ...], float]:
        return {(str(gateway.place.number),): value}

    one = ("process",)
    name = {(__version__, platform.python_version()): 1}
    yield Metric("chatgate_build", "What runs", "gauge", ("version", "python"), name, across="one")
    yield Metric("chatgate_process_start_seconds", "When it began", "gauge", one, each(_STARTED), "seconds")
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = each(used.ru_utime + used.ru_stime)
    yield Metric("chatgate_process_cpu_seconds", "CPU time, of all its threads", "counter", one, cpu, "seconds")
    with open("/proc/self/statm") as statm:
        resident = each(int(statm.read().split()[1]) * _PAGE)
    yield Metric("chatgate_process_resident_bytes", "Memory", "gauge", one, resident, "bytes")
    files = each(len(os.listdir("/proc/self/fd")))
    yield Metric("chatgate_process_open_files", "Open files and sockets", "gauge", one, files)
    most = each(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    yield Metric("chatgate_process_max_files", "How many it may open", "gauge", one, most)
    collections = {(str(gateway.place.number), str(n)): one["collections"] for n, one in enumerate(gc.get_stats())}
    yield Metric(
        "chatgate_gc_collections",
        "Runs of Python's garbage collector, by generation",
        "counter",
        ("process", "generation"),
        collections,
    )


# Of thousands of hooks some would have to do.
_MOST_TALLIES = 1000
