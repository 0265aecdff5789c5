"""What the operator should know of the disk, the sweeps and the clock."""

from __future__ import annotations

import time
from collections.abc import Iterator

from chatgate.api import Gateway, Trouble
from chatgate_sweeper import rules
from chatgate_sweeper.clock import BEHIND
from chatgate_sweeper.forecast import Forecast
from chatgate_sweeper.options import SweeperOptions
from chatgate_sweeper.service import Service
from chatgate_sweeper.sweep import free_here

_ROOM = "df -h, then make room or have the disk made larger; fewer `days` in the file of sweeper remove more mail"


def troubles(gateway: Gateway, options: SweeperOptions, service: Service, forecast: Forecast) -> list[Trouble]:
    """Those that this process knows of."""
    return [*(list(_disk(gateway, options)) or _soon(options, forecast)), *_sweeps(service)]


def _disk(gateway: Gateway, options: SweeperOptions) -> Iterator[Trouble]:
    free = free_here(gateway, options)
    if free < options.no_large_mail_below_bytes:
        what = "large mail and new accounts are refused, and the oldest large messages removed"
        text = f"the disk with the mail has {free // 1_000_000} MB free: {what}"
        yield Trouble("disk", text, 0, _ROOM, blocks=True)
    elif free < options.no_accounts_below_bytes:
        what = f"the disk with the mail has {free // 1_000_000} MB free: nobody can make an account"
        yield Trouble("disk", what, 0, _ROOM)


def _soon(options: SweeperOptions, forecast: Forecast) -> Iterator[Trouble]:
    at = forecast.full_at(options.no_accounts_below_bytes, options.full_within_days)
    if at:
        day = time.strftime("%A %d %B", time.gmtime(at))
        yield Trouble("disk:soon", f"the disk with the mail will be full by about {day}, as it goes now", 0, _ROOM)


def _sweeps(service: Service) -> Iterator[Trouble]:
    if (began := service.failed.since()) is not None:
        what = f"old mail is not removed: the sweep fails with {service.reason}"
        yield Trouble("sweep", what, began, "chatgate sweep shows the error; journalctl -u chatgate --grep sweep")
    report = service.last
    if report is None:
        return
    if report.held_back:
        what = f"{report.held_back} accounts became idle at one time, and none of them is removed: is the clock right?"
        yield Trouble("sweep:idle", what, 0, "date; if it is right: chatgate sweep --force")
    if report.behind > BEHIND:
        days = report.behind // rules.DAY
        what = f"the clock has leapt, or the machine was off: what is old is decided {days} days late"
        yield Trouble("sweep:clock", what, 0, "date; if it is right: chatgate sweep --force")
