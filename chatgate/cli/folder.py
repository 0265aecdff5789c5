"""What the core's commands work on: the gateway's folder."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from chatgate.cli.owner import CannotAct, act_as_owner
from chatgate.command import fail
from chatgate.hosting import confd
from chatgate.hosting.registry import PluginError
from chatgate.running import log
from chatgate.running.gateway import Gateway


class Folder:
    """What `--dir` names; the object that commands get by `@click.pass_obj`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            act_as_owner(path)
        except CannotAct as error:
            fail(str(error), 1)
        self._gateway: Gateway | None = None

    @cached_property
    def config(self) -> confd.Config:
        """What conf.d says; the log is set up by it. Raises ConfigError."""
        config = confd.load(self.path)
        log.setup(config.core.log_level, config.plugins)
        return config

    @property
    def gateway(self) -> Gateway:
        """The gateway of this folder, not started. Raises ConfigError or Failure when the configuration is wrong."""
        if self._gateway is None:
            try:
                self._gateway = Gateway(self.config)
            except PluginError as error:
                fail(str(error), 2)
        return self._gateway
