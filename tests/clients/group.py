"""A member whose mailbox is full, with the real core. Runs inside a namespace: `python group.py FOLDER`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from around import DOMAIN, command, mailbox
from people import OUT_DELIVERED, OUT_PENDING, Person, arrive, until
from stage import GatewayProcess, close, cores, prepare

NAMES = ("alice", "bob", "carol")


def main(folder: Path) -> None:
    with GatewayProcess(folder / "gateway") as gateway:
        prepare(gateway, "--domain", DOMAIN)
        gateway.start()
        with cores(gateway, folder / "accounts") as deltachat:
            people = arrive(deltachat, {name: f"dcaccount:{DOMAIN}" for name in NAMES})
            alice, bob, carol = (people[name] for name in NAMES)
            # With a second device alice's app leaves the mail where it is, and sends a copy to herself.
            alice.account.set_config("bcc_self", "1")
            # Else the core, since 2.50, reads no mail in clear, and so nobody's notices of failures.
            alice.account.set_config("force_encryption", "0")
            group = alice.account.create_group("three")
            group.add_contact(bob.account, carol.account)
            alice.sends(group, "welcome, all")
            for person in (bob, carol):
                person.has("welcome, all").get_snapshot().chat.accept()
            carol.account.stop_io()
            command(gateway, "accounts", "quota", carol.transport.addr, "1")

            sent = alice.sends(group, "who can read this?")
            bob.has("who can read this?")
            alice.state(sent, OUT_DELIVERED)  # of groups the core keeps that
            until("the notice is in alice's mailbox", lambda: notices(alice, carol) == 1)
            alone = alice.sends(alice.account.create_chat(carol.account), "and this?")
            time.sleep(3)  # for a first try, which is put off though alice's own copy would have room
            assert alone.get_snapshot().state == OUT_PENDING

            command(gateway, "accounts", "quota", carol.transport.addr, "default")
            carol.account.start_io()
            alice.account.stop_io()
            alice.account.start_io()  # else the next try is half a minute away
            carol.has("and this?")
            alice.state(alone, OUT_DELIVERED)
            again = alice.sends(group, "welcome back, carol")
            for person in (bob, carol):
                person.has("welcome back, carol")
            alice.state(again, OUT_DELIVERED)
            for person in (bob, carol):  # alice's app complains of the try that was put off
                person.content()
            close(gateway)


def notices(person: Person, about: Person) -> int:
    """How many in this mailbox name the other."""
    with mailbox(person) as imap:
        imap.select("INBOX", readonly=True)
        found = imap.search(None, "FROM", '"mailer-daemon@"', "BODY", f'"{about.transport.addr}"')[1]
        return len(found[0].split())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
