"""What processes that serve say of themselves in the folder, for `chatgate reload` and `chatgate check`: what the last
SIGHUP did, and a digest of each setting that they run with.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chatgate.hosting import live
from chatgate.hosting.confd import Config
from chatgate.running.gateway import Gateway
from chatgate.running.replacing import replace_file

log = logging.getLogger("chatgate.reload")


@dataclass
class Report:
    """What a reload did. began: when, of time.monotonic; 0.0: there was none since the start. certificate: "new", "the
    same", or "kept" where none could be read. changed, waiting: names of settings. wrong: the configuration has
    mistakes and nothing of it is used. errors, warnings: lines for the operator.
    """

    began: float = 0.0
    certificate: str = ""
    changed: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    wrong: bool = False
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For the operator, but for errors and warnings."""
        texts = {
            "new": "new certificate",
            "the same": "the certificate is the same",
            "kept": "the certificate in use is kept",
        }
        found = [texts[self.certificate]]
        if self.wrong:
            return [*found, "the configuration has mistakes and is not used"]
        found.append("changed: " + ", ".join(self.changed) if self.changed else "no setting has changed")
        if self.waiting:
            return [*found, "a restart is needed for " + ", ".join(self.waiting)]
        return [*found, "nothing waits for a restart"]


def note(gateway: Gateway, report: Report) -> None:
    """Write the report of this process into the folder, with a digest of each setting that is in force."""
    salt = secrets.token_hex(16)
    data = {
        **dataclasses.asdict(report),
        "count": gateway.place.count,
        "salt": salt,
        "settings": {name: _digest(salt, one.value) for name, one in live.settings(gateway.config).items()},
    }
    path = _path(gateway.config.folder, gateway.place.number)
    try:
        replace_file(path, json.dumps(data).encode(), durable=False)
    except OSError as error:  # commands then know less, and say so
        log.warning("cannot write what this process does folder=%s: %s", path.parent, error.strerror)


def reports(folder: Path, since: float) -> list[Report] | None:
    """What each process did at a SIGHUP later than `since`, of time.monotonic; None: not all are through."""
    found: list[Report] = []
    count = 1
    while len(found) < count:
        data = _read(folder, len(found))
        if data is None or data["began"] < since:
            return None
        count = data["count"]
        found.append(Report(**{name.name: data[name.name] for name in dataclasses.fields(Report)}))
    return found


def forget(folder: Path, count: int = 64) -> None:
    """Remove what processes have said, as it may be of a time before this machine was started. Raises OSError."""
    for number in range(count):
        _path(folder, number).unlink(missing_ok=True)


def differing(config: Config) -> live.Changes | None:
    """In what the folder differs from that with which the gateway in it serves; None: nobody knows."""
    data = _read(config.folder, 0)
    if data is None:
        return None
    now, then = live.settings(config), data["settings"]
    changes = live.Changes([], [])
    differ = {name for name, one in now.items() if name in then and _digest(data["salt"], one.value) != then[name]}
    for name, one in now.items():
        general = name.partition(": ")[2]
        if name in differ and not (general in differ and one.value == now[general].value):
            (changes.live if one.live else changes.waiting).append(name)
    for name in {**then, **now}:
        if (name in now) != (name in then) and (name.startswith("domain ") or name.endswith(" (enabled)")):
            changes.waiting.append(name if name in now else name.replace("(enabled)", "(disabled)"))
    return changes


def _path(folder: Path, number: int) -> Path:
    return folder / f".serving-{number}.json"


def _read(folder: Path, number: int) -> Any:
    try:
        return json.loads(_path(folder, number).read_text())
    except (OSError, ValueError):
        return None


def _digest(salt: str, value: Any) -> str:
    """Not of the repr, which hides secrets."""
    return hashlib.blake2b(f"{salt}{value}".encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
