"""`chatgate check`: is this folder fit to serve?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from chatgate.cli.folder import Folder
from chatgate.command import json_option, show
from chatgate.hosting.reading import secrets_in
from chatgate.hosting.services import Problem
from chatgate.running import serving
from chatgate.running.gateway import Gateway
from chatgate.running.hold import holder

_ALONE = (
    "no enabled plugin carries wake-ups to other processes: apps hear late of mail that another process takes in, and "
    "of what commands change"
)


@click.command("check")
@json_option
@click.pass_obj
def command(folder: Folder, as_json: bool) -> None:
    """Look for what is wrong with the gateway.

    It checks the configuration, the certificate, the stored mail and whatever else the plugins can check. It writes
    nothing, and works while the gateway is running and on a folder that can only be read.

    The exit code is 0 when all is well or there are only warnings, 1 when an error would keep mail from flowing, and 2
    when the configuration is wrong.
    """
    gateway = folder.gateway
    gateway.read_only = True
    problems = gateway.check()
    problems += [Problem("error", text) for text in _nobody_brings(gateway)]
    problems += [Problem("warning", text) for text in _open_secrets(gateway)]
    problems += [Problem("note", text) for text in _not_in_force(gateway)]
    if gateway.hub.implements("open_store") and not gateway.hub.implements("board"):
        problems.append(Problem("warning", _ALONE))
    data = {"plugins": [p.name for p in gateway.config.plugins], "problems": [vars(p) for p in problems]}
    lines = [f"{p.level}: {p.text}" for p in problems]
    lines += [f"{p.name}: enabled, as {p.needed_by} needs it" for p in gateway.config.plugins if p.needed_by]
    wrong = sum(p.level != "note" for p in problems)
    lines.append(f"{_count(len(gateway.config.plugins), 'plugin')} enabled, {_count(wrong, 'problem')}")
    show(data, as_json, lines)
    sys.exit(any(p.level == "error" for p in problems))


def _nobody_brings(gateway: Gateway) -> list[str]:
    """Missing plugins without which a gateway does not start, or is of no use to anybody."""
    needed = (
        ("open_store", "brings a store", "maildb"),
        ("certificate", "brings a TLS certificate", "tls"),
        ("authenticate", "lets anybody log in", "passwordless"),
        ("recipient", "takes mail for anybody", "accounts"),
    )
    return [
        f"no enabled plugin {what}; the one that is shipped is {shipped}"
        for hook, what, shipped in needed
        if not gateway.hub.implements(hook)
    ]


def _not_in_force(gateway: Gateway) -> list[str]:
    """What a gateway that serves from this folder does not know yet."""
    folder = gateway.config.folder
    try:
        changes = serving.differing(gateway.config) if holder(folder) is not None else None
    except OSError:  # a folder that can only be read
        return []
    if changes is None:
        return []
    found = [f"not in force until 'chatgate reload': {', '.join(changes.live)}"] if changes.live else []
    return [*found, f"not in force until a restart: {', '.join(changes.waiting)}"] if changes.waiting else found


def _open_secrets(gateway: Gateway) -> list[str]:
    """Files of conf.d that every user of this machine can read, with a secret in them, a line each."""
    found = []
    for plugin in gateway.config.plugins:
        path = Path(plugin.source)
        keys = ", ".join(secrets_in(path, type(plugin.options)))
        if keys and path.stat().st_mode & 0o004:
            found.append(f"{path}: every user of this machine can read {keys}; run 'chmod 600 {path}'")
    return found


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
