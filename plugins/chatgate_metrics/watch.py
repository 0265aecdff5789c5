"""A view that fills the terminal and is drawn anew every few seconds, until a key ends it."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Sequence

# xterm's, which every terminal of today knows: another screen, from whose end the old one comes back; the cursor.
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE, _REST = "\x1b[H", "\x1b[K", "\x1b[J"
_BARS = "▁▂▃▄▅▆▇█"
_ENDS = (b"q", b"Q", b"\x1b", b"\x03", b"\x04")


def sparkline(values: Sequence[float], width: int) -> str:
    """A small plot: one character for each of the last `width` values, from nothing to the largest."""
    shown = list(values)[-width:]
    top = max(shown, default=0.0)
    if top <= 0:
        return _BARS[0] * len(shown)
    return "".join(_BARS[min(len(_BARS) - 1, int(value / top * (len(_BARS) - 1) + 0.5))] for value in shown)


def watch(draw: Callable[[int, int], Sequence[str]], seconds: float) -> None:
    """Show what `draw(columns, lines)` returns until q, Escape or Ctrl-C; the terminal is then as it was. Standard
    input and output must be a terminal.
    """
    with _own_screen() as keyboard, contextlib.suppress(KeyboardInterrupt):
        while True:
            columns, height = shutil.get_terminal_size()
            shown = [_fitting(line, columns) for line in draw(columns, height)[:height]]
            sys.stdout.write(_HOME + f"{_REST_OF_LINE}\r\n".join(shown) + _REST_OF_LINE + _REST)
            sys.stdout.flush()
            if _ended(keyboard, seconds):
                return


def _ended(keyboard: int, seconds: float) -> bool:
    """Wait for so long; was a key pressed that ends it?"""
    ready, _, _ = select.select([keyboard], [], [], seconds)
    return bool(ready) and os.read(keyboard, 64)[:1] in (*_ENDS, b"")


@contextlib.contextmanager
def _own_screen() -> Iterator[int]:
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    handlers = [
        (number, signal.signal(number, signal.default_int_handler)) for number in (signal.SIGTERM, signal.SIGHUP)
    ]
    try:
        tty.setcbreak(keyboard)
        sys.stdout.write(_ENTER)
        yield keyboard
    finally:
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
        for number, handler in handlers:
            signal.signal(number, handler)


def _fitting(line: str, columns: int) -> str:
    """At most so wide, and nothing that a terminal would take for a command."""
    plain = "".join(c if c.isprintable() else "?" for c in line)
    return plain if len(plain) <= columns else plain[: max(0, columns - 1)] + "…"
