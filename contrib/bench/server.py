"""The server under test: one that runs already, or a gateway of our own in a folder that is thrown away after."""

from __future__ import annotations

import contextlib
import os
import random
import re
import select
import signal
import socket
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SETTINGS = {"smtp": "max_user_send_per_minute = 10000000\nmax_user_send_burst_size = 10000000\n"}
_CHECKOUT = Path(__file__).parents[2]
_START_SECONDS = 30.0
_STOP_SECONDS = 20.0
_LETTERS = string.ascii_lowercase + string.digits


# an address and its password
Account = tuple[str, str]


class ServerError(Exception):
    """The gateway did not start or stop as it should; str() is for the operator."""


@dataclass(frozen=True)
class Server:
    """smtp, imap, https: ports with implicit TLS; mx: one with STARTTLS, 0 for none. pid: of the process to measure, 0
    for none.
    """

    host: str
    domain: str
    smtp: int
    imap: int
    https: int
    mx: int = 0
    pid: int = 0

    def invent(self) -> Account:
        """An address and a password as Delta Chat invents them for `dcaccount:DOMAIN`; the first login creates it."""
        local = "".join(random.choices(_LETTERS, k=9))
        return f"{local}@{self.domain}", "".join(random.choices(string.ascii_letters + string.digits, k=22))


@contextlib.contextmanager
def own_gateway() -> Iterator[Server]:
    """Start this checkout's gateway with the settings that `init` writes, on free ports of 127.0.0.1. The one setting
    that differs is the sending rate: a person's 60 messages a minute are no benchmark. Raises ServerError.
    """
    with tempfile.TemporaryDirectory(prefix="chatgate-bench-") as name:
        folder = Path(name)
        command = [sys.executable, "-m", "chatgate", "--dir", name]
        # This checkout and no other build that may be installed.
        paths = [str(_CHECKOUT), str(_CHECKOUT / "plugins"), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
        init = [*command, "init", "--domain", "127.0.0.1", "--local"]
        made = subprocess.run(init, capture_output=True, text=True, timeout=60, env=environment)
        if made.returncode:
            raise ServerError(f"chatgate init: {made.stderr.strip() or made.stdout.strip()}")
        ports = _configure(folder)
        errors = folder / "errors.txt"
        with errors.open("w") as stderr:
            process = subprocess.Popen([*command, "serve"], stdout=subprocess.PIPE, stderr=stderr, env=environment)
        try:
            _await_ready(process, errors)
            smtp, imap, https, mx = ports
            yield Server("127.0.0.1", "[127.0.0.1]", smtp, imap, https, mx, process.pid)
            process.send_signal(signal.SIGTERM)
            try:
                status = process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired as error:
                raise ServerError(f"the gateway did not stop within {_STOP_SECONDS:.0f} s") from error
            said = errors.read_text().strip()
            if status:
                raise ServerError(f"the gateway ended with status {status}: {said}")
            if said:
                print(f"bench: the gateway said:\n{said}", file=sys.stderr)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _configure(folder: Path) -> list[int]:
    """Apply _SETTINGS, and move the local ports that `init` wrote to free ones; returns those with TLS for SMTP, IMAP
    and HTTPS, and that for other servers.
    """
    chosen = dict(zip(("2465", "2993", "8443", "2525"), _free_ports(4), strict=True))
    for path in (folder / "conf.d").glob("*.toml"):
        text = re.sub(r"(?m)^([^#\n].*)$", lambda line: _moved(line[0], chosen), path.read_text("utf-8"))
        plugin = path.stem.partition("-")[2]
        path.write_text(text + _SETTINGS.get(plugin, ""), "utf-8")
    return list(chosen.values())


def _moved(line: str, chosen: dict[str, int]) -> str:
    return re.sub(r'"127\.0\.0\.1:(\d+)"', lambda found: f'"127.0.0.1:{chosen.get(found[1], 0)}"', line)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]


def _await_ready(process: subprocess.Popen[bytes], errors: Path) -> None:
    """Read what `serve` prints until it says that it is ready."""
    assert process.stdout is not None
    end = time.monotonic() + _START_SECONDS
    said = b""
    while b"chatgate: ready\n" not in said:
        ready, _, _ = select.select([process.stdout], [], [], max(0.0, end - time.monotonic()))
        chunk = os.read(process.stdout.fileno(), 65536) if ready else b""
        if not chunk:
            why = errors.read_text().strip() or f"it was not ready within {_START_SECONDS:.0f} s"
            raise ServerError(f"the gateway did not start: {why}")
        said += chunk
