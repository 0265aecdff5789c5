"""`chatgate status`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import click

from chatgate.api import GatewayStatus, NotServing, fail, json_option, show
from chatgate_metrics import glance, watch
from chatgate_metrics.glance import RATES, Rates

_PLOTTED = 3600.0  # seconds
_NAMES = {
    "taken": "messages taken",
    "refused": "refused",
    "handed_on": "to other servers",
    "logins": "logins",
    "accounts": "new accounts",
}


def make(look: Callable[[], GatewayStatus], rates: Rates, title: str) -> click.Command:
    """The command. look: at the gateway that serves; raises NotServing. rates: of its history."""

    @click.command("status")
    @click.option("--watch", "watching", is_flag=True, help="Fill the terminal and go on looking; q ends it.")
    @click.option(
        "--every",
        "seconds",
        type=click.FloatRange(0.2, 3600),
        default=2.0,
        show_default=True,
        metavar="SECONDS",
        help="How often to look, with --watch.",
    )
    @json_option
    def status(watching: bool, seconds: float, as_json: bool) -> None:
        """Say at a glance how the running gateway is.

        Who is connected, how much mail comes and goes, how long it takes, what waits for other servers, how much room
        there is, how long the certificate holds. Then what is wrong, with what to do about it; BAD is what keeps mail
        from flowing or people out.

        The exit code is 0 when nothing is wrong, 1 when no gateway runs or something is BAD, 2 for a mistake in the
        command line, 3 when something is wrong that is not BAD.
        """
        if watching and (as_json or not (sys.stdin.isatty() and sys.stdout.isatty())):
            fail("--watch needs a terminal, and no --json", 2)
        try:
            if watching:
                watch.watch(lambda columns, height: _screen(columns, height, look, rates, title), seconds)
                return
            data = glance.glance(look(), rates, time.time())
        except NotServing as error:
            fail(str(error), 1)
        show(data, as_json, list(glance.lines(data, title, time.time())))
        sys.exit(_code(data))

    return status


def _code(data: dict[str, Any]) -> int:
    troubles = data["troubles"]
    return 1 if any(one["blocks"] for one in troubles) else 3 if troubles else 0


def _screen(columns: int, height: int, look: Callable[[], GatewayStatus], rates: Rates, title: str) -> Sequence[str]:
    """What fits: plots have the room that the figures leave."""
    now = time.time()
    clock = time.strftime("%H:%M:%S", time.localtime(now))
    foot = f"{clock}  q ends"
    try:
        shown = list(glance.lines(glance.glance(look(), rates, now), title, now))
    except NotServing as error:
        return [str(error), "", foot]
    plots = []
    for name, metric, labels in RATES:
        values = [60 * rate for _, rate in rates(metric, labels, now - _PLOTTED)]
        if any(values):
            bars = watch.sparkline(values, max(10, min(60, columns - 40)))
            plots.append(f"  {_NAMES[name]:<17} {bars} {values[-1]:.3g} a minute")
    if plots:
        plots = ["", "  the last hour", *plots]
    room = height - len(shown) - 2
    return [*shown, *(plots if len(plots) <= room else []), "", foot]
