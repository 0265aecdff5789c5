"""SIGKILL at each step of mail out and in, and while much is under way between two gateways. Runs inside a namespace:
`python crash.py FOLDER`.

Nothing that was accepted is lost. What comes twice is what was whole at the other server before this one heard that it
was taken: SMTP has no way to tell (RFC 5321 §4.5.3.2.6, RFC 1047).
"""

from __future__ import annotations

import http.client
import os
import random
import signal
import smtplib
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import network
from account import Account, encrypted, new_identity
from bed import NO_CHECK, Bed, Relay, bed
from peer import STEPS, Hangup, Peer, WebPeer
from people import until

STRANGER = f"stranger@[{network.HUB}]"  # whose mail needs no signature, as it comes from that address
# What a dead process had is tried again so soon, and each message has a connection of its own, with all steps.
SOON = {"lease_seconds": "2.0", "retry_seconds": '["1"]', "idle_connections": "0"}
KILLS, FLOOD = 4, 60


class Out:
    """A gateway that is killed while it hands a message on."""

    def __init__(self, bed: Bed, red: Relay) -> None:
        self.red = red
        chain, key = bed.folder / "odd.pem", bed.folder / "odd.key"
        bed.authority.certificate(["odd.example", "web.example"], chain, key)
        for name in ("odd.example", "web.example"):
            bed.zone[name] = {"A": network.HUB}
        bed.publish()
        self.chain, self.key = chain, key

    def by_smtp(self, alice: Account) -> None:
        peer = Peer(network.HUB, self.chain, self.key)
        sent = {step: self._killed(alice, "somebody@odd.example", step, peer) for step in STEPS}
        until("the queue is empty", lambda: not self.red.json("queue", "list"))
        for step, identity in sent.items():
            came = sum(identity.encode() in content for content in peer.contents())
            # The answer to the message went out, and may or may not have been read.
            assert came in ((1, 2) if step == "accepted" else (1,)), f"{step}: came {came} times"
        peer.close()

    def _killed(self, alice: Account, address: str, step: str, peer: Peer) -> str:
        killed = threading.Event()

        def at(now: str) -> bytes | None:
            if now == step and not killed.is_set():
                self.red.signal(signal.SIGKILL)
                killed.set()
                if now != "accepted":
                    raise Hangup
            return None

        peer.at = at
        sent = alice.sends(address)
        assert killed.wait(60), f"{step} did not come: {peer.steps[-20:]}"
        self.red.wait()
        self.red.start()
        until(f"killed at {step}: the message comes", lambda: any(sent.encode() in one for one in peer.contents()))
        return sent

    def by_https(self, alice: Account) -> None:
        peer = WebPeer(network.HUB, self.chain, self.key)
        killed = threading.Event()

        def answer(body: bytes) -> tuple[int, bytes]:
            if not killed.is_set():
                self.red.signal(signal.SIGKILL)
                killed.set()
                raise Hangup
            return 200, b"250 OK"

        peer.answer = answer
        sent = alice.sends("somebody@web.example")
        assert killed.wait(60)
        self.red.wait()
        self.red.start()
        until("the message comes by https", lambda: any(sent.encode() in content for _, _, content in peer.got))
        until("the queue is empty", lambda: not self.red.json("queue", "list"))
        assert sum(sent.encode() in content for _, _, content in peer.got) == 1
        peer.close()


class In:
    """A gateway that is killed while it is handed a message."""

    def __init__(self, red: Relay) -> None:
        self.red = red

    def by_smtp(self, alice: Account) -> None:
        for step in STEPS[4:]:
            sent = new_identity()
            content = encrypted(STRANGER, sent)
            promised = self._transaction(alice.address, content, step)
            self._back()
            came = alice.count(sent)
            assert came == 1 if promised else came in ((0, 1) if step == "content" else (0,)), f"{step}: {came}"
            # As a server does that heard nothing: it comes again.
            if not promised:
                self._transaction(alice.address, content, "")
                assert 1 <= alice.count(sent) <= (2 if step == "content" else 1)

    def _transaction(self, address: str, content: bytes, killed_at: str) -> bool:
        """Was it told that the message was taken? Killed right after the step was sent."""
        with socket.create_connection((self.red.host.address, 25), 60) as plain:
            file = plain.makefile("rb")
            _answer(file)
            plain.sendall(b"EHLO odd.example\r\n")
            _answer(file)
            plain.sendall(b"STARTTLS\r\n")
            _answer(file)
            with NO_CHECK.wrap_socket(plain, server_hostname=self.red.domains[0]) as sock:
                file = sock.makefile("rb")
                talk = (
                    ("EHLO", b"EHLO odd.example\r\n"),
                    ("MAIL", b"MAIL FROM:<%b>\r\n" % STRANGER.encode()),
                    ("RCPT", b"RCPT TO:<%b>\r\n" % address.encode()),
                    ("DATA", b"DATA\r\n"),
                    ("content", content + b".\r\n"),
                )
                for step, data in talk:
                    sock.sendall(data)
                    if step == killed_at:
                        self.red.kill()
                        with suppress(OSError):
                            return step == "content" and file.readline().startswith(b"250")
                        return False
                    assert _answer(file)[:1] in b"23"
        if killed_at == "accepted":
            self.red.kill()
        return True

    def by_https(self, alice: Account) -> None:
        for step in ("half", "whole", "answered"):
            sent = new_identity()
            content = encrypted(STRANGER, sent)
            promised = self._post(alice.address, content, step)
            self._back()
            assert alice.count(sent) in ((1,) if promised else (0,) if step == "half" else (0, 1)), step

    def _post(self, address: str, content: bytes, killed_at: str) -> bool:
        web = http.client.HTTPSConnection(self.red.host.address, context=NO_CHECK, timeout=60)
        web.putrequest("POST", "/mxdeliv")
        for name, value in (("X-MAIL-FROM", STRANGER), ("X-MAIL-TO", address), ("Content-Length", str(len(content)))):
            web.putheader(name, value)
        web.endheaders(content[: len(content) // 2])
        if killed_at == "half":
            self.red.kill()
            return False
        web.send(content[len(content) // 2 :])
        if killed_at == "whole":
            self.red.kill()
        try:
            answer = web.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            assert killed_at == "whole"
            return False
        assert answer.status == 200, (answer.status, text)
        if killed_at == "answered":
            self.red.kill()
        return True

    def _back(self) -> None:
        self.red.start()


class Flood:
    """Mail both ways between two gateways, one after the other of which is killed."""

    def __init__(self, red: Relay, green: Relay) -> None:
        self.relays = (red, green)
        self.accounts = (Account(red), Account(green))
        self.accepted: dict[Account, list[str]] = {account: [] for account in self.accounts}
        self._done = threading.Event()

    def run(self) -> None:
        ways = (self.accounts, self.accounts[::-1])
        senders = [threading.Thread(target=self._send, args=way) for way in ways]
        for sender in senders:
            sender.start()
        dice = random.Random(10)
        for number in range(KILLS):
            time.sleep(dice.uniform(0.2, 1.0))
            self.kill(self.relays[number % 2], dice)
        for sender in senders:
            sender.join()
        for relay in self.relays:
            until("the queue is empty", lambda: not relay.json("queue", "list"), 120)  # noqa: B023
        for reader, accepted in self.accepted.items():
            came = reader.identities()
            lost = [sent for sent in accepted if not came[sent]]
            assert not lost, f"{len(lost)} of {len(accepted)} lost"
            twice = sum(count - 1 for count in came.values())
            print(f"{reader.relay.domains[0]}: {len(accepted)} accepted, {len(came)} came, {twice} of them again")
            # At most what was on its way at the moment of a kill.
            assert twice <= KILLS * 20, f"{twice} came twice"

    def kill(self, relay: Relay, dice: random.Random) -> None:
        relay.kill()
        relay.start()

    def _send(self, sender: Account, reader: Account) -> None:
        for _ in range(FLOOD):
            sent = new_identity()
            content = encrypted(sender.address, sent, 1500)
            while True:
                with suppress(OSError, smtplib.SMTPException):
                    with sender.session() as smtp:
                        smtp.sendmail(sender.address, [reader.address], content)
                        # From here on it is a promise; QUIT may fail.
                        self.accepted[reader].append(sent)
                if sent in self.accepted[reader][-1:]:
                    break
                time.sleep(0.05)


class FloodOfTwo(Flood):
    """The same of gateways of two processes, of which one is killed: the other one, too, may hand mail on then."""

    def kill(self, relay: Relay, dice: random.Random) -> None:
        assert relay.process is not None
        family = Path(f"/proc/{relay.process.pid}/task/{relay.process.pid}/children")
        until("both serve", lambda: len(family.read_text().split()) == 2)
        os.kill(int(dice.choice(family.read_text().split())), signal.SIGKILL)


def _answer(file: object) -> bytes:
    """The last line of the next reply."""
    while (line := file.readline())[3:4] == b"-":  # type: ignore[attr-defined]
        pass
    return bytes(line)


def main(folder: Path) -> None:
    with bed(folder) as made:
        red, green = made.relay(11, "red.example"), made.relay(12, "green.example")
        for relay in (red, green):
            relay.set("courier", **SOON)
        made.start()
        alice = Account(red)
        out, into, flood = Out(made, red), In(red), Flood(red, green)
        chapters: list[tuple[str, Callable[[], None]]] = [
            ("out by SMTP", lambda: out.by_smtp(alice)),
            ("out by HTTPS", lambda: out.by_https(alice)),
            ("in by SMTP", lambda: into.by_smtp(alice)),
            ("in by HTTPS", lambda: into.by_https(alice)),
            ("a flood", flood.run),
        ]
        for name, chapter in chapters:
            begin = time.monotonic()
            chapter()
            print(f"{name}: {time.monotonic() - begin:.1f} s", flush=True)
        made.stop()
        for relay in (red, green):
            relay.set("chatgate", processes="2")
        made.start()
        begin = time.monotonic()
        FloodOfTwo(red, green).run()
        print(f"a flood through two processes each: {time.monotonic() - begin:.1f} s", flush=True)
        made.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
