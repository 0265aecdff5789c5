"""Operators join the group of the alerts with the real core. Runs inside a namespace: `python alerts.py FOLDER`."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import sys
from pathlib import Path

from around import DOMAIN, command
from deltachat_rpc_client import Chat
from people import Person, arrive, until
from stage import GatewayProcess, cores, prepare

GROUP = f"{DOMAIN} alerts"
FULL_AT = "10000000000000000"
FULL, TO_DO = "nobody can make an account", "To do: df -h"


def main(folder: Path) -> None:
    with GatewayProcess(folder / "gateway") as gateway:
        prepare(gateway, "--domain", DOMAIN)
        settings = "look_seconds = 0.3\nbegin_seconds = 0.3\nend_seconds = 0.3\n"
        (gateway.folder / "conf.d/88-alerts.toml").write_text(settings)
        gateway.start()
        with cores(gateway, folder / "accounts") as deltachat:
            people = arrive(deltachat, {name: f"dcaccount:{DOMAIN}" for name in ("alice", "bob")})
            alice, bob = people["alice"], people["bob"]
            invited = json.loads(command(gateway, "alerts", "join", "--json"))
            joins(gateway, alice, invited["qr"], 1)
            alice.has("Nothing is wrong at the moment.")
            joins(gateway, bob, invited["link"], 2)

            # Trouble, and its end.
            fill(gateway, FULL_AT)
            for person in (alice, bob):
                told = person.has(FULL).get_snapshot()
                assert told.show_padlock and TO_DO in told.text, told
                assert told.chat.get_basic_snapshot().name == GROUP
            fill(gateway, "0")
            for person in (alice, bob):
                assert person.has("Over after").get_snapshot().show_padlock

            # Who leaves is told nothing more.
            chat(bob).leave()
            until("bob is forgotten", lambda: members(gateway) == [alice.transport.addr], pause=0.3)
            fill(gateway, FULL_AT)
            until("alice is told again", lambda: len(alice.find(TO_DO)) == 2, pause=0.3)
            assert len(bob.find(TO_DO)) == 1
            assert gateway.stop() == 0


def joins(gateway: GatewayProcess, person: Person, code: str, members_then: int) -> None:
    person.account.secure_join(code)
    until(f"{person.name} is in", lambda: len(members(gateway)) == members_then, pause=0.3)
    until(f"{person.name} sees it", lambda: chat(person).get_full_snapshot().self_in_group, pause=0.3)
    until(f"{person.name} sees the others", lambda: len(chat(person).get_contacts()) == members_then + 1, pause=0.3)


def chat(person: Person) -> Chat:
    """The group on their screen."""
    return next(one for one in person.account.get_chatlist() if one.get_basic_snapshot().name == GROUP)


def members(gateway: GatewayProcess) -> list[str]:
    return [str(address) for (address,) in rows(gateway, "SELECT address FROM member")]


def rows(gateway: GatewayProcess, query: str) -> list[tuple[object, ...]]:
    """From the plugin's database: asking its commands again and again would keep the processor busy."""
    with contextlib.closing(sqlite3.connect(gateway.folder / "data/alerts.db")) as database:
        return database.execute(query).fetchall()


def fill(gateway: GatewayProcess, octets: str) -> None:
    """Have so many octets count as too few on the disk."""
    gateway.set("sweeper", no_accounts_below_bytes=octets)
    gateway.signal(signal.SIGHUP)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
