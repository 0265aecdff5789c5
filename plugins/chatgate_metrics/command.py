"""`chatgate metrics`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from chatgate.api import Metric, NotServing, fail
from chatgate_metrics import exposition


def make(measured: Callable[[], Sequence[Metric]]) -> click.Command:
    """The command. measured: the metrics of the gateway that serves."""

    @click.command("metrics")
    @click.argument("prefix", default="")
    def metrics(prefix: str) -> None:
        """Print what the running gateway counts and measures.

        It is what Prometheus would get. PREFIX: only those whose names begin with it, with or without "chatgate_".
        """
        wanted = tuple({prefix, f"chatgate_{prefix}"})
        try:
            shown = [one for one in measured() if one.name.startswith(wanted)]
        except NotServing as error:
            fail(str(error), 1)
        if prefix and not shown:
            raise click.ClickException(f"no metric begins with {prefix}")
        click.echo(exposition.text(shown)[1].decode(), nl=False)

    return metrics
