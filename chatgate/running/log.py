"""Logging: one line per event, `time level logger event key=value …`, on standard error.

The rules hold for everybody's plugin: no message content, password, token or client IP at any level; addresses at debug
only. The journal of systemd gets the level as its priority, too, and notes the time itself.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterable
from types import TracebackType
from typing import Any

import gevent
from gevent import monkey

from chatgate.faults import raised_at
from chatgate.hosting.confd import Enabled

# Answers to what the operator asked for, which are logged at every level.
ANSWERS = logging.getLogger("chatgate.answers")

# sd-daemon(3): the number of syslog(3) before a line.
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


def in_journal(environ: Any = os.environ) -> bool:
    """Is standard error connected to the journal of systemd? By systemd.exec(5), JOURNAL_STREAM."""
    try:
        there = os.fstat(2)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{there.st_dev}:{there.st_ino}"


def priority(level: int) -> str:
    """The prefix of a line for the journal; elsewhere ""."""
    if not in_journal():
        return ""
    return next((f"<{number}>" for least, number in _PRIORITIES if level >= least), "<7>")


class _Formatter(logging.Formatter):
    def __init__(self) -> None:
        self.converter = time.gmtime
        when = "" if in_journal() else "%(asctime)sZ "
        super().__init__(f"{when}%(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if record.exc_text:
            text = text.replace("\n" + record.exc_text, " " + record.exc_text)
        line = text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
        return priority(record.levelno) + line

    def formatException(self, ei: Any) -> str:
        """Where the exception happened and of what kind it is; never its text, which may hold what a client sent."""
        kind, value, trace = ei
        number = errno.errorcode.get(value.errno or 0, "") if isinstance(value, OSError) else ""
        why = f" errno={number}" if number else ""
        return f"error={kind.__name__ if kind else '?'}{why} at={raised_at(trace)}"


def setup(level: str, plugins: Iterable[Enabled]) -> None:
    """Log to standard error. level: for the core and the packages of these plugins. Other libraries log warnings only:
    at debug some of them print the data that passes through them.
    """
    plugins = list(plugins)
    packages = {_package(plugin.factory.__module__) for plugin in plugins}
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    # gevent's lock fails when several threads want it. A plain one will do, as no greenlet switches while writing a
    # line.
    handler.lock = monkey.get_original("_thread", "RLock")()
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.WARNING)
    for package in {"chatgate"} | packages:
        logging.getLogger(package).setLevel(level.upper())
    ANSWERS.setLevel(logging.INFO)
    _catch_the_rest(Blame(plugins))


def _catch_the_rest(blame: Blame) -> None:
    """Make uncaught exceptions one line, too: no traceback, and nothing that clients sent."""
    logging.captureWarnings(True)
    # gevent would print the greenlet with its arguments, among them a client's address.
    hub: Any = gevent.get_hub()

    def report(context: Any, *error: Any) -> None:
        if not isinstance(context, tuple):  # a thread pool passes one; the greenlet that asked gets that error anyway
            _uncaught(f"greenlet failed plugin={blame.of(error[2])}", *error)

    hub.print_exception = report
    if sys.excepthook is sys.__excepthook__:  # nobody else's, such as a test's
        sys.excepthook = lambda *error: _uncaught("failed", *error)
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = lambda a: _uncaught(f"thread failed plugin={blame.of(a.exc_traceback)}", *a[:3])
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = lambda a: _uncaught("clean-up failed", a.exc_type, a.exc_value, a.exc_traceback)


class Blame:
    """Finds the plugin that an uncaught exception belongs to. plugins: as they are enabled."""

    def __init__(self, plugins: Iterable[Enabled]) -> None:
        self._places = [(_place(_package(one.factory.__module__)), one.name) for one in plugins]

    def of(self, trace: TracebackType | None) -> str:
        """The innermost plugin whose code was running. "-": none of them. Who spawned a greenlet is not known: for that
        gevent would keep stack frames with each connection.
        """
        files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(trace)]
        return next((name for file in reversed(files) for place, name in self._places if file.startswith(place)), "-")


def _place(package: str) -> str:
    """The beginning of the names of the package's files."""
    file = getattr(sys.modules[package], "__file__", None) or "-"
    return file.removesuffix("__init__.py")


def _package(module: str) -> str:
    return module.partition(".")[0]


def _uncaught(what: str, kind: Any, value: Any, trace: Any) -> None:
    if kind is not None and issubclass(kind, gevent.GreenletExit | KeyboardInterrupt):
        return
    logging.getLogger("chatgate").error(what, exc_info=(kind, value, trace))
