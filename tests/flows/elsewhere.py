"""A mail server elsewhere, as far as one needs to be seen: it takes what comes, or hangs, or refuses."""

from __future__ import annotations

import re
import socketserver
import threading
from typing import Any


class Elsewhere(socketserver.ThreadingTCPServer):
    """got: (sender, recipients, content) of what it has taken. hangs: it says nothing to a message until this is set
    to False. refuses, denies: recipients it refuses for now, and for good. began: how many messages have come whole.
    refused: how many recipients it has refused for now.
    """

    allow_reuse_address = daemon_threads = True

    def __init__(self, host: str) -> None:
        super().__init__((host, 0), _Talk)
        self.got: list[tuple[str, list[str], bytes]] = []
        self.hangs, self.refuses, self.denies, self.began, self.refused = False, set[str](), set[str](), 0, 0
        self.address = f"{host}:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *error: Any) -> None:
        self.shutdown()
        self.server_close()

    @property
    def recipients(self) -> list[str]:
        """All, in the order they came."""
        return [recipient for _, recipients, _ in self.got for recipient in recipients]


class _Talk(socketserver.StreamRequestHandler):
    server: Elsewhere

    def handle(self) -> None:
        sender, recipients = "", list[str]()
        self.say("220 elsewhere")
        for line in self.rfile:
            verb = line[:4].strip().upper()
            address = (re.findall(rb"<(.*?)>", line) or [b""])[0].decode()
            if verb == b"MAIL":
                sender, recipients = address, []
                self.say("250 OK")
            elif verb == b"RCPT" and address in self.server.refuses:
                self.server.refused += 1
                self.say("450 4.2.0 not now")
            elif verb == b"RCPT" and address in self.server.denies:
                self.say("550 5.1.1 nobody")
            elif verb == b"RCPT":
                recipients.append(address)
                self.say("250 OK")
            elif verb == b"DATA":
                self.say("354 go on")
                content = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.began += 1
                if self.server.hangs:
                    return self.hang()
                self.server.got.append((sender, recipients, content))
                self.say("250 taken")
            else:
                self.say("221 bye" if verb == b"QUIT" else "250 elsewhere")

    def say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")

    def hang(self) -> None:
        while self.rfile.read(1):
            pass
