"""Logging: one line per event, `time level logger event key=value …`, on standard error.

The rules hold for everybody's plugin: no message content, password, token or client IP at any level; addresses at debug
only.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable
from typing import Any

import gevent

from chatgate.confd import Enabled


class _Formatter(logging.Formatter):
    def __init__(self) -> None:
        self.converter = time.gmtime
        super().__init__("%(asctime)sZ %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S")

    def formatException(self, ei: Any) -> str:
        """Where it happened and what kind it was; never its text, which may hold what a client sent."""
        kind, _, trace = ei
        while trace and trace.tb_next:
            trace = trace.tb_next
        at = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
        return f"error={kind.__name__ if kind else '?'} at={at}"


def setup(level: str, plugins: Iterable[Enabled]) -> None:
    """Log to standard error. level: for the core and the packages of these plugins. Other libraries only get to warn:
    at debug some of them print what passes through them.
    """
    packages = {plugin.factory.__module__.partition(".")[0] for plugin in plugins}
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.WARNING)
    for package in {"chatgate"} | packages:
        logging.getLogger(package).setLevel(level.upper())
    # gevent would print the greenlet with its arguments, among them a client's address.
    gevent.get_hub().print_exception = _uncaught


def _uncaught(context: Any, kind: Any, value: Any, trace: Any) -> None:
    if kind is not None and issubclass(kind, gevent.GreenletExit):
        return
    logging.getLogger("chatgate").error("greenlet failed", exc_info=(kind, value, trace))
