"""Hosts, each with a network of its own, joined by one bridge. Only in a namespace."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

# They look public, as a server sends no mail to private ones. Nothing of it leaves the namespace.
PREFIX = "44.128.0."
PREFIX6 = "2a44::"
HUB = f"{PREFIX}1"  # the script itself, with the nameserver and the mail clients


class Host:
    """under: put before a command, it makes it run there."""

    def __init__(self, number: int) -> None:
        self.address, self.address6 = f"{PREFIX}{number}", f"{PREFIX6}{number}"
        # Holds the network; ended with the namespace.
        holder = subprocess.Popen(["unshare", "-n", "sleep", "infinity"], stdin=subprocess.DEVNULL)
        place = Path(f"/proc/{holder.pid}/ns/net")
        while os.readlink(place) == os.readlink("/proc/self/ns/net"):
            assert holder.poll() is None, "unshare -n failed"
            time.sleep(0.005)
        self.under = ("nsenter", f"--net={place}")
        outside = f"host{number}"
        _ip("link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
        _ip("link", "set", outside, "master", "bridge", "up")
        self._ip("link", "set", "lo", "up")
        self._ip("link", "set", "eth0", "up")
        self._addresses()

    def unplug(self) -> None:
        """From now on, what is sent to it vanishes."""
        self._ip("link", "set", "eth0", "down")

    def plug(self) -> None:
        self._ip("link", "set", "eth0", "up")
        self._addresses()  # that of IPv6 went with the link

    def _addresses(self) -> None:
        self._ip("addr", "replace", f"{self.address}/24", "dev", "eth0")
        self._ip("addr", "replace", f"{self.address6}/64", "dev", "eth0", "nodad")

    def _ip(self, *arguments: str) -> None:
        subprocess.run([*self.under, "ip", *arguments], check=True)


def make() -> None:
    """The bridge, which is the script's own way to all hosts."""
    _ip("link", "add", "bridge", "type", "bridge")
    _ip("link", "set", "bridge", "up")
    _ip("addr", "add", f"{HUB}/24", "dev", "bridge")
    _ip("addr", "add", f"{PREFIX6}1/64", "dev", "bridge", "nodad")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
