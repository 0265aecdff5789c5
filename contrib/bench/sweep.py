"""`python -m contrib.bench.sweep`: how fast old mail goes, and what deliveries notice of it.

Fills a store in a temporary folder with messages of all ages, measures deliveries without and beside a sweep, and
checks the store afterwards. With --kill another process sweeps and is killed in the middle; the store must be sound.
"""

from __future__ import annotations

# First of all, as in the gateway itself.
from gevent import monkey

monkey.patch_all()

# ruff: noqa: E402
import argparse
import logging
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import gevent
import gevent.event
from chatgate_maildb import MailDb, MailDbOptions
from chatgate_maildb.store import MailStore
from chatgate_maildb.writer import Transaction
from chatgate_sweeper import Sweeper, SweeperOptions
from chatgate_sweeper.sweep import Sweep

from chatgate.api import Delivery
from chatgate.hosting.confd import Config, Enabled
from chatgate.hosting.options import CoreOptions
from chatgate.running.gateway import Gateway

from .report import quantile

DAY = 86400
_DUE = 0.05  # of all messages
_COPIES = 4  # mailboxes that a message goes to: groups are what makes many messages
_RATE = 200  # deliveries a second
_SETTLE = 1000  # deliveries measured without the sweep


def main() -> int:
    """Exit status 1: the store is not sound, or not exactly what is due went."""
    options = _arguments()
    logging.basicConfig(level=logging.WARNING)
    if options.sweep_only:
        _sweep_only(Path(options.sweep_only))
        return 0
    folder = Path(tempfile.mkdtemp(prefix="chatgate-sweep-", dir=options.folder))
    try:
        return _measure(folder, options)
    finally:
        shutil.rmtree(folder)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="contrib.bench.sweep", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--accounts", type=int, default=20_000)
    parser.add_argument("--octets", type=int, default=1000, help="of a message")
    parser.add_argument("--folder", help="where to make the temporary folder: which disk")
    parser.add_argument("--kill", action="store_true", help="kill a sweeping process in the middle")
    parser.add_argument("--sweep-only", metavar="FOLDER", help=argparse.SUPPRESS)
    return parser.parse_args()


def _gateway(folder: Path) -> Gateway:
    plugins = Enabled("maildb", MailDb, MailDbOptions()), Enabled("sweeper", Sweeper, SweeperOptions())
    return Gateway(Config(folder, CoreOptions(domain="example.org"), plugins))


def _measure(folder: Path, options: argparse.Namespace) -> int:
    gateway = _gateway(folder)
    store, now, faults = cast(MailStore, gateway.store), time.time(), 0
    for services in gateway.hub.services.or_raise(gateway=gateway):
        for service in services:
            service.bind()  # as where it serves: commands tell the gateway what they change, the gateway nobody
    began = time.monotonic()
    due = _fill(store, options, now)
    found = [store.mailbox(account.id, "INBOX") for account in store.accounts(limit=200)]
    deliveries = [Delivery("", box.id, box.account_id) for box in found if box is not None]
    print(f"filled: {options.messages} messages, {due} due, in {time.monotonic() - began:.0f} s")
    print(f"database: {_size(folder):.0f} MB")

    alone: list[float] = []
    _deliver(store, deliveries, options.octets, alone, until=lambda: len(alone) >= _SETTLE)
    _say("delivery alone", alone)
    if options.kill:
        faults += _killed(folder, due)
    before, beside, holds = _memory(), list[float](), list[float]()
    done = gevent.event.Event()
    others = gevent.spawn(_deliver, store, deliveries, options.octets, beside, until=done.is_set)
    watch = gevent.spawn(_watch, holds)
    began = time.monotonic()
    sweep = Sweep(gateway, SweeperOptions(), now)
    sweep._remove_due()
    removed_in, removed = time.monotonic() - began, sweep.report.messages
    cleaned = store.expire(now)
    took = time.monotonic() - began
    done.set()
    others.join()
    watch.kill()
    print(f"removed: {removed} in {removed_in:.1f} s = {removed / removed_in:.0f}/s  (target 20000/s)")
    print(f"cleaned up: {cleaned} in {took - removed_in:.1f} s more")
    _say("delivery beside both", beside)
    ratio = quantile(beside, 0.99) / quantile(alone, 0.99)
    print(f"  99 % beside / 99 % alone: {ratio:.1f}  (target 2)")
    print(f"longest stop of the hub: {max(holds) * 1000:.0f} ms, 99 %: {quantile(holds, 0.99) * 1000:.0f} ms")
    print(f"memory: {before:.0f} MB before, {_memory():.0f} MB after")
    store.close()
    del gateway.__dict__["store"]
    print(f"database: {_size(folder):.0f} MB")
    problems = gateway.store.integrity()
    for problem in problems:
        print(f"FAULT: {problem}")
    if not options.kill and removed != due:
        print(f"FAULT: {due} were due")
        faults += 1
    gateway.stop()
    return bool(problems or faults)


def _fill(store: MailStore, options: argparse.Namespace, now: float) -> int:
    """Straight into the tables, as it would take an hour through the door. Returns how many messages are due."""
    draw = random.Random(1)
    for n in range(options.accounts):
        gevent.spawn(store.create_account, f"u{n:06}@example.org", "")
        if n % 1000 == 999:
            gevent.wait()
    gevent.wait()
    boxes = [box for (box,) in store.reader.rows("SELECT id FROM mailbox WHERE name='INBOX'")]
    uids = dict.fromkeys(boxes, 0)
    content, due = os.urandom(options.octets // 2).hex().encode(), int(options.messages * _DUE)
    oldest, line = int(now) - 21 * DAY, int(now) - 20 * DAY

    def rows(start: int, stop: int) -> Iterator[tuple]:
        """In the order of their coming, so the oldest have the lowest UIDs and body ids."""
        for n in range(start, stop):
            if n % _COPIES == 0:
                chosen = draw.sample(boxes, _COPIES)
            box = chosen[n % _COPIES]
            uids[box] += 1
            date = oldest + (n * (line - oldest - 10)) // due if n < due else line + 60 + n % (19 * DAY)
            yield box, uids[box], n // _COPIES + 1, 2, "", len(content), date

    for start in range(0, options.messages, 20_000):
        stop = min(options.messages, start + 20_000)

        def work(tx: Transaction, start: int = start, stop: int = stop) -> None:
            bodies = ((n // _COPIES + 1, len(content), 10, content) for n in range(start, stop, _COPIES))
            connection = tx.database.connection()
            connection.executemany("INSERT INTO body (id, size, header_size, data) VALUES (?, ?, ?, ?)", bodies)
            copies = ((n // _COPIES + 1, _COPIES) for n in range(start, stop, _COPIES))
            connection.executemany("INSERT INTO shared (body_id, copies) VALUES (?, ?)", copies)
            connection.executemany(
                """INSERT INTO message (mailbox_id, uid, body_id, modseq, flags, size, date)
                VALUES (?, ?, ?, ?, ?, ?, ?)""",
                rows(start, stop),
            )

        store.writer.run(work)
    count = """UPDATE mailbox SET modseq=2, messages=n, unseen=n, octets=n*?, uidnext=n+1
        FROM (SELECT mailbox_id, count(*) n FROM message GROUP BY mailbox_id) WHERE id=mailbox_id"""
    store.writer.run(lambda tx: tx.execute(count, (len(content),)).rowcount)
    return due


def _deliver(
    store: MailStore, deliveries: list[Delivery], octets: int, times: list[float], until: Callable[[], bool]
) -> None:
    """At a steady rate, whatever the store does: one that waits does not keep others from coming."""

    def one(n: int) -> None:
        began = time.monotonic()
        store.store(b"x" * octets, [deliveries[n % len(deliveries)]])
        times.append(time.monotonic() - began)

    following, n, running = time.monotonic(), 0, []
    while not until():
        running.append(gevent.spawn(one, n))
        n += 1
        following += 1 / _RATE
        gevent.sleep(max(0.0, following - time.monotonic()))
    gevent.joinall(running)


def _watch(holds: list[float]) -> None:
    """How long nobody else gets a turn."""
    last = time.monotonic()
    while True:
        gevent.sleep(0.001)
        now = time.monotonic()
        holds.append(now - last - 0.001)
        last = now


def _sweep_only(folder: Path) -> None:
    gateway = _gateway(folder)
    _ = gateway.store
    Sweep(gateway, SweeperOptions(), time.time(), tell=lambda messages: print(messages, flush=True)).everything()


def _killed(folder: Path, due: int) -> int:
    """Kill another sweeping process half-way; 1 when the store is damaged."""
    command = [sys.executable, "-m", "contrib.bench.sweep", "--sweep-only", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        gone = 0
        for line in process.stdout:
            gone += int(line)
            if gone >= due // 2:
                process.send_signal(signal.SIGKILL)
                break
    gateway = _gateway(folder)
    problems = gateway.store.integrity()
    gateway.stop()
    print(f"killed after {gone} messages: {'sound' if not problems else problems}")
    return bool(problems)


def _say(what: str, times: list[float]) -> None:
    figures = ", ".join(f"{name} {quantile(times, q) * 1000:.1f} ms" for name, q in (("median", 0.5), ("99 %", 0.99)))
    print(f"{what}: {figures} of {len(times)}")


def _memory() -> float:
    """MB of this process at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def _size(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


if __name__ == "__main__":
    sys.exit(main())
