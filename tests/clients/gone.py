"""Members of a group whose accounts are gone, with the real core. Runs inside a namespace: `python gone.py FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from around import DOMAIN, command
from group import notices
from people import OUT_DELIVERED, OUT_FAILED, arrive, until
from stage import GatewayProcess, close, cores, prepare

NAMES = ("alice", "bob", "carol", "dave")


def main(folder: Path) -> None:
    with GatewayProcess(folder / "gateway") as gateway:
        prepare(gateway, "--domain", DOMAIN)
        gateway.set("smtp", lookahead_seconds="20.0")  # on a busy machine the app's next command comes late
        gateway.start()
        with cores(gateway, folder / "accounts") as deltachat:
            people = arrive(deltachat, {name: f"dcaccount:{DOMAIN}" for name in NAMES})
            alice, bob, carol, dave = (people[name] for name in NAMES)
            # With a second device alice's app leaves the mail where it is, and sends a copy to herself.
            alice.account.set_config("bcc_self", "1")
            # Whoever is named first to the server: both orders.
            groups = [alice.account.create_group("first"), alice.account.create_group("last")]
            groups[0].add_contact(carol.account, dave.account, bob.account)
            groups[1].add_contact(bob.account, dave.account, carol.account)
            for number, group in enumerate(groups):
                alice.sends(group, f"welcome to {number}")
                for person in (bob, carol, dave):
                    person.has(f"welcome to {number}").get_snapshot().chat.accept()
            for person in (carol, dave):
                person.account.stop_io()
            command(gateway, "accounts", "delete", carol.transport.addr, "--yes")
            command(gateway, "accounts", "disable", dave.transport.addr)

            for number, group in enumerate(groups):
                sent = alice.sends(group, f"who can read {number}?")
                bob.has(f"who can read {number}?")
                alice.state(sent, OUT_DELIVERED)
            for person in (carol, dave):
                until("the notices are in alice's mailbox", lambda: notices(alice, person) == 2)  # noqa: B023

            alone = alice.sends(alice.account.create_chat(carol.account), "and this?")
            alice.state(alone, OUT_FAILED)
            error = alone.get_snapshot().error
            assert f"5.1.1 <{carol.transport.addr}>: no such user here" in error, error
            close(gateway)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
