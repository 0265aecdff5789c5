"""Giving others a turn amid long work in the hub's thread."""

from __future__ import annotations

import gevent


def give_turn() -> None:
    """Let everybody else run who can. Not sleep(0): after that gevent looks at sockets, timers and threads that have
    finished only once for every fifty turns.
    """
    gevent.sleep(1e-6)
