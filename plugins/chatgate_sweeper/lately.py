"""The report of the last sweep, in a file: whoever asks may be another process than the one that swept."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from chatgate.api import Gateway
from chatgate_sweeper.sweep import Report

log = logging.getLogger("chatgate.sweeper")


def _file(gateway: Gateway) -> Path:
    return gateway.path("data", "sweeper.last")


def remember(gateway: Gateway, report: Report) -> None:
    """A report that cannot be written is lost, and the log says so."""
    path = _file(gateway)
    new = path.with_name(f"{path.name}.{os.getpid()}.new")  # others write, too
    try:
        with open(new, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(json.dumps(report.data()))
        new.replace(path)
    except OSError as error:
        log.warning("the report of the sweep cannot be written: %s: %s", path, error.strerror)


def last(gateway: Gateway) -> dict[str, Any] | None:
    """As `Report.data` gave it; None where nothing is known."""
    try:
        found = json.loads(_file(gateway).read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
