"""Connections for a look: TCP, and TLS with the certificate that is shown."""

from __future__ import annotations

import contextlib
import datetime
import ssl
import time
from collections.abc import Iterator
from typing import Any

from cryptography import x509
from gevent import socket

from chatgate.api import trusting, verifying


class NoConnection(Exception):
    """str() says why in a few words."""


@contextlib.contextmanager
def connected(address: str, port: int, seconds: float) -> Iterator[Any]:
    """A TCP connection. Raises NoConnection if there is none, or if it breaks."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.settimeout(seconds)
            sock.connect((address, port))
            yield sock
    except TimeoutError:
        raise NoConnection(f"no answer within {seconds:g} seconds") from None
    except OSError as error:
        raise NoConnection((error.strerror or str(error)).lower()) from None


def problem(address: str, port: int, seconds: float) -> str:
    """Why no connection can be made; "" if one can."""
    try:
        with connected(address, port, seconds):
            return ""
    except NoConnection as error:
        return str(error)


def certificate(address: str, port: int, name: str, seconds: float, *, verify: bool) -> float:
    """Days until the certificate expires that is shown to who asks for this name. verify: as other servers do it, by
    authorities and names. Raises NoConnection, also for a certificate that is not valid.
    """
    context = verifying() if verify else trusting()
    with connected(address, port, seconds) as sock:
        try:
            with context.wrap_socket(sock, server_hostname=name) as secured:
                shown = x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")
        except ssl.SSLCertVerificationError as error:
            raise NoConnection(error.verify_message.rstrip(".")) from None
    return (shown.not_valid_after_utc - datetime.datetime.now(datetime.UTC)).total_seconds() / 86400


def date(address: str, port: int, host: str, seconds: float) -> float | None:
    """By how many seconds the clock of this machine is ahead of that of a web server; None if it does not tell. The
    certificate is not looked at: a wrong clock makes each look invalid. Raises NoConnection.
    """
    from email.utils import parsedate_to_datetime

    with connected(address, port, seconds) as sock, trusting().wrap_socket(sock, server_hostname=host) as secured:
        secured.sendall(f"HEAD / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head and len(head) < 65536 and (more := secured.recv(4096)):
            head += more
    for line in head.decode("latin-1").split("\r\n"):
        field, _, value = line.partition(":")
        if field.lower() == "date":
            try:
                return time.time() - parsedate_to_datetime(value.strip()).timestamp()
            except ValueError:
                return None
    return None
