"""Has the certificates looked at when it is time, by a process of its own that ends when that is done.

So what the gateway needs for that once in two months costs it no memory in between, and an authority that keeps a
connection open, or sends what nobody expects, holds up nothing here.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import gevent
from gevent import subprocess as cooperative

log = logging.getLogger("chatgate.acme")

SHORTEST = 60.0  # seconds from one look to the next, whatever is asked for


def command(folder: Path) -> list[str]:
    """That does in another process what `Renewing.run` wants done."""
    return [sys.executable, "-m", "chatgate", "--dir", str(folder), "tls", "renew", "--due"]


class Renewing:
    """next_look: returns when to look again, Unix seconds. seconds: longest time from one look to the next, and that a
    look may take.
    """

    def __init__(
        self, argv: list[str], next_look: Callable[[], float], seconds: float, limit: float, shortest: float = SHORTEST
    ) -> None:
        self._argv, self._next_look = argv, next_look
        self._seconds, self._limit, self._shortest = seconds, limit, shortest

    def run(self) -> None:
        """For ever."""
        while True:
            self.look()
            wait = self._next_look() - time.time()
            gevent.sleep(min(max(wait, self._shortest), self._seconds))

    def look(self) -> None:
        """Start the process and wait for its end. Killed while it waits, it ends the process, too."""
        # As this one found its modules, whether they are installed, in a checkout or in one file.
        environ = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID"):
            environ.pop(name, None)
        process = cooperative.Popen(
            self._argv, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
        )
        try:
            code = process.wait(self._limit)
            if code not in (0, 1):  # 1: it could not have a certificate, and has said so
                log.error("renewing failed exit=%d", code)
        except cooperative.TimeoutExpired:
            log.error("renewing takes more than %.0f seconds, ended", self._limit)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
