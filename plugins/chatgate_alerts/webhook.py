"""The webhook: each message by POST, as JSON, to a URL of the operator's."""

from __future__ import annotations

import http.client
import json
import re
import ssl
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import gevent
import gevent.socket

from chatgate.api import verifying
from chatgate_alerts.channels import NotSent
from chatgate_alerts.words import Message

_PRINTABLE = re.compile(r"[!-~]+")
_HEADER = re.compile(r"([A-Za-z0-9-]+):[ \t]*([!-~]+(?: [!-~]+)*)")
_FIELD = re.compile(r"([A-Za-z0-9_-]+)=([^\x00-\x1f]*)")
_MOST = 8192  # octets of an answer that are read


class Target(NamedTuple):
    """Where it goes. header: name and value, or (). fields: added to the JSON."""

    secure: bool
    host: str
    port: int
    path: str
    header: tuple[str, ...]
    fields: dict[str, Any]

    @classmethod
    def of(cls, url: str, header: str, fields: Sequence[str]) -> Target:
        """Raises ValueError that names the option and repeats no secret."""
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            raise ValueError("webhook: must be a URL such as https://ntfy.example.org/alerts") from None
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https") or not host or parts.username or not _PRINTABLE.fullmatch(url):
            raise ValueError("webhook: must be a URL such as https://ntfy.example.org/alerts")
        named = _HEADER.fullmatch(header)
        if header and named is None:
            raise ValueError('webhook_header: must be NAME: VALUE, such as "Authorization: Bearer abc123"')
        found = [_FIELD.fullmatch(field) for field in fields]
        if not all(found):
            raise ValueError("webhook_fields: must be NAME=VALUE each")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        more = {one[1]: int(one[2]) if one[2].isascii() and one[2].isdigit() else one[2] for one in found if one}
        return cls(parts.scheme == "https", host, port, path, named.groups() if named else (), more)


class Webhook:
    """A channel. ca_file: PEM file of authorities, "" for those of the system."""

    name = "webhook"

    def __init__(self, target: Target, ca_file: str) -> None:
        self._target, self._ca_file = target, ca_file

    def ready(self) -> bool:
        return True

    def send(self, message: Message, seconds: float) -> None:
        """One request. Redirections are not followed: the header is for this server only."""
        body = json.dumps({**message.facts, "text": message.text, "message": message.text, **self._target.fields})
        try:
            with gevent.Timeout(seconds, NotSent(f"{self._target.host} does not answer within {seconds:g} s")):
                status = self._post(body.encode())
        except ssl.SSLCertVerificationError as error:
            raise NotSent(f"{self._target.host} is not to be trusted: {error.verify_message}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NotSent(f"{self._target.host}: {_why(error)}") from None
        if not 200 <= status < 300:
            raise NotSent(f"{self._target.host} answers {status}")

    def _post(self, body: bytes) -> int:
        target = self._target
        sock = gevent.socket.create_connection((target.host, target.port))
        connection = http.client.HTTPConnection(target.host, target.port)
        try:
            if target.secure:
                context = verifying(self._ca_file)
                sock = context.wrap_socket(sock, server_hostname=target.host)
            connection.sock = sock
            headers = {"Content-Type": "application/json", "User-Agent": "chatgate", "Connection": "close"}
            headers |= {target.header[0]: target.header[1]} if target.header else {}
            connection.request("POST", target.path, body, headers)
            response = connection.getresponse()
            response.read(_MOST)  # whoever is cut off while it answers may take that for a failure
            return response.status
        finally:
            connection.close()
            sock.close()


def _why(error: Exception) -> str:
    """Never the text of an answer."""
    return (error.strerror if isinstance(error, OSError) else "") or type(error).__name__
