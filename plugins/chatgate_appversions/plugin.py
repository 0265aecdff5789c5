"""The plugin `appversions`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chatgate.api import Gateway, KeptFiles, Problem, hookimpl, option
from chatgate_appversions.document import compact

log = logging.getLogger("chatgate.appversions")

ENTRY = "/shared/vendor/deltachat/appversions"


@dataclass(frozen=True)
class AppVersionsOptions:
    file: str = option("data/appversions.json", "JSON file with the versions; read again when it has changed.")
    max_bytes: int = option(65536, "Octets the file may have.", live=True)
    look_seconds: float = option(5.0, "Seconds in which a change is noticed.", live=True)


class AppVersions:
    """Tells apps from a JSON file which of their versions are available, so that they can offer an update."""

    Options = AppVersionsOptions
    order = 75

    def __init__(
        self, gateway: Gateway, options: AppVersionsOptions, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """clock: seconds since any point in time."""
        self.options, self._clock = options, clock
        self.path = gateway.path(options.file)
        self._value: bytes | None = None
        self._seen: object = None
        self._look_at = clock()

    @hookimpl
    def chatgate_backup(self) -> list[KeptFiles]:
        return [KeptFiles("versions", self.path)]

    @hookimpl
    def chatgate_metadata_entries(self, mailbox: str) -> list[str]:
        return [] if mailbox else [ENTRY]

    @hookimpl
    def chatgate_get_metadata(self, mailbox: str, entry: str) -> bytes | None:
        if mailbox or entry != ENTRY:
            return None
        if (now := self._clock()) >= self._look_at:
            self._look_at = now + self.options.look_seconds
            self._look()
        return self._value

    @hookimpl
    def chatgate_check(self) -> list[Problem]:
        try:
            load(self.path, self.options.max_bytes)
        except FileNotFoundError:
            return [Problem("warning", f"appversions: there is no {self.path}; apps are told nothing")]
        except (OSError, ValueError) as error:
            return [Problem("warning", f"appversions: {self.path}: {_reason(error)}")]
        return []

    def _look(self) -> None:
        """Read the file if it has changed. If it is broken, perhaps half written, apps still get the last good version.
        If it was removed, they get nothing any more.
        """
        try:
            stat = self.path.stat()
            seen: object = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        except OSError as error:
            seen = error.errno
        if seen == self._seen:
            return
        self._seen = seen  # set before reading: a change made meanwhile is noticed the next time
        try:
            self._value = load(self.path, self.options.max_bytes)
        except FileNotFoundError:
            self._value = None
            log.warning("there is no %s; apps are told no versions", self.path)
        except (OSError, ValueError) as error:
            kept = "is not used" if self._value is None else "is not used, the one before is"
            log.warning("%s %s: %s", self.path, kept, _reason(error))


def load(path: Path, max_bytes: int) -> bytes:
    """The document that apps get. Raises OSError, ValueError."""
    if path.exists() and not path.is_file():
        raise ValueError("not a file")  # reading from a pipe would wait for its writer
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"more than {max_bytes} octets")
    return compact(content)


def _reason(error: Exception) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
