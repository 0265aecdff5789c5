"""A network of its own for this thread and the programs that it starts: every port is free, and so are addresses."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


def refused() -> str:
    """Why there can be none; "" if there can."""
    done = subprocess.run(["unshare", "-n", "true"], capture_output=True) if shutil.which("unshare") else None
    return "" if done is not None and done.returncode == 0 else "needs the right to make a network namespace"


@contextmanager
def own(*addresses: str) -> Iterator[None]:
    """With these addresses of clients; anybody may take low ports."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if _LIBC.unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        for address in addresses:
            subprocess.run(["ip", "address", "add", address, "dev", "lo"], check=True)
        Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").write_text("0")
        yield
    finally:
        _LIBC.setns(before, CLONE_NEWNET)
        os.close(before)
