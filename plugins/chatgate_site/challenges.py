"""What an authority asks for to see whose site this is: the answers of ACME clients (RFC 8555 §8.3), from files."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

import bottle
from bottle import HTTPError, HTTPResponse

from chatgate.api import Gateway

PATH = "/.well-known/acme-challenge/"
# Where this gateway's own ACME client writes, below its folder.
OWN = "tls/challenges"

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,256}")
_MOST = 4096  # octets of an answer: the token and a hash


class Challenges:
    """Files named by their tokens. webroot: a folder in which other ACME clients write as below a website; "": none."""

    def __init__(self, gateway: Gateway, webroot: str) -> None:
        self._folders: Sequence[Path] = [gateway.path(OWN)]
        if webroot:
            self._folders = [*self._folders, gateway.path(webroot) / PATH.strip("/")]

    def add_to(self, app: bottle.Bottle) -> None:
        # The authority comes by HTTP, as there may be no certificate yet.
        app.get(PATH + "<token>", callback=self.answer, plain_http=True, discreet=True)

    def answer(self, token: str) -> HTTPResponse:
        if _TOKEN.fullmatch(token):
            for folder in self._folders:
                if (found := _read(folder / token)) is not None:
                    headers = {"Content-Type": "application/octet-stream", "Cache-Control": "no-store"}
                    return HTTPResponse(found, 200, headers)
        raise HTTPError(404)


def _read(path: Path) -> bytes | None:
    """An ordinary file; not what a link leads to, as another program than ours may write there."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(file, _MOST) if stat.S_ISREG(os.fstat(file).st_mode) else None
    finally:
        os.close(file)
