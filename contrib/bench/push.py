"""`python -m contrib.bench.push`: how many notifications a second, and how long from stored to accepted.

The plugin `push` runs here as in a gateway, with its database in a temporary folder; the notification service is a
process of its own on 127.0.0.1 with TLS. Needs chatgate's own packages.
"""

from __future__ import annotations

import argparse
import contextlib
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import gevent.ssl
from chatgate_push import Push, PushOptions
from chatgate_tls import selfsigned
from gevent.server import StreamServer

from chatgate.api import Account, Delivery, Envelope, Session, Stored
from chatgate.hosting.hub import Hub

from .report import quantile

MS = 1000.0
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 1 when a notification was lost or doubled."""
    parser = argparse.ArgumentParser(prog="python -m contrib.bench.push", description=__doc__)
    parser.add_argument("--rate", type=float, default=500, help="messages a second, each for another account (500)")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--latency", type=float, default=20, metavar="MS", help="of the service's answer (20 ms)")
    parser.add_argument("--serve", metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve:
        return serve(Path(options.serve), options.latency / MS)
    with tempfile.TemporaryDirectory(prefix="chatgate-bench-") as name:
        folder = Path(name)
        selfsigned.make(folder / "chain.pem", folder / "key.pem", ["127.0.0.1"])
        with service(folder, options.latency) as url:
            return measure(folder, url, options.rate, int(options.rate * options.seconds))


def serve(folder: Path, seconds: float) -> int:
    """The notification service: says its port, then answers every request after so many seconds."""
    context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem", folder / "key.pem")

    def answer(sock: Any, _: Any) -> None:
        file = sock.makefile("rb")
        while file.readline():
            length = 0
            while (line := file.readline()).strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line[15:])
            file.read(length)
            gevent.sleep(seconds)
            sock.sendall(_ANSWER)

    server = StreamServer(("127.0.0.1", 0), answer, ssl_context=context)
    server.start()
    print(server.server_port, flush=True)
    server.serve_forever()
    return 0


@contextlib.contextmanager
def service(folder: Path, latency: float) -> Iterator[str]:
    command = [sys.executable, "-m", "contrib.bench.push", "--serve", str(folder), "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield f"https://127.0.0.1:{int(process.stdout.readline())}/notify"
        process.kill()


def measure(folder: Path, url: str, rate: float, count: int) -> int:
    gateway: Any = SimpleNamespace(path=folder.joinpath, place=SimpleNamespace(number=0), hub=Hub())
    push = Push(gateway, PushOptions(url=url, ca_file=str(folder / "chain.pem")))
    gateway.hub.load([("push", push)])
    push.sender.bind()
    push.sender.start()
    for number in range(count):
        session = Session("imap", "127.0.0.1", account=Account(number, f"u{number}@example.org"))
        token = b"openpgp:" + secrets.token_urlsafe(680).encode()  # as long as Delta Chat's
        push.chatgate_set_metadata(session, "INBOX", "/private/devicetoken", token)
    lags: list[float] = []
    watch = gevent.spawn(_watch, lags)
    calls, begun, cpu = [], time.monotonic(), time.process_time()
    for number in range(count):
        gevent.sleep(max(0.0, begun + number / rate - time.monotonic()))
        stored = Stored(Delivery(f"u{number}@example.org", number, number), 1, 1, 1)
        before = time.perf_counter()
        push.chatgate_stored(Envelope("a@example.com"), [stored])
        calls.append(time.perf_counter() - before)
    end = begun + count / rate + 30
    while push.metrics()["accepted"] + push.metrics()["dropped"] < count and time.monotonic() < end:
        gevent.sleep(0.02)
    seconds, cpu = time.monotonic() - begun, time.process_time() - cpu
    watch.kill()
    push.sender.stop(2)
    found = push.metrics()
    mean = found["stored_to_accepted"]["sum"] / max(found["accepted"], 1)
    seconds -= push.Options.coalesce_seconds  # nothing can be accepted before
    print(f"{found['accepted']} of {count} notifications accepted, {found['accepted'] / seconds:.0f} /s")
    print(f"stored to accepted, the {push.Options.coalesce_seconds:g} s of gathering included: mean {mean:.3f} s")
    print(f"CPU per notification: {MS * cpu / count:.2f} ms")
    print(f"a delivery waits for it: median {MS * quantile(calls, 0.5):.4f} ms, longest {MS * max(calls):.2f} ms")
    print(f"other greenlets wait: median {MS * quantile(lags, 0.5):.2f} ms, 99 % {MS * quantile(lags, 0.99):.2f} ms")
    return int(found["accepted"] != count or found["requests"] != count)


def _watch(lags: list[float]) -> None:
    """How much later than asked for a greenlet gets its turn."""
    while True:
        begun = time.perf_counter()
        gevent.sleep(0.005)
        lags.append(time.perf_counter() - begun - 0.005)


if __name__ == "__main__":
    sys.exit(main())
