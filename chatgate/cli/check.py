"""`chatgate check`: is this folder fit to serve?"""

from __future__ import annotations

import sys

import click

from chatgate.cli import Folder, json_option, show


@click.command("check")
@json_option
@click.pass_obj
def command(folder: Folder, as_json: bool) -> None:
    """Check the configuration, the certificate, the stored data and whatever else the plugins know to check.

    Exit code 0: sound, perhaps with warnings. 1: an error that would keep mail from flowing. 2: wrong configuration.
    """
    gateway = folder.gateway
    _ = gateway.store, gateway.tls
    problems = gateway.check()
    data = {"plugins": [p.name for p in gateway.config.plugins], "problems": [vars(p) for p in problems]}
    lines = [f"{p.level}: {p.text}" for p in problems]
    lines.append(f"{len(gateway.config.plugins)} plugins enabled, {len(problems) or 'no'} problems")
    show(data, as_json, lines)
    sys.exit(any(p.level == "error" for p in problems))
