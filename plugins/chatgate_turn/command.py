"""`chatgate turn config`."""

from __future__ import annotations

from collections.abc import Callable

import click


def make(lines: Callable[[], list[str]]) -> click.Group:
    """The command `turn`. lines: returns the lines for turnserver.conf; raises PluginError."""

    @click.group("turn")
    def turn() -> None:
        """Set up the TURN server that calls go through."""

    @turn.command("config")
    def config() -> None:
        """Print the settings that coturn must share.

        The rest of that file is contrib/coturn/turnserver.conf. The secret is made when there is none.
        """
        click.echo("\n".join(lines()))

    return turn
