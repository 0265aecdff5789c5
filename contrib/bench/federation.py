"""`python -m contrib.bench.federation`: mail from other servers, to them, and from one gateway to another, with
real DNS, TLS and DKIM, in a network namespace; and what Debian's Postfix with OpenDKIM does there. Needs root, and
what `make test` installs. About two minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from . import report
from .connection import Refused
from .mail import Reader, Sender, Tally
from .mx import Relaying
from .payload import Messages
from .probe import Meter, Probe, raise_open_files
from .report import Faults, Result, quantile
from .run import MS, log_in
from .server import Server

_TESTS = Path(__file__).parents[2] / "tests"
_AT_ONCE = 20  # connections of other servers, and senders and readers
_MESSAGES = 3000
_SECONDS = 60.0  # without a message, and the run is given up


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 1 when a message was lost or refused, 2 when it could not be run."""
    parser = argparse.ArgumentParser(prog="python -m contrib.bench.federation", description=__doc__)
    parser.add_argument("--messages", type=int, default=_MESSAGES, help=f"of each row ({_MESSAGES})")
    parser.add_argument("--only", metavar="ROWS", default="", help=f"some of: {','.join(ROWS)}")
    parser.add_argument("--inside", metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    names = [name for name in ROWS if not options.only or name in options.only.split(",")]
    if options.inside:
        return inside(Path(options.inside), names, options.messages)
    namespace = _test_module("namespace", "clients")
    if reason := namespace.refused():
        print(f"bench: {reason}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="chatgate-bench-") as folder:
        again = [sys.executable, "-m", "contrib.bench.federation", "--messages", str(options.messages)]
        again += ["--only", ",".join(names), "--inside", folder]
        return subprocess.run(namespace.command(Path(folder), {}, again)).returncode


def inside(folder: Path, names: Sequence[str], messages: int) -> int:
    raise_open_files()
    with _test_module("bed", "federation").bed(folder) as bed:
        place = Place(bed, messages)
        results = [ROWS[name](place) for name in names]
    print(report.table(results, judged=True))
    return int(any(result.faults.counts for result in results))


class Place:
    """The bed with what all rows need: two gateways, a server that takes everything, a domain whose mail we sign."""

    def __init__(self, bed: Any, messages: int) -> None:
        self.bed, self.messages = bed, messages
        self.red, self.green = bed.relay(11, "red.example"), bed.relay(12, "green.example")
        self.sink = bed.host(21, "sink.example")
        chain, key = bed.folder / "sink.pem", bed.folder / "sink.key"
        bed.authority.certificate(["sink.example"], chain, key)
        command = [sys.executable, "-m", "contrib.bench.sink", self.sink.address, str(chain), str(key)]
        process = subprocess.Popen([*self.sink.under, *command], stdout=subprocess.PIPE)
        assert process.stdout and process.stdout.readline() == b"ready\n"
        self._key = _key(bed)

    def signed(self, message: bytes) -> bytes:
        dkim = importlib.import_module("dkim")
        signature: bytes = dkim.sign(
            message, b"s", b"sender.example", self._key, include_headers=[b"from", b"to", b"subject", b"date"]
        )
        return signature + message

    def sunk(self, command: str = "") -> tuple[int, float, float]:
        """(messages, when the first came, when the last) of the sink."""
        with socket.create_connection((self.sink.address, 9), 10) as sock:
            sock.sendall(f"{command}\n".encode())
            told = b"".join(iter(lambda: sock.recv(100), b""))
        messages, first, last = json.loads(told)
        return messages, first, last


def server(relay: Any) -> Server:
    return Server(relay.host.address, relay.domains[0], 465, 993, 443, 25, relay.process.pid)


def in_plain(place: Place) -> Result:
    """From other servers, with no signature looked at."""
    (plugin,) = (place.red.folder / "conf.d").glob("*-dkim.toml")
    hidden = plugin.rename(plugin.with_suffix(".off"))
    place.red.start()
    try:
        return asyncio.run(_into_gateway(place, "in_plain", sign=False))
    finally:
        place.red.stop()
        hidden.rename(plugin)


def in_dkim(place: Place) -> Result:
    place.red.start()
    try:
        return asyncio.run(_into_gateway(place, "in_dkim", sign=True))
    finally:
        place.red.stop()


async def _into_gateway(place: Place, name: str, sign: bool) -> Result:
    target = server(place.red)
    accounts = [target.invent() for _ in range(_AT_ONCE)]
    for account in accounts:
        await log_in(target, account)
    return await _into(place, name, target, [address for address, _ in accounts], sign)


async def _into(place: Place, name: str, target: Server, readers: Sequence[str], sign: bool) -> Result:
    """Messages from another server, over _AT_ONCE connections, as fast as they are taken."""
    messages, faults, sender = Messages((4096,)), Faults(), "somebody@sender.example"
    made = [messages.message(number, sender, [readers[number % len(readers)]]) for number in range(place.messages)]
    made = list(map(place.signed, made)) if sign else made
    sessions = [await Relaying.connect(target.host) for _ in range(_AT_ONCE)]
    # The first brings the key into the cache.
    await sessions[0].send(sender, [readers[0]], made[0])

    async def work(index: int) -> None:
        for number in range(index + 1, len(made), _AT_ONCE):
            try:
                await sessions[index].send(sender, [readers[number % len(readers)]], made[number])
            except (OSError, TimeoutError, Refused) as error:
                faults.add("refused", str(error) or type(error).__name__)

    gc.collect()
    gc.disable()
    meter, begun = Meter(Probe(target.pid)), time.monotonic()
    await asyncio.gather(*(work(index) for index in range(_AT_ONCE)))
    seconds, cost = time.monotonic() - begun, meter.stop()
    gc.enable()
    for session in sessions:
        session.close()
    values = {f"{name}_rate": len(made) / seconds, f"{name}_cpu": MS * cost.server / len(made)}
    title = f"{len(made)} messages from another server, {'signed' if sign else 'no DKIM'}"
    return Result(name, title, values, faults, len(made), cost.generator, cost.others)


def out_https(place: Place) -> Result:
    return _out_of_gateway(place, "out_https", "https")


def out_smtp(place: Place) -> Result:
    return _out_of_gateway(place, "out_smtp", "smtp")


def _out_of_gateway(place: Place, name: str, way: str) -> Result:
    """The queue is full when it begins: nothing else costs the gateway anything meanwhile."""
    relay = place.red
    relay.start()
    try:
        relay.command("peers", "set", "sink.example", "hold", f"way={way}")
        asyncio.run(_submit(server(relay), place.messages, "sink.example"))
        place.sunk("reset")
        meter = Meter(Probe(relay.process.pid))
        relay.command("peers", "set", "sink.example", "hold=no")
        time.sleep(2)  # until the gateway has read that: what it looks at before is put off for minutes
        relay.command("queue", "retry", "--domain", "sink.example")
        return _count(place, name, f"{place.messages} messages to one server by {way}, signed", meter)
    finally:
        relay.stop()


async def _submit(source: Server, count: int, domain: str) -> None:
    tally, messages = Tally(Messages((4096,))), range(count)
    accounts = [source.invent() for _ in range(_AT_ONCE)]
    senders = [await Sender(source, account, tally).open() for account in accounts]
    readers = [f"reader{number}@{domain}" for number in range(_AT_ONCE)]
    await asyncio.gather(
        *(
            sender.send_all(messages[index::_AT_ONCE], lambda number: number % _AT_ONCE, readers, lambda number: 0.0)
            for index, sender in enumerate(senders)
        )
    )
    if tally.faults.counts:
        raise Refused(f"not taken: {tally.faults.samples}")
    for sender in senders:
        sender.close()


def _count(place: Place, name: str, title: str, meter: Meter) -> Result:
    """Wait for all messages to come to the sink."""
    faults, moved, before = Faults(), time.monotonic(), -1
    while (now := place.sunk())[0] < place.messages and time.monotonic() - moved < _SECONDS:
        if now[0] != before:
            before, moved = now[0], time.monotonic()
        time.sleep(0.1)
    cost, (count, first, last) = meter.stop(), now
    if count != place.messages:
        faults.add("lost" if count < place.messages else "delivered twice", f"{count} of {place.messages} came")
    values = {f"{name}_rate": (count - 1) / max(last - first, 1e-9), f"{name}_cpu": MS * cost.server / max(count, 1)}
    return Result(name, title, values, faults, place.messages, cost.generator, cost.others)


def relay(place: Place) -> Result:
    """From one gateway to IDLE at the other, at a steady rate."""
    place.red.start()
    place.green.start()
    try:
        return asyncio.run(_relay(place))
    finally:
        place.red.stop()
        place.green.stop()


async def _relay(place: Place, per_second: float = 50.0, seconds: float = 10.0) -> Result:
    here, there, tally = server(place.red), server(place.green), Tally(Messages((4096,)))
    reading = [there.invent() for _ in range(_AT_ONCE)]
    readers = [await Reader.open(there, account, index, tally) for index, account in enumerate(reading)]
    senders = [await Sender(here, here.invent(), tally).open() for _ in range(_AT_ONCE)]
    tasks = [asyncio.create_task(reader.run()) for reader in readers]
    count, addresses = int(per_second * seconds), [address for address, _ in reading]
    gc.collect()
    gc.disable()
    both = Probe(here.pid), Probe(there.pid)
    meter, before, begun = Meter(both[0]), both[1].cpu(), time.monotonic()
    turns: list[Awaitable[None]] = [
        sender.send_all(
            range(index, count, _AT_ONCE), lambda n: n % _AT_ONCE, addresses, lambda n: begun + n / per_second
        )
        for index, sender in enumerate(senders)
    ]
    await asyncio.gather(*turns)
    await tally.settle()
    cost, other = meter.stop(), both[1].cpu() - before
    gc.enable()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for sender in senders:
        sender.close()
    tally.close()
    times = [copy.exists - copy.sent for copy in tally.received()]
    values = {
        "relay_exists": MS * quantile(times, 0.5),
        "relay_exists_p99": MS * quantile(times, 0.99),
        "relay_cpu": MS * (cost.server + other) / max(len(times), 1),
    }
    title = f"{count} messages at {per_second:g}/s from one gateway to another"
    return Result("relay", title, values, tally.faults, count, cost.generator, max(0.0, cost.others - other / seconds))


def postfix(place: Place) -> Result:
    """The same of Postfix with OpenDKIM: signed mail in, into mailboxes, and signed mail out."""
    module = _test_module("postfix", "federation")
    module.lay_over(place.bed.folder)
    people = [f"reader{number}" for number in range(_AT_ONCE)]
    other = module.Postfix(place.bed, 15, "post.example", people)
    other.start()
    try:
        target = Server(other.host.address, "post.example", 0, 0, 0, 25, other.pid)
        came = asyncio.run(_into(place, "postfix_in", target, [f"{who}@post.example" for who in people], True))
        other.restart(defer_transports="smtp")
        asyncio.run(_submit_to_postfix(place, other.host.address))
        place.sunk("reset")
        meter = Meter(Probe(other.pid))
        other.restart(defer_transports="")
        other.flush()
        went = _count(place, "postfix_out", "", meter)
    finally:
        other.stop()
    came.faults.counts.update(went.faults.counts)
    title = f"Postfix and OpenDKIM: {place.messages} messages in, verified, and out to one server by smtp, signed"
    checked = came.checked + went.checked
    return Result("postfix", title, came.values | went.values, came.faults, checked, came.generator, came.others)


async def _submit_to_postfix(place: Place, host: str) -> None:
    messages, sender = Messages((4096,)), "peter@post.example"

    async def work(index: int) -> None:
        session = await Relaying.connect(host, tls=False)
        for number in range(index, place.messages, _AT_ONCE):
            readers = [f"reader{number % _AT_ONCE}@sink.example"]
            await session.send(sender, readers, messages.message(number, sender, readers))
        session.close()

    await asyncio.gather(*(work(index) for index in range(_AT_ONCE)))


ROWS: dict[str, Callable[[Place], Result]] = {
    "in_plain": in_plain,
    "in_dkim": in_dkim,
    "out_https": out_https,
    "out_smtp": out_smtp,
    "relay": relay,
    "postfix": postfix,
}


def _key(bed: Any) -> bytes:
    """A key of sender.example, published."""
    made = subprocess.run(["openssl", "genrsa", "2048"], capture_output=True, check=True).stdout
    public = subprocess.run(["openssl", "rsa", "-pubout"], input=made, capture_output=True, check=True).stdout
    text = "".join(line for line in public.decode().splitlines() if not line.startswith("-"))
    bed.zone["s._domainkey.sender.example"] = {"TXT": f"v=DKIM1; k=rsa; p={text}"}
    bed.publish()
    return made


def _test_module(name: str, folder: str) -> Any:
    """A helper of the tests; this benchmark runs from a checkout only."""
    sys.path.insert(0, str(_TESTS / folder))
    os.environ.setdefault("PYTHONPATH", str(_TESTS.parent))
    return importlib.import_module(name)


if __name__ == "__main__":
    sys.exit(main())
