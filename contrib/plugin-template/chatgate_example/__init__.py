"""Refuse messages with too many recipients."""

from __future__ import annotations

from dataclasses import dataclass

from chatgate.api import Envelope, Gateway, Problem, Reply, hookimpl, option


@dataclass(frozen=True)
class ExampleOptions:
    """What the operator can set in conf.d/NN-example.toml. Each text becomes a comment there."""

    max_recipients: int = option(20, "Recipients that one message may have.")


class Example:
    """Refuse messages with too many recipients."""

    Options = ExampleOptions
    order = 45  # the number `chatgate plugins enable` gives the file; lower numbers are asked first

    def __init__(self, gateway: Gateway, options: ExampleOptions) -> None:
        self._gateway, self._options = gateway, options

    @hookimpl
    def chatgate_filter(self, envelope: Envelope) -> Reply | None:
        # None means "not me": the next filter is asked.
        if len(envelope.recipients) > self._options.max_recipients:
            return Reply(554, "5.5.3", f"More than {self._options.max_recipients} recipients")
        return None

    @hookimpl
    def chatgate_check(self) -> list[Problem] | None:
        if self._options.max_recipients == 0:
            return [Problem("warning", "example: max_recipients is 0, every message is refused")]
        return None
