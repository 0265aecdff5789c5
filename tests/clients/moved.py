"""A gateway that is backed up while people chat, and goes on elsewhere from that: their apps notice nothing. Runs in a
namespace: `python moved.py FOLDER`.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from around import DOMAIN, command, mailbox
from people import OUT_DELIVERED, Person, arrive, until
from stage import GatewayProcess, close, cores, prepare

LATE = "sent when the backup was made already"


def traffic(alice: Person, chat: object, stop: threading.Event) -> int:
    """Until told to stop; how many were sent."""
    count = 0
    while not stop.is_set():
        alice.state(alice.sends(chat, f"number {count}!"), OUT_DELIVERED)
        count += 1
    return count


def known(person: Person) -> tuple[bytes, bytes]:
    """UIDVALIDITY and UIDNEXT of INBOX, as another client sees them."""
    with mailbox(person) as imap:
        imap.select("INBOX", readonly=True)
        return imap.response("UIDVALIDITY")[1][0], imap.response("UIDNEXT")[1][0]


def main(folder: Path) -> None:
    first, second, file = GatewayProcess(folder / "gateway"), GatewayProcess(folder / "elsewhere"), folder / "backup"
    with first, second:
        prepare(first, "--domain", DOMAIN)
        first.start()
        with cores(first, folder / "accounts") as deltachat:
            people = arrive(deltachat, {name: f"dcaccount:{DOMAIN}" for name in ("alice", "bob")})
            alice, bob = people["alice"], people["bob"]
            # With a second device apps leave their mail where it is.
            for person in (alice, bob):
                person.account.set_config("bcc_self", "1")
            chat = alice.account.create_chat(bob.account)
            alice.sends(chat, "hello bob")
            bob.has("hello bob").get_snapshot().chat.accept()

            stop, sent = threading.Event(), [0]
            busy = threading.Thread(target=lambda: sent.append(traffic(alice, chat, stop)))
            busy.start()
            bob.has("number 1!")
            command(first, "backup", str(file))
            stop.set()
            busy.join()
            bob.has(f"number {sent[-1] - 1}!")
            # These the backup does not have, and apps do: no later message may get their UIDs.
            for number in range(3):
                alice.state(alice.sends(chat, f"{LATE} {number}"), OUT_DELIVERED)
                bob.has(f"{LATE} {number}")
            before = known(bob)
            before_of_alice = known(alice)
            moved = second.run("restore", str(file), "--no-dns")
            assert moved.returncode == 0, moved.stdout + moved.stderr
            assert first.stop() == 0
            second.start()
            assert known(bob)[0] == before[0] and known(alice)[0] == before_of_alice[0]
            assert int(known(bob)[1]) > int(before[1]), "a UID is given twice"
            deltachat.rpc.maybe_network()
            alice.sends(chat, "after the move")
            bob.has("after the move")
            bob.sends(bob.find("hello bob")[0].get_snapshot().chat, "nothing noticed")
            alice.has("nothing noticed")

            for text in ("hello bob", "number 0!", f"number {sent[-1] - 1}!", f"{LATE} 2", "after the move"):
                assert len(bob.find(text)) == 1, f"{text!r} was fetched again"
            for person in (alice, bob):
                events = [str(event.get("msg", "")) for event in deltachat.rpc.get_queue(person.account.id).queue]
                wrong = [text for text in events if "uidvalidity" in text.lower() and "chang" in text.lower()]
                assert not wrong, wrong
            until(
                "both are connected",
                lambda: all(p.account._rpc.get_connectivity(p.account.id) >= 3000 for p in (alice, bob)),
            )
            close(second)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
