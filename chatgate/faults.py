"""Describes errors in somebody's code, in the few words that a log or an operator needs."""

from __future__ import annotations

import dis
from types import TracebackType

import gevent
import gevent.timeout

from chatgate.limits import Timeout

_RAISE = dis.opmap["RAISE_VARARGS"]
# What a closed Timeout has for its timer; gevent has no other way to tell.
_CLOSED = getattr(gevent.timeout, "_FakeTimer", None)


def where(error: BaseException) -> str:
    """file:line of the innermost frame that is not gevent's own, as gevent only waits for others."""
    found, trace = "?", error.__traceback__
    while trace:
        name = trace.tb_frame.f_code.co_filename
        if found == "?" or not ("/gevent/" in name or "/greenlet/" in name):
            found = f"{name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


def raised_at(trace: TracebackType | None) -> str:
    """file:line of the innermost frame, for a log, where the exception's text may hold what a client sent."""
    frame = _innermost(trace)
    return f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else "?"


def _innermost(trace: TracebackType | None) -> TracebackType | None:
    while trace and trace.tb_next:
        trace = trace.tb_next
    return trace


def told(error: BaseException) -> str:
    """The error as one line for the operator, at start and in commands, where its text holds nothing that a client
    sent.
    """
    text = " ".join(str(error).split())
    return f"{type(error).__name__}{': ' if text else ''}{text[:300]} at {where(error)}"


def thrown_in(error: BaseException) -> bool:
    """Was this exception thrown in from outside, to end the greenlet that runs the code or a wait of its caller? Kills,
    the caller's time limits and Ctrl-C must not be blamed on the plugin that happened to run. An exception from a
    `raise` statement, or from a time limit that was closed again on the way, is the code's own.
    """
    if not isinstance(error, gevent.GreenletExit | gevent.Timeout | KeyboardInterrupt):
        return False
    if isinstance(error, gevent.Timeout) and not isinstance(error, Timeout) and error.timer is _CLOSED:
        return False
    return not _by_statement(error.__traceback__)


def _by_statement(trace: TracebackType | None) -> bool:
    """Was the innermost frame at a `raise`? An exception thrown into a greenlet appears where that waits instead."""
    frame = _innermost(trace)
    if frame is None:
        return False
    code, at = frame.tb_frame.f_code.co_code, frame.tb_lasti
    return 0 <= at < len(code) and code[at] == _RAISE
