"""The plugin, which adds the commands. A serving gateway loads nothing else of this package."""

from __future__ import annotations

import click
from chatgate_filedb import KeptDatabase

from chatgate.api import Gateway, KeptFiles, Problem, hookimpl
from chatgate_movein import hooks
from chatgate_movein.options import MoveInOptions


class MoveIn:
    """`chatgate import`: accounts, mail and keys of other mail servers come into this gateway."""

    Options = MoveInOptions
    order = 90
    hookspecs = hooks

    def __init__(self, gateway: Gateway, options: MoveInOptions) -> None:
        self.gateway, self.options = gateway, options

    @hookimpl
    def chatgate_commands(self, cli: click.Group) -> None:
        from chatgate_movein import command  # a gateway that serves can save its memory

        cli.add_command(command.make(self.gateway, self.options))

    @hookimpl
    def chatgate_backup(self) -> list[KeptFiles]:
        return [KeptDatabase("imports", self.gateway.path(self.options.file))]

    @hookimpl
    def chatgate_check(self) -> list[Problem]:
        path = self.gateway.path(self.options.file)
        if not path.exists():
            return []
        from chatgate_movein.journal import Journal

        journal = Journal(path, writes=False)
        try:
            unfinished = journal.unfinished()
        finally:
            journal.close()
        if not unfinished:
            return []
        text = f"movein: {unfinished} accounts are here in part: 'chatgate import', given as before, brings the rest"
        return [Problem("warning", text)]
