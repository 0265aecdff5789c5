"""`chatgate reload`: have a gateway that serves take what is new in its folder."""

from __future__ import annotations

import os
import signal
import sys
import time

import click
import gevent

from chatgate.cli.folder import Folder
from chatgate.command import fail, json_option, show
from chatgate.hosting import confd
from chatgate.running import serving
from chatgate.running.hold import Holder, holder

_LOOK_SECONDS = 0.05


@click.command("reload")
@click.option(
    "--wait", "seconds", default=60.0, show_default=True, metavar="SECONDS", help="How long to wait for the answer."
)
@json_option
@click.pass_obj
def command(folder: Folder, seconds: float, as_json: bool) -> None:
    """Have a gateway take changed settings while it runs.

    It takes a new certificate, too. No connection is lost. It takes the settings that are marked "(live)" in conf.d;
    what is printed says which have changed, and which need a restart. When there is a mistake anywhere in conf.d, no
    setting is changed. Settings that are used once for each connection hold for new ones.

    The exit code is 0 when that worked, also if something waits for a restart; 1 when no gateway runs, it does not
    answer, or the certificate cannot be read; 2 when the configuration is wrong.
    """
    path = folder.path
    if not confd.is_gateway(path):
        fail(confd.none_there(path), 2)
    found = holder(path)
    if found is None:
        fail(f"no gateway serves from {path}", 1)
    if found is Holder.HIDDEN:
        fail(f"the process that serves from {path} cannot be seen from here; is it in a container? Reload it there", 1)
    since = time.monotonic()
    try:
        serving.forget(path)
        os.kill(found, signal.SIGHUP)
    except OSError as error:
        fail(f"process {found}, which serves from {path}, cannot be told: {error.strerror}", 1)
    while (reports := serving.reports(path, since)) is None:
        if time.monotonic() > since + seconds:
            fail(f"no answer from process {found} in {seconds:g} seconds; see its log", 1)
        gevent.sleep(_LOOK_SECONDS)
    whole = _together(reports)
    data = {
        "processes": len(reports),
        "certificate": whole.certificate,
        "changed": whole.changed,
        "waiting": whole.waiting,
        "warnings": whole.warnings,
        "errors": whole.errors,
    }
    code = 2 if whole.wrong else 1 if whole.errors else 0
    show(data, as_json, [f"warning: {line}" for line in whole.warnings] + whole.lines())
    if not as_json:
        for line in whole.errors:
            click.echo(f"chatgate: {line}", err=True)
    sys.exit(code)


def _together(reports: list[serving.Report]) -> serving.Report:
    """What several processes say, each line once."""
    first, *others = reports
    for other in others:
        for name in ("changed", "waiting", "errors", "warnings"):
            have = getattr(first, name)
            have += [line for line in getattr(other, name) if line not in have]
        first.wrong = first.wrong or other.wrong
        if other.certificate != first.certificate:
            first.certificate = "kept" if "kept" in (other.certificate, first.certificate) else "new"
    return first
