"""`chatgate serve`: run the gateway."""

from __future__ import annotations

import ctypes
import gc
import signal
import sys
from functools import partial

import click
import gevent

from chatgate import __version__
from chatgate.cli.folder import Folder
from chatgate.command import fail
from chatgate.hosting import confd
from chatgate.hosting.registry import PluginError
from chatgate.network.listeners import BindError
from chatgate.network.passed import Passed
from chatgate.running import files, serving
from chatgate.running.gateway import UNGUARDED, Gateway, hold
from chatgate.running.processes import Place, Processes
from chatgate.running.reload import Reload, reload_level
from chatgate.running.stall import StallWatch
from chatgate.running.systemd import keep_telling, sd_notify, watchdog


@click.command("serve")
@click.pass_obj
def command(folder: Folder) -> None:
    """Run the gateway until SIGTERM or Ctrl-C.

    It prints what is enabled and on which ports, then the line "chatgate: ready". SIGTERM lets transactions in flight
    finish. SIGHUP does what `chatgate reload` does, and the log says what that changed.
    """
    return_memory()
    passed = Passed.received()
    files.allow()
    place = Place() if folder.config.core.processes == 1 else _several(folder)
    # Where a greenlet was made, and by which: gevent would keep half a kilobyte of that with each connection.
    gevent.config.track_greenlet_tree = False
    # What a greenlet raises ends that greenlet, with a line in the log. gevent would let SystemExit end the process.
    hub = gevent.get_hub()
    hub.SYSTEM_ERROR, hub.NOT_ERROR = (), (gevent.GreenletExit,)
    gateway = folder.gateway
    gateway.place, gateway.passed = place, passed
    # Before anything is open, so that a signal at any moment stops in good order.
    gevent.signal_handler(signal.SIGTERM, gateway.stopping.set)
    gevent.signal_handler(signal.SIGINT, gateway.stopping.set)
    gevent.signal_handler(signal.SIGHUP, Reload(gateway))
    try:
        gateway.start()
    except (PluginError, BindError) as error:
        fail(str(error), 1)
    serving.note(gateway, serving.Report())
    # The objects made so far stay: Python's garbage collector need not go through them again, for some milliseconds
    # each time.
    gc.collect()
    gc.freeze()
    if place.number == 0:
        for line in summary(gateway):
            click.echo(line)
    if place.count == 1:
        click.echo("chatgate: ready")
        sd_notify("READY=1")
    if place.number == 0 and sys.stdout.isatty():
        for text in gateway.hub.ready(gateway=gateway):
            click.echo(text)
    if place.count == 1:
        gevent.spawn(keep_telling)
    else:
        place.ready()
        gevent.spawn(place.live, gateway.stopping.set)
    gateway.watch = StallWatch(gateway.hub, gateway.config.core.stall_milliseconds / 1000)
    if gateway.config.core.stall_milliseconds:
        gateway.watch.start()
    gateway.stopping.wait()
    if place.count == 1:
        sd_notify("STOPPING=1")
    gateway.stop()
    gateway.watch.stop()


def _several(folder: Folder) -> Place:
    """Become as many processes as are wanted: returns in each of them, see `Processes.run`."""
    core = folder.config.core
    try:
        hold(folder.config.folder)  # theirs, too, by inheritance, until the last of them ends
    except PluginError as error:
        fail(str(error), 1)

    def ready() -> None:
        click.echo(f"chatgate: {core.processes} processes serve")
        click.echo("chatgate: ready")
        sd_notify("READY=1")

    beat = (lambda: sd_notify("WATCHDOG=1")) if watchdog() else (lambda: None)
    again = partial(reload_level, folder.config)
    return Processes(core.processes, core.stop_seconds, core.hang_seconds, ready, beat, again).run()


def return_memory() -> None:
    """Have glibc's malloc give large blocks back to the system at once, and keep one heap instead of one per thread.

    By itself it would raise the limit for such blocks to the 16 MB of the first password hash, and keep that much in
    the heap of each hashing thread from then on. Other C libraries have nothing of the kind; then nothing is done.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, 1 << 20)
    mallopt(_M_ARENA_MAX, 1)


_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # mallopt(3), malloc.h


def summary(gateway: Gateway) -> list[str]:
    """Lines that say which plugins are on, where services listen, and what is off and why."""
    first, *others = gateway.domains
    lines = [f"chatgate {__version__} for {first.name}, host {first.hostname}, in {gateway.config.folder}"]
    lines += [f"  also for {domain.name}, host {domain.hostname}" for domain in others]
    left_out = {one.name for one in gateway.left_out}
    for plugin in gateway.config.plugins:
        if plugin.name not in left_out:
            why = f", as {plugin.needed_by} needs it" if plugin.needed_by else ""
            lines.append(f"  on   {plugin.name}{why}")
    lines += [f"  LEFT OUT  {one.name}: {one.reason}" for one in gateway.left_out]
    on = {plugin.name for plugin in gateway.config.plugins} | left_out
    for name in sorted(confd.installed()):
        if name not in on:
            lines.append(f"  off  {name:<14} installed, but conf.d has no file for it")
    for service in gateway.services:
        if service.listening:
            lines.append(f"  {service.name:<14} listens on {', '.join(service.listening)}")
        elif getattr(service, "context", None) is not None:
            lines.append(f"  {service.name:<14} answers where {service.alpn} is asked for")
        elif hasattr(service, "addresses"):
            lines.append(f"  {service.name:<14} off: no address is configured")
    if not gateway.hub.guarded:
        lines.append(f"  WARNING: {UNGUARDED}")
    if few := files.too_few(gateway.config.plugins):
        lines.append(f"  WARNING: {few}")
    return lines
