"""The files of the new conf.d, as text."""

from __future__ import annotations

import json
from typing import Any

from chatgate_movein.maddyconf.said import CORE, File, Said, plain

# The number of each plugin's file; the same as `chatgate plugins enable` gives it.
ORDER = {
    CORE: 0,
    "acme": 8,
    "tls": 10,
    "smtp": 20,
    "imap": 25,
    "gate": 30,
    "dkim": 40,
    "resolver": 40,
    "passwordless": 50,
    "accounts": 60,
    "maildb": 60,
    "courier": 70,
    "push": 70,
    "site": 70,
    "iroh": 75,
    "selfservice": 75,
    "turn": 75,
    "sweeper": 85,
    "metrics": 88,
    "doctor": 90,
    "movein": 90,
    "ping": 90,
}

# Written even if nothing is said of them: a gateway as `chatgate init` makes it, and what brings accounts and mail in.
ALWAYS = tuple(name for name in ORDER if name not in ("acme", "turn", "iroh"))


def texts(said: Said, source: str) -> dict[str, str]:
    """The files by name, such as "20-smtp.toml", "domains/example.net.toml". source: the file that all comes from."""
    found = {}
    for name, number in ORDER.items():
        if name in said.files or name in ALWAYS:
            found[f"{number:02d}-{name}.toml"] = _file(said.file(name), source)
    for domain, where in said.domains.items():
        found[f"domains/{domain}.toml"] = f"# {plain(where)}\n"
    return found


def _file(file: File, source: str) -> str:
    lines = [f"# {plain(f'From {source}; what is not set here has its default: see docs/conf.d.md.')}"]
    for key, setting in file.settings.items():
        lines += ["", *(f"# {plain(text)}" for text in setting.said), f"{key} = {toml(setting.value)}"]
    for title, told in (("So without a setting:", file.same), ("No counterpart:", file.missing)):
        if told:
            lines += ["", f"# {title}", *(f"#   {plain(text)}" for text in told)]
    return "\n".join(lines) + "\n"


def toml(value: Any) -> str:
    """A TOML value: JSON's strings, numbers, booleans and lists of strings are, but for one control character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
