"""What is wrong in all processes that serve from the folder: each reports its own, as only it sees its memory."""

from __future__ import annotations

import logging
from collections.abc import Callable

import gevent

from chatgate.api import Background, Gateway, PluginError, Trouble
from chatgate_alerts.database import Database
from chatgate_alerts.options import AlertsOptions

log = logging.getLogger("chatgate.alerts")

_STALE = 3  # looks after which a report counts no more: its process is gone, or stands still


class Everywhere(Background):
    """ticks: seconds of a clock that does not leap, the same for all processes of the machine."""

    def __init__(
        self, gateway: Gateway, options: AlertsOptions, database: Database, ticks: Callable[[], float]
    ) -> None:
        super().__init__("alerts-report", self._run)
        self._gateway, self._options, self._database, self._ticks = gateway, options, database, ticks
        self._said = True  # perhaps by the process before this one

    def troubles(self) -> list[Trouble]:
        """Each once: as the process says that had it first, if several have it. Raises PluginError."""
        own = self._gateway.troubles()
        if self._gateway.place.count == 1:
            return own
        since = self._ticks() - _STALE * self._options.look_seconds
        found = [*own, *self._database.reported(self._gateway.place.number, since, self._ticks())]
        known = sorted(found, key=lambda one: one.since or float("inf"), reverse=True)
        return list({one.key: one for one in known}.values())

    def report(self) -> None:
        """Let the process know of ours that tells the operators. Raises PluginError."""
        own = self._gateway.troubles()
        if own or self._said:
            self._database.report(self._gateway.place.number, own, self._ticks())
        self._said = bool(own)

    def _run(self) -> None:
        while True:
            try:
                self.report()
            except PluginError as error:
                log.error("what is wrong in this process cannot be told: %s", error)
            gevent.sleep(self._options.look_seconds)
