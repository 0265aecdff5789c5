"""What a process that serves says of itself, and all processes of a gateway together."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chatgate import __version__
from chatgate.metrics import Metric, joined_metrics
from chatgate.trouble import Trouble

if TYPE_CHECKING:
    from chatgate.running.gateway import Gateway


@dataclass(frozen=True)
class Process:
    """number: which of the gateway's it is. pid: the system's number of it. since: Unix seconds of its start. silent:
    why it says nothing more, or "".
    """

    number: int
    pid: int = 0
    since: float = 0.0
    version: str = ""
    silent: str = ""


# What each process says; one of a later version may say more.
_SAID = ("pid", "since", "version")
_OF_TROUBLE = [one.name for one in dataclasses.fields(Trouble)]


@dataclass(frozen=True)
class Status:
    """Of all processes that serve. metrics: put together. troubles: each once, the worst first."""

    processes: list[Process]
    metrics: dict[str, Metric]
    troubles: list[Trouble]


def answer(gateway: Gateway) -> None:
    """Have this process answer "status", "metrics" and "troubles"."""
    begun = time.time()

    def status(facts: object) -> dict[str, Any]:
        return {"pid": os.getpid(), "since": begun, "version": __version__}

    gateway.control.answers("status", status)
    gateway.control.answers("metrics", lambda facts: [one.data() for one in gateway.measured()])
    gateway.control.answers("troubles", lambda facts: [dataclasses.asdict(one) for one in gateway.troubles()])


def whole_status(gateway: Gateway) -> Status:
    """From a command, too. Raises NotServing."""
    processes = [
        Process(said.number, silent=said.failure)
        if said.failure
        else Process(said.number, **{name: said.answer[name] for name in _SAID})
        for said in gateway.control.everywhere("status")
    ]
    return Status(processes, {one.name: one for one in all_metrics(gateway)}, all_troubles(gateway))


def all_metrics(gateway: Gateway) -> list[Metric]:
    """Those of all processes that serve, put together, by name. A process that does not answer is left out, and so are
    metrics of another version that are none here. From a command, too. Raises NotServing if none serves.
    """
    said = [one.answer for one in gateway.control.everywhere("metrics") if not one.failure]
    return joined_metrics([list(_metrics(answer)) for answer in said])


def _metrics(answer: Any) -> Iterator[Metric]:
    for data in answer:
        with contextlib.suppress(ValueError, TypeError, KeyError):
            yield Metric.of_data(data)


def all_troubles(gateway: Gateway) -> list[Trouble]:
    """Those of all processes that serve, each once: first those that keep mail from flowing, then by their age. A
    process that does not answer is one. From a command, too. Raises NotServing if none serves.
    """
    found: dict[str, Trouble] = {}
    for said in gateway.control.everywhere("troubles"):
        if said.failure:
            what = f"process {said.number} of the gateway does not say how it is: {said.failure}"
            these = [Trouble(f"process:{said.number}", what, 0, "look at the log, then restart the gateway")]
        else:
            these = [Trouble(**{name: data[name] for name in _OF_TROUBLE}) for data in said.answer]
        for one in these:
            if one.key not in found or 0 < one.since < (found[one.key].since or math.inf):
                found[one.key] = one
    return sorted(found.values(), key=lambda one: (not one.blocks, one.since))
