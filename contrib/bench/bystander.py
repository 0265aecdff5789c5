"""`python -m contrib.bench.bystander`: what one account notices while another does all it can to keep the server busy.

Starts a gateway, measures the NOOPs of an account on an idle server, and again while another account runs all attacks
of attacks.py, and strangers all those of attacks_net.py, at once from a process of its own. Wants two cores; the second
one is for the clients, of which the attackers have what the others leave.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path

from .attacks import ATTACKS, Attack
from .attacks_net import STRANGERS, Stranger, Target
from .connection import TLS, Refused
from .imap import Mailbox
from .probe import Probe
from .report import quantile
from .server import Server, own_gateway

_EVERY = 0.01  # seconds between two NOOPs
_SAMPLE = 0.25  # seconds between two looks at the memory
_PATIENCE = 900.0  # seconds for a NOOP
_MB = 1_000_000

# What another account may notice at the most, on a quiet machine: ms and MB.
TYPICAL, WORST, MEMORY = 50, 100, 150


def main() -> int:
    """Exit status 1: the bystander was refused, or the server did not survive. A missed target is shown, no failure."""
    options = _arguments()
    known: list[Attack | Stranger] = [*ATTACKS, *STRANGERS]
    chosen = [attack for attack in known if not options.only or options.only in attack.name]
    if options.attack:
        return asyncio.run(_attack(options, chosen))
    with own_gateway() as server:
        return asyncio.run(_measure(server, options, chosen))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="contrib.bench.bystander", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="of attacks, after their mail has been saved (30)")
    parser.add_argument("--only", metavar="WORDS", help="attacks with these words in their name")
    parser.add_argument("--each", action="store_true", help="one attack after the other, each with a row of its own")
    parser.add_argument("--attack", type=json.loads, help=argparse.SUPPRESS)
    return parser.parse_args()


# ---------------------------------------------------------------------------------------------- the bystander


async def _measure(server: Server, options: argparse.Namespace, chosen: list[Attack | Stranger]) -> int:
    address, password = server.invent()
    box = await Mailbox.login(server.host, server.imap, address, password)
    target = Target(server.host, server.smtp, server.imap, server.https, server.mx, address)
    await box.command("SELECT INBOX")
    probe = Probe(server.pid)
    rest = probe.memory()
    print(f"{'':<28}{'median':>10}{'99 %':>10}{'worst':>10}{'memory above rest':>20}")
    alone, _ = await _watch(box, probe, asyncio.sleep(5))
    _row("alone", alone, 0.0)
    account, groups = server.invent(), [[attack] for attack in chosen] if options.each else [chosen]
    for attacks in groups:
        name = attacks[0].name if options.each else f"{len(attacks)} attacks at once"
        attacking = _run(target, options.seconds, account, name if options.each else options.only)
        times, peak = await _watch(box, probe, attacking)
        _row(name, times, (peak - rest) / _MB)
    if not options.each:
        met = quantile(times, 0.99) <= TYPICAL / 1000 and max(times) <= WORST / 1000 and peak - rest <= MEMORY * _MB
        print(f"target: 99 % {TYPICAL} ms, worst {WORST} ms, {MEMORY} MB above rest: {'ok' if met else 'MISSED'}")
    await asyncio.sleep(2)
    print(f"memory: {rest / _MB:.1f} MB before, {probe.memory() / _MB:.1f} MB after")
    box.close()
    return 0


async def _watch(box: Mailbox, probe: Probe, others: Awaitable[object]) -> tuple[list[float], int]:
    """The seconds each NOOP took, and the most memory, until `others` is done."""
    work = asyncio.ensure_future(others)
    times, peak, look = [], 0, 0.0
    while not work.done():
        began = time.monotonic()
        await box.command("NOOP", _PATIENCE)
        times.append(time.monotonic() - began)
        if time.monotonic() > look:
            peak, look = max(peak, probe.memory()), time.monotonic() + _SAMPLE
        await asyncio.sleep(_EVERY)
    await work
    return times, peak


async def _run(target: Target, seconds: float, account: tuple[str, str], only: str | None) -> None:
    command = [sys.executable, "-m", "contrib.bench.bystander", "--seconds", str(seconds)]
    command += ["--attack", json.dumps([dataclasses.asdict(target), account])] + (["--only", only] if only else [])
    root = Path(__file__).parents[2]
    process = await asyncio.create_subprocess_exec(*command, cwd=root, stdout=subprocess.PIPE)
    assert process.stdout is not None
    output = await process.stdout.read()
    await process.wait()
    print(output.decode(), end="")


def _row(name: str, times: list[float], above: float) -> None:
    figures = (quantile(times, 0.5), quantile(times, 0.99), max(times))
    print(f"{name:<28}" + "".join(f"{value * 1000:>7.1f} ms" for value in figures) + f"{above:>17.1f} MB", flush=True)


# ---------------------------------------------------------------------------------------------- the attacks


async def _attack(options: argparse.Namespace, chosen: list[Attack | Stranger]) -> int:
    """Their mail is saved first, then all begin together."""
    os.nice(5)  # attackers have machines of their own; here they must not take the processor from the bystander
    facts, login = options.attack
    target = Target(**facts)
    said: Counter[str] = Counter()
    prepared = await asyncio.gather(*(_prepare(one, target, login, said) for one in chosen if isinstance(one, Attack)))
    end = time.monotonic() + options.seconds
    jobs = [
        _again(attack, name, target, login, end, said)
        for attack, name in filter(None, prepared)
        for _ in range(attack.connections)
    ]
    jobs += [_strangers(one, target, options.seconds, said) for one in chosen if isinstance(one, Stranger)]
    await asyncio.gather(*jobs)
    for line, count in sorted(said.items()):
        print(f"  {count:>6} × {line}")
    return 0


async def _strangers(attack: Stranger, target: Target, seconds: float, said: Counter[str]) -> None:
    for line, count in (await attack.run(target, seconds)).items():
        said[f"{attack.name}: {line}"] += count


async def _prepare(attack: Attack, target: Target, login: list[str], said: Counter[str]) -> tuple[Attack, str] | None:
    """The attack with a mailbox of its own that has its messages."""
    name = f"box{random.randrange(10**9)}"
    try:
        client = await _Client.open(target, login)
        await client.command(f"CREATE {name}")
        for message in attack.messages():
            await client.append(name, message)
    except (OSError, EOFError, Refused) as error:
        said[f"{attack.name}: not prepared: {error or type(error).__name__}"] += 1
        return None
    client.writer.transport.abort()
    return attack, name


async def _again(attack: Attack, name: str, target: Target, login: list[str], end: float, said: Counter[str]) -> None:
    while time.monotonic() < end:
        client = None
        with contextlib.suppress(OSError, EOFError, Refused, TimeoutError):
            async with asyncio.timeout(max(0.1, end - time.monotonic())):
                client = await _Client.open(target, login)
                await client.command(f"SELECT {name}")
                while True:
                    for command in attack.commands:
                        text = command.replace("{box}", name)
                        if attack.reads:
                            said[f"{attack.name}: {await client.command(text, strict=False)}"] += 1
                        else:
                            await client.send(text)
                    if not attack.reads:
                        await asyncio.sleep(end - time.monotonic())
        if client:
            client.writer.transport.abort()
        await asyncio.sleep(0.05)


class _Client:
    """As small as can be: it throws answers away as they come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.count = reader, writer, 0

    @classmethod
    async def open(cls, target: Target, login: list[str]) -> _Client:
        client = cls(*await asyncio.open_connection(target.host, target.imap, ssl=TLS, limit=1 << 20))
        await client.reader.readline()
        await client.command(f'LOGIN "{login[0]}" "{login[1]}"')
        return client

    async def send(self, text: str) -> bytes:
        self.count += 1
        tag = b"x%d " % self.count
        self.writer.write(tag + text.encode() + b"\r\n")
        await self.writer.drain()
        return tag

    async def command(self, text: str, strict: bool = True) -> str:
        """The first two words of the tagged answer."""
        return await self._finish(await self.send(text), strict)

    async def append(self, box: str, message: bytes) -> None:
        tag = await self.send(f"APPEND {box} {{{len(message)}}}")
        line = await self.reader.readline()
        if not line.startswith(b"+"):
            raise Refused(line.decode(errors="replace").strip())
        self.writer.write(message + b"\r\n")
        await self.writer.drain()
        await self._finish(tag, True)

    async def _finish(self, tag: bytes, strict: bool) -> str:
        rest = b""
        while True:
            chunk = await self.reader.read(1 << 16)
            if not chunk:
                raise EOFError("the server closed the connection")
            rest = (rest + chunk)[-(1 << 17) :]
            at = 0 if rest.startswith(tag) else rest.find(b"\n" + tag) + 1
            if (at or rest.startswith(tag)) and b"\n" in rest[at:]:
                line = rest[at:].partition(b"\r\n")[0][len(tag) :].decode(errors="replace")
                if strict and not line.startswith("OK"):
                    raise Refused(line)
                return " ".join(line.split()[:2]) if "[" in line else line.split()[0]


if __name__ == "__main__":
    sys.exit(main())
