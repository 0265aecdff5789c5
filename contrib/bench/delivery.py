"""What mail costs: from submission to IDLE to FETCH to expunge, at a steady rate, at saturation, to a group."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Sequence

from .mail import Reader, Sender, Tally
from .payload import Messages
from .probe import Meter
from .report import Result, quantile
from .run import MS, Bench
from .server import Account


async def rate(bench: Bench) -> Result:
    """The life of messages that come at a steady rate: how long each step takes."""
    plan = bench.plan
    return await _deliver(bench, "rate", int(plan.rate * plan.seconds), plan.rate)


async def full(bench: Bench) -> Result:
    """As many messages as the server takes."""
    return await _deliver(bench, "full", bench.plan.full, 0.0)


async def _deliver(bench: Bench, name: str, count: int, per_second: float) -> Result:
    plan, tally = bench.plan, Tally(Messages(bench.plan.sizes))
    accounts = await bench.accounts(plan.senders + plan.readers)
    addresses = [address for address, _ in accounts[: plan.readers]]
    bench.status(f"{count} messages" + (f" at {per_second:g}/s" if per_second else " as fast as the server takes them"))
    readers, senders = await _crew(bench, accounts[: plan.readers], accounts[plan.readers :], tally)
    tasks = [asyncio.create_task(reader.run()) for reader in readers]
    gc.collect()
    gc.disable()  # a pause of the generator would show as one of the server
    meter, begun = Meter(bench.probe), time.monotonic()
    await asyncio.gather(
        *(
            sender.send_all(
                range(index, count, len(senders)),
                lambda number: number % len(readers),
                addresses,
                (lambda number: begun + number / per_second) if per_second else (lambda number: 0.0),
            )
            for index, sender in enumerate(senders)
        )
    )
    await tally.settle()
    cost = meter.stop()
    gc.enable()
    memory = bench.probe.memory()
    await _dismiss(readers, senders, tasks, tally)
    copies = tally.received()
    each = {
        "accept": [copy.accepted - copy.sent for copy in copies],
        "exists": [copy.exists - copy.sent for copy in copies],
        "fetch": [copy.fetched - copy.sent for copy in copies],
        "expunge": [copy.expunged - copy.sent for copy in copies if copy.expunged],
    }
    cpu = MS * cost.server / max(len(copies), 1)
    if per_second:
        values = {f"rate_{step}": MS * quantile(times, 0.5) for step, times in each.items()}
        values |= {"rate_exists_p99": MS * quantile(each["exists"], 0.99), "rate_cpu": cpu}
        title = f"{count} messages at {per_second:g}/s"
    else:
        last = max((copy.expunged for copy in copies), default=begun)
        values = {
            "full_rate": len(copies) / max(last - begun, 1e-9),
            "full_cpu": cpu,
            "full_exists": MS * quantile(each["exists"], 0.5),
            "full_memory": memory / 1e6,
        }
        title = f"{count} messages, {plan.senders} senders to {plan.readers} readers, as fast as the server takes them"
    return Result(name, title, values, tally.faults, count, cost.generator, cost.others)


async def burst(bench: Bench) -> Result:
    """Messages to a group whose members all read and delete at once, one after the other."""
    plan, tally = bench.plan, Tally(Messages(bench.plan.sizes))
    accounts = await bench.accounts(plan.group + 1)
    addresses = [address for address, _ in accounts[: plan.group]]
    readers, senders = await _crew(bench, accounts[: plan.group], accounts[plan.group : plan.group + 1], tally)
    tasks = [asyncio.create_task(reader.run()) for reader in readers]
    meter, whole = Meter(bench.probe), []
    gc.collect()
    gc.disable()
    for number in range(plan.bursts):
        bench.status(f"burst {number + 1} of {plan.bursts} to {plan.group} readers")
        copies = await senders[0].send(number, range(plan.group), addresses)
        await tally.settle(copies)
        if copies and all(copy.expunged for copy in copies):
            whole.append(copies)
    cost = meter.stop()
    gc.enable()
    await _dismiss(readers, senders, tasks, tally)
    last = [max(copy.fetched - copy.sent for copy in copies) for copies in whole]
    values = {
        "burst_accept": MS * _median([copies[0].accepted - copies[0].sent for copies in whole]),
        "burst_last": MS * _median(last),
        "burst_worst": MS * max(last, default=0.0),
        "burst_expunged": MS * _median([max(copy.expunged - copy.sent for copy in copies) for copies in whole]),
    }
    title = f"{plan.bursts} messages to {plan.group} readers who delete at once"
    checked = plan.bursts * plan.group
    return Result("burst", title, values, tally.faults, checked, cost.generator, cost.others)


async def _crew(
    bench: Bench, reading: Sequence[Account], sending: Sequence[Account], tally: Tally
) -> tuple[list[Reader], list[Sender]]:
    readers = [await Reader.open(bench.server, account, i, tally) for i, account in enumerate(reading)]
    senders = [await Sender(bench.server, account, tally).open() for account in sending[: bench.plan.senders]]
    return readers, senders


async def _dismiss(
    readers: Sequence[Reader], senders: Sequence[Sender], tasks: Sequence[asyncio.Task[None]], tally: Tally
) -> None:
    await asyncio.sleep(0.1)  # what comes twice comes now
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.gather(*(reader.close() for reader in readers))
    for sender in senders:
        sender.close()
    tally.close()


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else 0.0
