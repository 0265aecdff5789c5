"""Talking to a directory within limits: how long an answer may take, how large it may be, where it may come from.

Imported only where an authority is really asked, as it pulls in the `acme` library.
"""

from __future__ import annotations

import email.utils
import os
import ssl
import time
from collections.abc import Mapping
from typing import Any

import gevent
import josepy
import requests
from acme import client, errors, messages
from requests.adapters import HTTPAdapter

from chatgate_acme.options import AcmeOptions

_LONGEST_WAIT = 7 * 86400  # seconds that an authority may have us wait
_PIECE = 16384
_NONCES = 5  # that are tried


class Trouble(Exception):
    """The authority cannot be asked, or has not done what was asked. wait: seconds it wants us to wait, or 0."""

    def __init__(self, text: str, wait: float = 0.0) -> None:
        super().__init__(text)
        self.wait = wait


class _Adapter(HTTPAdapter):
    """Reads all of an answer, within limits."""

    def __init__(self, seconds: float, octets: int) -> None:
        super().__init__()
        self._seconds, self._octets = seconds, octets

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs["stream"] = True
        # requests itself limits only the wait for each piece.
        with gevent.Timeout(self._seconds, Trouble(f"no answer within {self._seconds:g} seconds")):
            response = super().send(request, *args, **kwargs)
            content = b""
            while piece := response.raw.read(_PIECE):  # as it was sent: nothing is unpacked
                content += piece
                if len(content) > self._octets:
                    response.close()
                    raise Trouble(f"an answer of more than {self._octets} octets")
        response._content, response._content_consumed = content, True
        return response


class Network(client.ClientNetwork):
    """wait: seconds that the last refusal asked us to wait, or 0."""

    def __init__(self, key: josepy.JWKEC, options: AcmeOptions, ca_bundle: str) -> None:
        super().__init__(key, alg=josepy.ES256, user_agent="chatgate", timeout=int(options.request_seconds) + 1)
        self.verify_ssl = ca_bundle or _authorities()  # type: ignore[assignment]  # requests takes a path, too
        self.session.adapters.clear()
        self.session.mount("https://", _Adapter(options.request_seconds, options.max_answer))
        self.session.max_redirects = 0  # RFC 8555 knows none, and a signed request is for one address
        self.session.headers["Accept-Encoding"] = "identity"
        self.wait = 0.0

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        """With a fresh nonce for each that is refused (RFC 8555 §6.5)."""
        for _ in range(_NONCES):
            try:
                return self._post_once(*args, **kwargs)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return self._post_once(*args, **kwargs)

    def _send_request(self, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:
        response = super()._send_request(method, url, *args, **kwargs)
        self.wait = 0.0 if response.ok else _seconds(response.headers)
        return response


class Client(client.ClientV2):
    """Can say which certificate an order is to replace, as the library cannot yet."""

    def order(self, csr: bytes, profile: str, replaces: str) -> messages.OrderResource:
        """replaces: as RFC 9773 §5 names a certificate; "" for none."""
        if not replaces:
            return self.new_order(csr, profile)
        inner = self.net
        self.net = _Replacing(inner, self.directory["newOrder"], replaces)  # type: ignore[assignment]
        try:
            return self.new_order(csr, profile)
        finally:
            self.net = inner


class _Replacing:
    """Adds `replaces` to the request for a new order."""

    def __init__(self, inner: client.ClientNetwork, url: str, replaces: str) -> None:
        self._inner, self._url, self._replaces = inner, url, replaces

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def post(self, url: str, obj: Any, **kwargs: Any) -> requests.Response:
        if url == self._url:
            obj = _Order(obj.to_json() | {"replaces": self._replaces})
        return self._inner.post(url, obj, **kwargs)


class _Order(josepy.JSONDeSerializable):
    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = dict(content)

    def to_partial_json(self) -> dict[str, Any]:
        return self._content

    @classmethod
    def from_json(cls, jobj: Any) -> _Order:
        return cls(jobj)


def told(error: Exception, wait: float = 0.0) -> Trouble:
    """What went wrong, in a line for the operator."""
    if isinstance(error, Trouble):
        return error
    if isinstance(error, errors.IssuanceError):
        error = error.error
    if isinstance(error, messages.Error):
        said = _clean(error.detail or error.description or "no reason given")
        return Trouble(f"the authority refuses: {said} ({_clean(error.code or str(error.typ))})", wait)
    if isinstance(error, requests.exceptions.SSLError):
        return Trouble("the directory's own certificate cannot be verified")
    if isinstance(error, requests.exceptions.TooManyRedirects):
        return Trouble("the directory sends us elsewhere")
    if isinstance(error, requests.exceptions.InvalidSchema):
        return Trouble("the directory names an address that is not https")
    if isinstance(error, requests.exceptions.RequestException):
        return Trouble("the directory cannot be reached, or does not speak HTTP")
    if isinstance(error, errors.TimeoutError):
        return Trouble("the authority takes too long")
    if isinstance(error, errors.MissingNonce | errors.BadNonce):
        return Trouble("the directory gives no nonce to sign with", wait)
    if isinstance(error, OSError):
        return Trouble(f"{error.filename or 'the disk'}: {error.strerror or type(error).__name__}")
    answer = next((one for one in error.args if isinstance(one, requests.Response)), None)
    if answer is not None:
        return Trouble(f"the directory answers {answer.status_code} without a reason", wait)
    return Trouble(f"the directory gives an answer that makes no sense ({type(error).__name__})", wait)


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in str(text))[:300]


def _seconds(headers: Mapping[str, str]) -> float:
    """Retry-After (RFC 9110 §10.2.3), in seconds from now."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit() and len(value) < 12:
        return float(min(int(value), _LONGEST_WAIT))
    try:
        at = email.utils.parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(max(0.0, at - time.time()), _LONGEST_WAIT)


def _authorities() -> str | bool:
    """The system's, which it keeps up to date; True for those of certifi."""
    file = ssl.get_default_verify_paths().cafile
    return file if file and os.path.exists(file) else True
