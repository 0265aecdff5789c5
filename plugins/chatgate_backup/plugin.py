"""The plugin: backups by themselves."""

from __future__ import annotations

from chatgate.api import Gateway, Leased, Metric, Problem, Service, Trouble, hookimpl
from chatgate_backup.options import BackupOptions
from chatgate_backup.schedule import Schedule


class Backup:
    """Backups by themselves, a few of which are kept. The command `chatgate backup` is there without it, too."""

    Options = BackupOptions
    order = 80

    def __init__(self, gateway: Gateway, options: BackupOptions) -> None:
        self._gateway, self._options = gateway, options
        self.schedule = Schedule(gateway, options)

    @hookimpl
    def chatgate_services(self) -> list[Service]:
        if not self._options.every_hours:
            return []
        return [Leased("backup", self.schedule.service, store=lambda: self._gateway.store)]

    @hookimpl
    def chatgate_check(self) -> list[Problem]:
        return self.schedule.problems()

    @hookimpl
    def chatgate_metrics(self) -> list[Metric]:
        return self.schedule.metrics()

    @hookimpl
    def chatgate_troubles(self) -> list[Trouble]:
        return self.schedule.troubles()
