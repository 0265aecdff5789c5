"""What people do with Delta Chat, on one gateway reached in one of three ways. Runs inside a namespace:
`python story.py domain|ip|local FOLDER`.
"""

from __future__ import annotations

import imaplib
import json
import os
import secrets
import ssl
import string
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from deltachat_rpc_client import DeltaChat
from people import IN_SEEN, OUT_DELIVERED, OUT_READ, Person, arrive, until
from stage import GatewayProcess, close, cores, prepare

NAMES = ("alice", "bob", "carol", "dave", "erin")
ATTACHMENT = 300_000  # octets; above 140 000 the core sends a small message first and a large one behind it
NO_CHECK = ssl._create_unverified_context()


class Way:
    """How clients come to the gateway. hosts: names for /etc/hosts, see namespace.py."""

    hosts: dict[str, str] = {}
    init: tuple[str, ...] = ()
    imap = ("", 993)

    def invitation(self, name: str) -> str:
        """A QR text that gives a new profile."""
        raise NotImplementedError


class Domain(Way):
    """A name that begins with an underscore: the core checks the name in the certificate, not who signed it."""

    hosts = {"_cg1.test": "127.0.0.2"}
    init = ("--domain", "_cg1.test")
    imap = ("_cg1.test", 993)

    def invitation(self, name: str) -> str:
        # both forms: the first makes up address and password itself, the other asks the site for them
        return "dcaccount:_cg1.test" if name != "bob" else "dcaccount:https://_cg1.test/new"


class Ip(Way):
    """No name at all: addresses are user@[127.0.0.4], and the site hands out a dclogin: text."""

    init = ("--domain", "127.0.0.4")
    imap = ("127.0.0.4", 993)

    def invitation(self, name: str) -> str:
        if name == "alice":
            return from_site("https://127.0.0.4/new")
        if name == "carol":  # whose network lets nothing but HTTPS through
            return dclogin("[127.0.0.4]", "127.0.0.4", 443, 443)
        return dclogin("[127.0.0.4]", "127.0.0.4", 993, 465)


class Local(Way):
    """`init --local`: no root, ports of a developer's machine."""

    init = ("--domain", "localhost", "--local")
    imap = ("127.0.0.1", 2993)

    def invitation(self, name: str) -> str:
        if name == "alice":
            return from_site("https://127.0.0.1:8443/new")
        if name == "carol":
            return dclogin("localhost", "127.0.0.1", 2143, 2587, "starttls")
        return dclogin("localhost", "127.0.0.1", 2993, 2465)


WAYS: dict[str, type[Way]] = {"domain": Domain, "ip": Ip, "local": Local}


def dclogin(domain: str, host: str, imap: int, smtp: int, security: str = "ssl") -> str:
    """A QR text with everything in it; ic=3: any certificate will do."""
    letters = string.ascii_lowercase + string.digits
    user, password = ("".join(secrets.choice(letters) for _ in range(n)) for n in (9, 22))
    servers = f"ih={host}&ip={imap}&is={security}&sh={host}&sp={smtp}&ss={security}"
    return f"dclogin:{user}@{domain}?p={password}&v=1&{servers}&ic=3"


def from_site(url: str) -> str:
    """The QR text that the gateway's own site hands out."""
    request = urllib.request.Request(url, method="POST")
    with urllib.request.urlopen(request, timeout=60, context=NO_CHECK) as answer:
        return json.load(answer)["dclogin_url"]


class Story:
    """One evening, a method an event, told in this order."""

    def __init__(self, gateway: GatewayProcess, way: Way, deltachat: DeltaChat, folder: Path) -> None:
        self.gateway, self.way, self.deltachat, self.folder = gateway, way, deltachat, folder
        self.people: dict[str, Person] = {}

    def tell(self) -> None:
        chapters: list[Callable[[], None]] = [
            self.five_come,
            self.two_meet,
            self.a_large_attachment,
            self.read_receipts,
            self.a_group_of_five,
            self.a_second_device,
            self.no_core_complains,
            self.a_restart_loses_nothing,
            self.a_kill_loses_nothing,
            self.the_server_forgets,
        ]
        for chapter in chapters:
            begin = time.monotonic()
            chapter()
            print(f"{chapter.__name__}: {time.monotonic() - begin:.1f} s", flush=True)

    def five_come(self) -> None:
        self.people = arrive(self.deltachat, {name: self.way.invitation(name) for name in NAMES})
        self.alice, self.bob, self.carol, self.dave, self.erin = (self.people[name] for name in NAMES)

    def two_meet(self) -> None:
        """Securejoin, then a message each way."""
        self.bob.account.secure_join(self.alice.account.get_qr_code())
        self.alice.event("SecurejoinInviterProgress", progress=1000)
        self.bob.event("SecurejoinJoinerProgress", progress=1000)
        self.to_bob = self.alice.account.create_chat(self.bob.account)
        self.to_alice = self.bob.account.create_chat(self.alice.account)
        self.alice.sends(self.to_bob, "evening, bob")
        assert self.bob.has("evening, bob").get_snapshot().show_padlock
        self.bob.sends(self.to_alice, "evening, alice")
        assert self.alice.has("evening, alice").get_snapshot().show_padlock

    def a_large_attachment(self) -> None:
        content = os.urandom(ATTACHMENT)
        (self.folder / "photo.bin").write_bytes(content)
        sent = self.alice.sends(self.to_bob, "a photo", file=str(self.folder / "photo.bin"))
        got = self.bob.has("a photo")
        until("bob has the file", lambda: got.get_snapshot().file_bytes == ATTACHMENT and got.get_snapshot().file)
        assert Path(got.get_snapshot().file).read_bytes() == content
        self.alice.state(sent, OUT_DELIVERED)

    def read_receipts(self) -> None:
        sent = self.alice.sends(self.to_bob, "did you see this?")
        self.bob.has("did you see this?").mark_seen()
        self.alice.state(sent, OUT_READ)

    def a_group_of_five(self) -> None:
        group = self.alice.account.create_group("five")
        group.add_contact(*(self.people[name].account for name in NAMES[1:]))
        self.alice.sends(group, "welcome, all")
        for name in NAMES[1:]:
            message = self.people[name].has("welcome, all")
            message.get_snapshot().chat.accept()
            assert len(message.get_snapshot().chat.get_contacts()) == len(NAMES)
        self.erin.sends(self.erin.find("welcome, all")[0].get_snapshot().chat, "thank you, alice")
        for name in NAMES[:-1]:
            self.people[name].has("thank you, alice")

    def a_second_device(self) -> None:
        """A backup moved to another device: both work on the same mailbox from then on."""
        self.alice.account.set_config("bcc_self", "1")
        (self.folder / "backup").mkdir()
        self.alice.account.stop_io()
        self.alice.account.export_backup(self.folder / "backup")
        (backup,) = (self.folder / "backup").glob("*.tar")
        tablet = self.deltachat.add_account()
        tablet.import_backup(backup)
        tablet.set_config("bcc_self", "1")
        self.tablet = Person("alice's tablet", tablet)
        for account in (self.alice.account, tablet):
            account.start_io()
        for account in (self.alice.account, tablet):
            self.deltachat.rpc.wait_for_all_work_done(account.id)
        self.bob.sends(self.to_alice, "for both of you")
        on_tablet, on_phone = self.tablet.has("for both of you"), self.alice.has("for both of you")
        self.alice.sends(self.to_bob, "from the phone")
        self.tablet.state(self.tablet.has("from the phone"), OUT_DELIVERED, OUT_READ)
        self.tablet.sends(on_tablet.get_snapshot().chat, "from the tablet")
        self.alice.has("from the tablet")
        for text in ("from the phone", "from the tablet"):
            self.bob.has(text)
        on_tablet.mark_seen()
        self.alice.state(on_phone, IN_SEEN)

    def no_core_complains(self) -> None:
        for person in (*self.people.values(), self.tablet):
            person.content()

    def a_restart_loses_nothing(self) -> None:
        """Mail waits for one who is offline, and what is written while the gateway is away goes out afterwards."""
        self.carol.account.stop_io()
        waiting = self.alice.sends(self.alice.account.create_chat(self.carol.account), "read it later")
        self.alice.state(waiting, OUT_DELIVERED)
        assert self.gateway.stop() == 0
        self.bob.sends(self.to_alice, "are you there?")
        self.alice.sends(self.to_bob, "hello?")
        self._back()
        self.carol.has("read it later")
        self.alice.has("are you there?")
        self.tablet.has("are you there?")
        self.bob.has("hello?")

    def a_kill_loses_nothing(self) -> None:
        self.carol.account.stop_io()
        sent = [
            self.alice.sends(self.alice.account.create_chat(self.carol.account), f"number {number}!")
            for number in range(5)
        ]
        for message in sent:
            self.alice.state(message, OUT_DELIVERED)
        self.gateway.kill()
        self._back()
        for number in range(5):
            self.carol.has(f"number {number}!")
        for number in range(5):
            assert len(self.carol.find(f"number {number}!")) == 1

    def _back(self) -> None:
        """The gateway again, and the clients told that the network changed, as a phone does."""
        self.gateway.start()
        self.carol.account.start_io()
        self.deltachat.rpc.maybe_network()

    def the_server_forgets(self) -> None:
        """A core with one device deletes what it has downloaded: the mailbox on the server becomes empty."""
        transport = self.bob.transport
        imap = imaplib.IMAP4_SSL(*self.way.imap, ssl_context=NO_CHECK, timeout=60)
        imap.login(transport.addr, transport.password)
        until("bob's mailbox is empty", lambda: imap.select("INBOX")[1] == [b"0"])
        imap.logout()


def main(way: Way, folder: Path) -> None:
    gateway = GatewayProcess(folder / "gateway")
    prepare(gateway, *way.init)
    with gateway:
        gateway.start()
        with cores(gateway, folder / "accounts") as deltachat:
            Story(gateway, way, deltachat, folder).tell()
            close(gateway)


if __name__ == "__main__":
    main(WAYS[sys.argv[1]](), Path(sys.argv[2]))
