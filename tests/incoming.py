"""The two ways by which other servers bring mail, port 25 and POST /mxdeliv, as a test uses them alike."""

from __future__ import annotations

import http.client
import smtplib
import socket
from collections.abc import Sequence
from typing import Any

from chatgate.testing import client_tls, port


def connected(gateway: Any, service: str, peer: str = "") -> socket.socket:
    """peer: the address that the gateway shall see, if it trusts 127.0.0.1 with the PROXY protocol."""
    sock = socket.create_connection(("127.0.0.1", port(gateway, service)), timeout=60)
    if peer:
        sock.sendall(f"PROXY TCP4 {peer} 127.0.0.1 1000 25\r\n".encode())
    return sock


class Port25:
    """One connection to port 25."""

    def __init__(self, gateway: Any, peer: str = "") -> None:
        self.client = smtplib.SMTP(timeout=60)
        self.client._host = "127.0.0.1"  # type: ignore[attr-defined]
        self.client.sock, self.client.file = connected(gateway, "mx", peer), None
        assert self.client.getreply()[0] == 220
        self.client.ehlo("peer.test")
        self.client.starttls(context=client_tls())
        self.client.ehlo("peer.test")

    def say(self, command: str) -> str:
        self.client.putcmd(command)
        code, text = self.client.getreply()
        return f"{code} {text.decode()}"

    def __call__(self, sender: str, recipients: Sequence[str], stuffed: bytes) -> list[str]:
        """What each recipient is answered at last. stuffed: the content in wire form, without the final dot."""
        begun = self.say(f"MAIL FROM:<{sender}> SIZE={len(stuffed)}")
        if not begun.startswith("250"):
            return [begun] * len(recipients)
        answers = [self.say(f"RCPT TO:<{recipient}>") for recipient in recipients]
        if not any(answer.startswith("250") for answer in answers):
            assert self.say("RSET").startswith("250")
            return answers
        assert self.say("DATA").startswith("354")
        self.client.send(stuffed + b".\r\n")
        code, text = self.client.getreply()
        last = f"{code} {text.decode()}"
        return [last if answer.startswith("250") else answer for answer in answers]

    def close(self) -> None:
        self.client.close()


class Mxdeliv:
    """One connection to the site. each: ask for an answer for each recipient."""

    def __init__(self, gateway: Any, peer: str = "", each: bool = True) -> None:
        self.client = http.client.HTTPSConnection("127.0.0.1", timeout=60, context=client_tls())
        self.client.sock = client_tls().wrap_socket(connected(gateway, "https", peer))
        self.each, self.status, self.headers = each, 0, http.client.HTTPMessage()

    def post(self, fields: Sequence[tuple[str, str]], body: bytes, method: str = "POST") -> str:
        """The body of the answer; its status and header stay here."""
        self.client.putrequest(method, "/mxdeliv", skip_accept_encoding=True)
        for name, value in fields:
            self.client.putheader(name, value)
        self.client.endheaders(body)
        answer = self.client.getresponse()
        self.status, self.headers = answer.status, answer.headers
        return answer.read().decode()

    def __call__(self, sender: str, recipients: Sequence[str], stuffed: bytes) -> list[str]:
        fields = [("Content-Length", str(len(stuffed)))]
        fields += [("X-MAIL-FROM", sender)] if sender else []
        fields += [("X-MAIL-TO", recipient) for recipient in recipients]
        text = self.post(fields + ([("X-MAIL-STATUS", "each")] if self.each else []), stuffed)
        if not self.each:
            return [text] * len(recipients)
        assert self.headers["X-MAIL-STATUS"] == "each"
        lines = text.split("\r\n")
        assert lines.pop() == "" and len(lines) == len(recipients)
        return lines

    def close(self) -> None:
        self.client.close()


DOORS = {"25": Port25, "mxdeliv": Mxdeliv}
