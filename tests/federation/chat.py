"""The real Delta Chat core on gateways of different domains. Runs inside a namespace: `python chat.py FOLDER`.

First nobody listens at port 25, so that all mail goes by /mxdeliv; then nobody at 443, so that all goes by SMTP.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bed import Bed, Relay, bed
from deltachat_rpc_client import DeltaChat
from people import IN_FRESH, OUT_DELIVERED, OUT_FAILED, OUT_READ, Person, arrive, until
from stage import cores
from story import ATTACHMENT, dclogin

ONLY_HTTPS = {"mx": "[]"}
ONLY_SMTP = {"https": "[]"}


class Story:
    def __init__(self, bed: Bed, deltachat: DeltaChat, relays: dict[str, Relay]) -> None:
        self.bed, self.deltachat, self.relays = bed, deltachat, relays
        self.people: dict[str, Person] = {}

    def tell(self) -> None:
        chapters: list[Callable[[], None]] = [
            self.five_come,
            self.everybody_meets_alice,
            self.an_address_meets_an_underscore,
            self.a_file,
            self.a_group_of_all,
            self.by_smtp_instead,
            self.nobody_there,
            self.no_such_domain,
        ]
        for chapter in chapters:
            begin = time.monotonic()
            chapter()
            print(f"{chapter.__name__}: {time.monotonic() - begin:.1f} s", flush=True)

    def five_come(self) -> None:
        self.people = arrive(self.deltachat, {name: invitation(relay, name) for name, relay in self.relays.items()})
        self.alice, self.bob, self.carol, self.dave, self.erin = self.people.values()
        domains = [person.transport.addr.partition("@")[2] for person in self.people.values()]
        erin = f"[{self.relays['erin'].host.address}]"
        assert domains == ["red.example", "green.example", "blue.example", "_teal.example", erin]

    def everybody_meets_alice(self) -> None:
        for person in (self.bob, self.carol, self.dave, self.erin):
            meet(self.alice, person)

    def an_address_meets_an_underscore(self) -> None:
        """Neither has a certificate that anybody vouches for, and one no name in the DNS."""
        meet(self.erin, self.dave)

    def a_file(self) -> None:
        """Of a size of which the core makes two messages, a small one and a large one behind it."""
        content = os.urandom(ATTACHMENT)
        path = self.bed.folder / "photo.bin"
        path.write_bytes(content)
        self.bob.sends(self.bob.account.create_chat(self.alice.account), "a photo", file=str(path))
        got = self.alice.has("a photo")
        until("alice has the file", lambda: got.get_snapshot().file_bytes == ATTACHMENT and got.get_snapshot().file)
        assert Path(got.get_snapshot().file).read_bytes() == content

    def a_group_of_all(self) -> None:
        self.group = self.alice.account.create_group("five servers")
        self.group.add_contact(*(person.account for person in list(self.people.values())[1:]))
        self.alice.sends(self.group, "welcome, all")
        for person in list(self.people.values())[1:]:
            person.has("welcome, all").get_snapshot().chat.accept()
        self.everybody_speaks("first")

    def everybody_speaks(self, word: str) -> None:
        """One message of each to all others: every way between two servers."""
        for speaker in self.people.values():
            text = f"{word}, says {speaker.name}"
            sent = speaker.sends(speaker.find("welcome, all")[0].get_snapshot().chat, text)
            for person in self.people.values():
                if person is not speaker:
                    assert person.has(text).get_snapshot().show_padlock
            speaker.state(sent, OUT_DELIVERED, OUT_READ)

    def by_smtp_instead(self) -> None:
        for relay in self.bed.relays:
            assert relay.stop() == 0
            relay.set("smtp", mx='["*:25"]')
            relay.set("site", **ONLY_SMTP)
        self.bed.start()
        self.deltachat.rpc.maybe_network()
        self.everybody_speaks("second")

    def nobody_there(self) -> None:
        """The app shows that the message did not reach its reader, and why."""
        # Else the core, since 2.50, reads nothing that is not encrypted, and so no notice of any server.
        self.alice.account.set_config("force_encryption", "0")
        self.carol.account.stop_io()
        self.relays["carol"].command("accounts", "delete", self.carol.transport.addr, "--yes")
        self.fails(self.carol, "no such user here")

    def no_such_domain(self) -> None:
        """The same of one whose domain is gone. Our own server found that out, and nobody said it."""
        for name in [name for name in self.bed.zone if name.endswith("_teal.example")]:
            del self.bed.zone[name]
        self.bed.publish()
        red = self.relays["alice"]
        red.stop()
        red.start()  # with nothing in its memory
        self.alice.account.stop_io()
        self.alice.account.start_io()  # else its next try is half a minute away
        self.fails(self.dave, "_teal.example does not exist")

    def fails(self, reader: Person, reason: str) -> None:
        sent = self.alice.sends(self.alice.account.create_chat(reader.account), "are you still there?")
        self.alice.state(sent, OUT_FAILED)
        error = sent.get_snapshot().error
        assert reason in error, error


def meet(inviter: Person, joiner: Person) -> None:
    """Securejoin, and a message each way."""
    joiner.account.secure_join(inviter.account.get_qr_code())
    inviter.event("SecurejoinInviterProgress", progress=1000)
    joiner.event("SecurejoinJoinerProgress", progress=1000)
    for sender, reader in ((inviter, joiner), (joiner, inviter)):
        text = f"{sender.name} to {reader.name}"
        sent = sender.sends(sender.account.create_chat(reader.account), text)
        got = reader.has(text).get_snapshot()
        assert got.show_padlock and got.state >= IN_FRESH
        sender.state(sent, OUT_DELIVERED, OUT_READ)


def invitation(relay: Relay, name: str) -> str:
    """dave's is that of a domain whose certificate the core does not check; the core trusts no authority of ours."""
    if name == "dave":
        return "dcaccount:_teal.example"
    host = relay.domains[0]
    return dclogin(f"[{host}]" if relay.literal else host, host, 993, 465)


def main(folder: Path) -> None:
    with bed(folder) as made:
        red, green = made.relay(11, "red.example"), made.relay(12, "green.example")
        blue, literal = made.relay(13, "blue.example", "_teal.example"), made.relay(14)
        for relay in made.relays:
            relay.set("smtp", **ONLY_HTTPS)
        made.start()
        with cores(red, folder / "accounts") as deltachat:
            relays = {"alice": red, "bob": green, "carol": blue, "dave": blue, "erin": literal}
            Story(made, deltachat, relays).tell()
        made.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
