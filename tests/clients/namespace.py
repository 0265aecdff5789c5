"""Run a command on a loopback of its own: `unshare -mnpf python namespace.py FOLDER ADDRESS=NAME,… -- COMMAND…`.

Delta Chat looks up public hosts when left alone, and its static binary reads /etc/hosts and /etc/resolv.conf, so these
two are replaced in the mount namespace. The machine's own files and network stay untouched. The process namespace
makes sure that nothing outlives the test.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def enter(folder: Path, hosts: dict[str, str]) -> None:
    """Bring up the loopback and put our own files over the resolver's. Only inside `unshare`."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in hosts.items())]
    for name, text in (
        ("hosts", "\n".join(lines) + "\n"),
        # Nothing listens there, and other names are given up after a second.
        ("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"),
    ):
        path, target = folder / name, os.path.realpath(f"/etc/{name}")
        path.write_text(text)
        if os.path.exists(target):  # a system without resolv.conf asks 127.0.0.1 anyway
            subprocess.run(["mount", "--bind", str(path), target], check=True)


def command(folder: Path, hosts: dict[str, str], argv: list[str]) -> list[str]:
    """The command line that runs argv so; as an ordinary user it needs the kernel's user namespaces."""
    names = ",".join(f"{address}={name}" for name, address in hosts.items())
    return [*_unshare(), sys.executable, __file__, str(folder), names, "--", *argv]


def refused() -> str:
    """Why this machine cannot give us a namespace; empty when it can."""
    try:
        probe = subprocess.run([*_unshare(), "ip", "link", "set", "lo", "up"], capture_output=True, text=True)
    except OSError as error:
        return f"needs unshare (util-linux): {error.strerror}"
    return "" if probe.returncode == 0 else f"no network namespace here: {probe.stderr.strip()}"


def _unshare() -> list[str]:
    rights = [] if os.geteuid() == 0 else ["-Ur"]
    return ["unshare", *rights, "-mnpf", "--kill-child", "--mount-proc"]


if __name__ == "__main__":
    _, _folder, _names, _, *_argv = sys.argv
    enter(Path(_folder), {pair.partition("=")[2]: pair.partition("=")[0] for pair in _names.split(",") if pair})
    os.execv(_argv[0], _argv)
