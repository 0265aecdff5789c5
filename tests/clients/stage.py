"""What every story needs: a gateway that does not mind the machine it is on, and cores whose failure can be read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "flows"))

from deltachat_rpc_client import DeltaChat, Rpc
from gateway_process import GatewayProcess

__all__ = ["GatewayProcess", "close", "cores", "enabled", "prepare"]

# Load, memory and disk of whoever runs the tests must not decide about new accounts.
ANY_MACHINE = {
    "policy": {"max_load1": "0.0", "min_free_memory": "0", "min_free_disk": "0"},
    "sweeper": {"no_accounts_below_bytes": "0", "no_large_mail_below_bytes": "0"},
}


def prepare(gateway: GatewayProcess, *init: str, plugins: tuple[str, ...] = ()) -> None:
    """`init`, and these plugins enabled, whether init does that or not."""
    gateway.init(*init)
    for plugin in plugins:
        if not enabled(gateway, plugin):
            done = gateway.run("plugins", "enable", plugin)
            assert done.returncode == 0, done.stdout + done.stderr
    for plugin, settings in ANY_MACHINE.items():
        if enabled(gateway, plugin):
            gateway.set(plugin, **settings)


def enabled(gateway: GatewayProcess, plugin: str) -> bool:
    """Is there a file for it in conf.d?"""
    return any((gateway.folder / "conf.d").glob(f"[0-9][0-9]-{plugin}.toml"))


@contextmanager
def cores(gateway: GatewayProcess, accounts: Path) -> Iterator[DeltaChat]:
    """A process with Delta Chat's core. A failure is told with what the gateway and the cores had to say."""
    with Rpc(accounts_dir=str(accounts)) as rpc:
        try:
            yield DeltaChat(rpc)
        except BaseException:
            for run in range(len(gateway.logs)):
                print(f"--- gateway, run {run} ---\n{gateway.output(run)[-6000:]}", flush=True)
            for number, queue in rpc.event_queues.items():
                events = [f"{event['kind']} {event.get('msg', '')}" for event in list(queue.queue)]
                print(f"--- core, profile {number} ---", *events[-60:], sep="\n", flush=True)
            raise


def close(gateway: GatewayProcess) -> None:
    """An orderly end: the store is sound, and the gateway had nothing to say in any of its runs."""
    assert gateway.stop() == 0
    check = gateway.run("check")
    assert check.returncode == 0, check.stdout + check.stderr
    for run in range(len(gateway.logs)):
        said = gateway.output(run).partition("chatgate: ready\n")[2]
        assert said == "", f"the gateway had something to say:\n{said}"
