"""Notifications to systemd, where it runs the gateway."""

from __future__ import annotations

import logging
import os

import gevent
from gevent import socket

log = logging.getLogger("chatgate.systemd")

_PATIENCE = 60_000_000  # microseconds


def sd_notify(state: str) -> None:
    """Send a notification to systemd (sd_notify(3)); does nothing where systemd does not listen."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            sock.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
        except OSError:
            log.warning("systemd could not be notified")


def starting(text: str) -> None:
    """Say how far it is with what must be done before the gateway serves: to the log and to systemd, which waits for
    another minute than it would. To be called at least so often. text: one line.
    """
    log.warning("starting: %s", text)
    sd_notify(f"STATUS={text}\nEXTEND_TIMEOUT_USEC={_PATIENCE}")


def keep_telling() -> None:
    """Tell systemd that the gateway lives, as often as its unit's WatchdogSec= wants it (sd_watchdog_enabled(3)). For a
    greenlet, so that it shows that the hub turns. Returns at once if systemd does not want it.
    """
    wanted = watchdog()
    while wanted:
        sd_notify("WATCHDOG=1")
        # Thrice as often, so that a moment of delay does no harm.
        gevent.sleep(wanted / 3)


def watchdog() -> float:
    """Seconds within which systemd wants to hear of the gateway; 0 where it does not."""
    wanted = os.environ.get("WATCHDOG_USEC", "")
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()) or not wanted.isdecimal():
        return 0.0
    return int(wanted) / 1e6
