"""The plugin, which adds the commands. A serving gateway loads nothing else of this package."""

from __future__ import annotations

import click

from chatgate.api import Gateway, hookimpl
from chatgate_movein.options import MoveInOptions


class MoveIn:
    """`chatgate import`: accounts, mail and keys of other mail servers come into this gateway."""

    Options = MoveInOptions
    order = 90

    def __init__(self, gateway: Gateway, options: MoveInOptions) -> None:
        self.gateway, self.options = gateway, options

    @hookimpl
    def chatgate_commands(self, cli: click.Group) -> None:
        from chatgate_movein import command  # a gateway that serves can save its memory

        cli.add_command(command.make(self.gateway, self.options))
