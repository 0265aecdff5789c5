"""The hooks: a listener, the history, a command."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence

import click
import gevent
from chatgate_filedb import ERRORS

from chatgate.api import (
    Gateway,
    Leased,
    Metric,
    PluginError,
    Problem,
    Server,
    Service,
    all_metrics,
    hookimpl,
    listener,
    whole_status,
)
from chatgate_metrics import command, exposition, status
from chatgate_metrics.history import History, Point, rates
from chatgate_metrics.listener import Answer, Listener, plain
from chatgate_metrics.options import MetricsOptions

log = logging.getLogger("chatgate.metrics")

_MINUTE = 60.0


class Metrics:
    """Shows what the gateway counts and measures, to Prometheus and on the terminal, and keeps its history.

    Lent to other plugins, as `gateway.hub.plugin("metrics")`: `all`, `series`, `rates`.
    """

    Options = MetricsOptions
    order = 88

    def __init__(self, gateway: Gateway, options: MetricsOptions) -> None:
        self._gateway, self._options = gateway, options
        path, days = gateway.path(options.file), options.hour_days
        self.history = History(path, options.minute_hours * 3600, days * 86400, options.max_series)
        pages = {"/metrics": self._metrics, "/healthz": self._alive, "/readyz": self._ready}
        self._listener = Listener(pages, options.request_seconds)
        self._server: Server | None = None

    # ------------------------------------------------------------------------------------------ lent to other plugins

    def all(self) -> list[Metric]:
        """The metrics of all processes that serve, put together, by name. From a command, too. Raises NotServing if no
        gateway serves.
        """
        return all_metrics(self._gateway)

    def series(self, name: str, labels: Mapping[str, str] | None = None, since: float = 0) -> list[Point]:
        """The history of a metric, as (Unix seconds, value), the oldest first: the sum of all its series that have
        these labels. name: as Prometheus has it: "…_total" for a counter, "…_count", "…_sum" or "…_bucket" for a
        histogram. since: Unix seconds. A sample for each minute where they reach back that far, before that one for
        each hour. Empty if there is none, or no history is kept.
        """
        if not self.history.file.path.exists():
            return []
        try:
            return self.history.read(name, labels or {}, since)
        except (PluginError, *ERRORS) as error:
            log.error("history not read error=%s", type(error).__name__)
            return []

    def rates(self, name: str, labels: Mapping[str, str] | None = None, since: float = 0) -> list[Point]:
        """How much a counter grew per second, see `series`."""
        return rates(self.series(name, labels, since))

    # ------------------------------------------------------------------------------------------ what the listener shows

    def _metrics(self, accept: str) -> Answer:
        kind, text = exposition.text(self.all(), accept)
        return "200 OK", kind, text

    def _alive(self, accept: str) -> Answer:
        return plain("200 OK", "ok") if self._gateway.alive() else plain(_UNAVAILABLE, "unavailable")

    def _ready(self, accept: str) -> Answer:
        missing = self._gateway.not_ready()
        return plain(_UNAVAILABLE, "\n".join(missing)) if missing else plain("200 OK", "ok")

    # ------------------------------------------------------------------------------------------ hooks

    @hookimpl
    def chatgate_services(self, gateway: Gateway) -> Sequence[Service]:
        found: list[Service] = []
        if self._options.listen:
            most = self._options.max_connections
            self._server = gateway.server(
                "metrics", self._options.listen, self._listener.handle, max_connections=most, max_per_address=most
            )
            found.append(self._server)
        if self._options.history:
            found += [self.history.file, Leased("metrics", self._remember, store=lambda: gateway.store)]
        return found

    def _remember(self) -> None:
        """Note a sample at the beginning of each minute."""
        while True:
            gevent.sleep(_MINUTE - time.time() % _MINUTE)
            try:
                self.history.note(time.time(), self.all())
            except (PluginError, *ERRORS) as error:
                log.error("history not written error=%s", type(error).__name__)

    @hookimpl
    def chatgate_reloaded(self) -> None:
        if self._server is not None:
            most = self._options.max_connections
            self._server.limit(most, most, most)

    @hookimpl
    def chatgate_commands(self, cli: click.Group) -> None:
        cli.add_command(command.make(self.all))
        gateway = self._gateway
        cli.add_command(status.make(lambda: whole_status(gateway), self.rates, gateway.domains.first.name))

    @hookimpl
    def chatgate_check(self) -> list[Problem]:
        return [
            Problem("warning", f"metrics: {address} can be reached from elsewhere, and there is no password")
            for address in self._options.listen
            if not listener(address).local
        ]


_UNAVAILABLE = "503 Service Unavailable"
