"""`chatgate import`: a group with a command for each kind of server."""

from __future__ import annotations

import click

from chatgate.api import Gateway
from chatgate_movein.maddyconf import command as maddyconf
from chatgate_movein.options import MoveInOptions


def make(gateway: Gateway, options: MoveInOptions) -> click.Group:
    """The command group `import`."""

    @click.group("import")
    def group() -> None:
        """Move in from another mail server."""

    group.add_command(maddyconf.make(gateway))
    return group
