"""What connections cost: at rest, logins, POST /new, and thousands that wait."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from functools import partial

from .imap import Mailbox
from .mail import Sender, Tally
from .payload import Messages
from .probe import Meter
from .report import Faults, Result, quantile
from .run import AT_ONCE, MS, Bench, log_in, side_by_side
from .server import Account
from .web import new_account


async def rest(bench: Bench) -> Result:
    """Memory of a server that nobody has talked to."""
    meter = Meter(bench.probe)
    bench.status("at rest")
    await asyncio.sleep(min(1.0, bench.plan.hold))
    cost = meter.stop()
    values = {"rest_memory": bench.probe.memory() / 1e6, "rest_resident": bench.probe.memory("Rss:") / 1e6}
    return Result("rest", "At rest", values, Faults(), 0, cost.generator, cost.others)


async def login(bench: Bench) -> Result:
    """First logins, which create accounts, then later ones, all with a TLS handshake of their own."""
    count, faults = bench.plan.accounts, Faults()
    accounts = [bench.server.invent() for _ in range(count)]
    logins = [partial(log_in, bench.server, account) for account in accounts]
    bench.status(f"{count} first logins")
    meter = Meter(bench.probe)
    first = await side_by_side(logins, faults)
    first_cost = meter.stop()
    bench.pool += accounts
    bench.status(f"{2 * count} later logins")
    meter = Meter(bench.probe)
    again = await side_by_side(logins * 2, faults)
    cost = meter.stop()
    values = {
        "login_first": len(first) / first_cost.seconds,
        "login_first_cpu": MS * first_cost.server / max(len(first), 1),
        "login_again": len(again) / cost.seconds,
        "login_again_time": MS * quantile(again, 0.5),
        "login_again_cpu": MS * cost.server / max(len(again), 1),
    }
    title = f"{count} accounts created and logged in again, {AT_ONCE} at once"
    generator = first_cost.generator + cost.generator
    others = max(first_cost.others, cost.others)
    return Result("login", title, values, faults, 3 * count, generator, others)


async def new(bench: Bench) -> Result:
    """POST /new, each on a connection of its own as a phone does it."""
    count, faults, server = bench.plan.requests, Faults(), bench.server
    proposed: dict[str, str] = {}

    async def ask() -> None:
        address, password = await new_account(server.host, server.https, server.domain)
        proposed[address] = password

    bench.status(f"{count} POST /new")
    meter = Meter(bench.probe)
    times = await side_by_side([ask] * count, faults)
    cost = meter.stop()
    if len(proposed) < len(times):
        faults.add("proposed twice", f"{len(times)} answers, {len(proposed)} addresses")
    await side_by_side([partial(log_in, server, account) for account in list(proposed.items())[:1]], faults)
    values = {
        "new_rate": len(times) / cost.seconds,
        "new_time": MS * quantile(times, 0.5),
        "new_cpu": MS * cost.server / max(len(times), 1),
    }
    title = f"{count} POST /new, {AT_ONCE} at once"
    return Result("new", title, values, faults, count, cost.generator, cost.others)


async def idle(bench: Bench) -> Result:
    """Memory of connections that wait in IDLE, and whether mail still wakes all of the right ones and no other."""
    plan, server, probe, faults = bench.plan, bench.server, bench.probe, Faults()
    accounts = await bench.accounts(plan.accounts)
    before = probe.memory()
    boxes: list[tuple[int, Mailbox]] = []

    async def wait(owner: int) -> None:
        box = await Mailbox.login(server.host, server.imap, *accounts[owner])
        await box.command("SELECT INBOX")
        await box.idle()
        boxes.append((owner, box))
        if len(boxes) % 100 == 0:
            bench.status(f"{len(boxes)} of {plan.waits} connections wait")

    owners = [i % len(accounts) for i in range(plan.waits)]
    await side_by_side([partial(wait, owner) for owner in owners], faults, at_once=30)
    bench.status(f"{len(boxes)} connections wait for {plan.hold:g} s")
    meter = Meter(probe)
    await asyncio.sleep(plan.hold)
    cost = meter.stop()
    values = {
        "idle_memory": (probe.memory() - before) / 1024 / max(len(boxes), 1),
        "idle_cpu": MS * cost.server / cost.seconds,
    }
    bench.status(f"waking {plan.wakes} mailboxes")
    times = await _wake(bench, accounts, boxes, faults)
    values["idle_wake"] = MS * quantile(times, 0.5)
    for _, box in boxes:
        if box.lost:
            faults.add("connection lost", str(box.lost))
        box.close()
    await asyncio.sleep(0.2)  # let the server see them go before the next scenario
    title = f"{plan.waits} connections in IDLE, of {len(accounts)} accounts"
    checked = plan.waits + plan.wakes
    return Result("idle", title, values, faults, checked, cost.generator, cost.others)


async def _wake(
    bench: Bench, accounts: Sequence[Account], boxes: Sequence[tuple[int, Mailbox]], faults: Faults
) -> list[float]:
    """Seconds from submission until the last connection of the addressed mailbox was told."""
    tally = Tally(Messages((4096,)))
    sender = await Sender(bench.server, accounts[0], tally).open()
    times = []
    for number, owner in enumerate(random.sample(range(len(accounts)), bench.plan.wakes)):
        told = {id(box): box.exists for _, box in boxes}
        due = [box for other, box in boxes if other == owner]
        for copy in await sender.send(number, [owner], [accounts[owner][0]]):
            end = time.monotonic() + 10
            while any(box.exists == told[id(box)] for box in due) and time.monotonic() < end:
                await asyncio.sleep(0.002)
            await asyncio.sleep(0.05)  # so that a wake-up of the wrong mailbox is seen too
            if missed := sum(box.exists != told[id(box)] + 1 for box in due):
                faults.add("not woken", f"{missed} of {len(due)} connections of one mailbox")
            else:
                times.append(max(box.arrivals[-1] for box in due) - copy.sent)
        if wrong := sum(box.exists != told[id(box)] for other, box in boxes if other != owner):
            faults.add("woken for nothing", f"{wrong} connections of other mailboxes")
    sender.close()
    for name in tally.faults.counts:
        faults.add(name, "; ".join(tally.faults.samples))
    return times
