"""A 250 is a promise: the server is killed under load, again and again, and must keep every one."""

from __future__ import annotations

import email
import random
import secrets
import smtplib
import threading
import time

from local_gateway import NO_RATE, LocalGateway, Login, Make, bodies, number

from chatgate.testing import pgp_message, until

ROUNDS = 8
SENDERS = 4
FILE = 65_536  # octets; larger messages are files beside the database
SMALL, LARGE = 1_500, 70_000


class Sender:
    """Submits without a pause until its connection breaks, and notes what was acknowledged."""

    def __init__(self, gateway: LocalGateway, login: Login, to: list[str], octets: int) -> None:
        self._gateway, self._login, self._to = gateway, login, to
        self._template = pgp_message(login[0], to[0], octets, Message_ID="<@ID@>")
        self.acknowledged: dict[str, bytes] = {}

    def run(self) -> None:
        try:
            with self._gateway.submissions(self._login) as client:
                while True:
                    name = f"<{secrets.token_hex(16)}@localhost>"
                    content = self._template.replace(b"<@ID@>", name.encode())
                    client.sendmail(self._login[0], self._to, content)
                    self.acknowledged[name] = content.partition(b"\r\n\r\n")[2]
        except (smtplib.SMTPException, OSError):
            pass  # killed


class Reader:
    """Looks into one mailbox after each restart and remembers what must stay true."""

    def __init__(self, gateway: LocalGateway, login: Login) -> None:
        self._gateway, self._login = gateway, login
        self._uidvalidity = 0
        self._uidnext = 1
        self._known: dict[int, str] = {}
        self._deleted: set[str] = set()
        self.found: set[str] = set()
        self.large: set[str] = set()

    def look(self, acknowledged: dict[str, bytes], again: bool = False) -> None:
        """again: compare the content of old messages too."""
        client = self._gateway.imap(self._login)
        client.select("INBOX")
        uidvalidity, uidnext = number(client, "UIDVALIDITY"), number(client, "UIDNEXT")
        assert self._uidvalidity in (0, uidvalidity)
        assert uidnext >= self._uidnext
        headers = bodies(client, "1:*", "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]")
        names = {uid: email.message_from_bytes(header)["Message-ID"] for uid, header in headers.items()}
        assert len(set(names.values())) == len(names), "a message twice"
        assert not self._deleted & set(names.values()), "a deleted message is back"
        for uid, name in self._known.items():
            assert names.get(uid) == name, "a message changed its UID"
        assert all(self._uidnext <= uid < uidnext for uid in names.keys() - self._known.keys()), "a UID used again"
        lost = acknowledged.keys() - set(names.values()) - self._deleted
        assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged messages are lost"
        for uid, content in bodies(client, "1:*" if again else f"{self._uidnext}:4294967295").items():
            if len(content) > FILE:
                self.large.add(names[uid])
            wanted = acknowledged.get(names[uid])
            assert wanted in (None, content.partition(b"\r\n\r\n")[2]), "a message is not what was sent"
        self.found |= set(names.values())
        self.large -= self._deleted
        self._uidvalidity, self._uidnext, self._known = uidvalidity, uidnext, names
        client.logout()

    def delete_some(self) -> None:
        """Every second message; what CLOSE acknowledged must not come back."""
        client = self._gateway.imap(self._login)
        client.select("INBOX")
        uids = [uid for uid in self._known if uid % 2]
        if uids:
            client.uid("STORE", ",".join(map(str, uids)), "+FLAGS.SILENT", r"(\Deleted)")
        assert client.close()[0] == "OK"
        self._deleted |= {self._known.pop(uid) for uid in uids}
        client.logout()

    def delete_all(self) -> None:
        client = self._gateway.imap(self._login)
        client.select("INBOX")
        client.uid("STORE", "1:*", "+FLAGS.SILENT", r"(\Deleted)")
        assert client.close()[0] == "OK"
        client.logout()


def work(senders: list[Sender], messages: int) -> None:
    """Until so many more are acknowledged, large ones among them."""
    begun = [len(sender.acknowledged) for sender in senders]

    def done() -> bool:
        more = [len(sender.acknowledged) - before for sender, before in zip(senders, begun, strict=True)]
        return sum(more) >= messages and more[0] >= 4

    until(done)


def test_kill_9_under_load_loses_and_doubles_nothing(local_gateway: Make) -> None:
    gateway = local_gateway(smtp=NO_RATE).start()
    people = [gateway.account(), gateway.account()]
    to = [address for address, _ in people]
    senders = [Sender(gateway, gateway.account(), to, LARGE if n == 0 else SMALL) for n in range(SENDERS)]
    readers = [Reader(gateway, login) for login in people]
    for count in range(1, ROUNDS + 1):
        threads = [threading.Thread(target=sender.run) for sender in senders]
        for thread in threads:
            thread.start()
        readers[0].delete_some()
        work(senders, random.randint(30, 150))
        gateway.kill()
        for thread in threads:
            thread.join()
        gateway.start()
        acknowledged = {name: body for sender in senders for name, body in sender.acknowledged.items()}
        for reader in readers:
            reader.look(acknowledged, again=count == ROUNDS)
        # A message that was not acknowledged may be there, but then for both: they were one transaction.
        assert readers[0].found == readers[1].found
    print(f"{len(acknowledged)} messages were acknowledged")
    assert len(acknowledged) > 20 * ROUNDS, "hardly any load"
    assert gateway.stop() == 0
    check = gateway.run("check")
    assert check.returncode == 0, check.stdout + check.stderr
    gateway.start()
    large = {name for reader in readers for name in reader.large}
    assert len(large) > ROUNDS, "hardly any large message"
    until_files(gateway, len(large))
    for reader in readers:
        reader.delete_all()
    until_files(gateway, 0)
    assert gateway.stop() == 0


def until_files(gateway: LocalGateway, wanted: int) -> None:
    """Large messages have a file each, and there are no other files. What is removed is removed in the background."""
    end = time.monotonic() + 60
    while (there := sum(path.is_file() for path in (gateway.folder / "data" / "blobs").rglob("*"))) != wanted:
        assert time.monotonic() < end, f"{there} files for {wanted} large messages"
        time.sleep(0.05)
