"""What an attacker puts between the lines is not taken for commands, for the end of a message or for a password."""

from __future__ import annotations

import contextlib
import socket

import pytest
from local_gateway import IMAP, SUBMISSION, LocalGateway, bodies

from chatgate.testing import client_tls, pgp_message


def replies(sock: socket.socket, count: int) -> list[bytes]:
    """That many SMTP replies, multi-line ones as one."""
    found, data = [], b""
    while len(found) < count:
        line, _, data = data.partition(b"\r\n") if b"\r\n" in data else (b"", b"", data)
        if not line:
            more = sock.recv(4096)
            assert more, found
            data += more
        elif line[3:4] != b"-":
            found.append(line)
    return found


def test_what_is_sent_with_starttls_is_not_obeyed_after_it_by_smtp(gateway: LocalGateway) -> None:
    sock = gateway.raw(SUBMISSION)
    replies(sock, 1)
    sock.sendall(b"EHLO x\r\n")
    replies(sock, 1)
    sock.sendall(b"STARTTLS\r\nNOOP injected\r\nRSET\r\n")
    assert replies(sock, 1)[0][:3] == b"220"
    secure = client_tls().wrap_socket(sock, server_hostname=gateway.domain)
    secure.settimeout(1)
    with pytest.raises(TimeoutError):
        secure.recv(100)  # an answer to NOOP or RSET
    secure.sendall(b"QUIT\r\n")
    assert secure.recv(100)[:3] == b"221"


def test_what_is_sent_with_starttls_is_not_obeyed_after_it_by_imap(gateway: LocalGateway) -> None:
    sock = gateway.raw(IMAP)
    sock.recv(1000)
    sock.sendall(b"a STARTTLS\r\nb CAPABILITY\r\nc NOOP\r\n")
    answer = sock.recv(1000)
    assert answer.startswith(b"a OK") and answer.count(b"\r\n") == 1, answer
    secure = client_tls().wrap_socket(sock, server_hostname=gateway.domain)
    secure.settimeout(1)
    with pytest.raises(TimeoutError):
        secure.recv(100)
    secure.sendall(b"d NOOP\r\n")
    assert secure.recv(100).startswith(b"d OK")


def test_no_password_is_taken_in_clear(gateway: LocalGateway) -> None:
    address, password = gateway.account()
    sock = gateway.raw(IMAP)
    sock.recv(1000)
    sock.sendall(f'a LOGIN "{address}" "{password}"\r\n'.encode())
    assert sock.recv(1000).startswith(b"a NO [PRIVACYREQUIRED]")
    sock = gateway.raw(SUBMISSION)
    replies(sock, 1)
    sock.sendall(b"EHLO x\r\n")
    greeting = sock.recv(1000)
    assert b"STARTTLS" in greeting and b"AUTH" not in greeting
    sock.sendall(b"AUTH PLAIN AGFAYgBjY2NjY2NjY2NjYw==\r\n")
    assert replies(sock, 1)[0][:1] == b"5"


ENDS = (
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r\n.\r",
    b"\r.\r\n",
    b"\n\n.\r\n",
    b"\r\n\0.\r\n",
    b"\r\n.\0\r\n",
)


@pytest.mark.parametrize("end", ENDS, ids=repr)
def test_only_one_end_of_data_is_one(gateway: LocalGateway, end: bytes) -> None:
    """SMTP smuggling: a second message hidden behind what some servers take for the end of the first."""
    alice, bob = gateway.account(), gateway.account()
    inner = pgp_message(alice[0], bob[0], Message_ID="<smuggled@localhost>")
    hidden = b"MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n" % (alice[0].encode(), bob[0].encode()) + inner
    outer = pgp_message(alice[0], bob[0])
    with contextlib.suppress(OSError):
        client = gateway.submissions(alice)
        client.mail(alice[0])
        client.rcpt(bob[0])
        client.putcmd("DATA")
        assert client.getreply()[0] == 354
        client.send(outer + end + hidden + b"\r\n.\r\n")
        client.getreply()
        client.putcmd("QUIT")
        client.getreply()
        client.close()
    reader = gateway.imap(bob)
    reader.select("INBOX")
    headers = [content.partition(b"\r\n\r\n")[0] for content in bodies(reader).values()]
    assert not any(b"<smuggled@" in header for header in headers)
