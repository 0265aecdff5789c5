"""`POST /new`: an account for whoever asks, as invitations of the form dcaccount:https://HOST/new require."""

from __future__ import annotations

import json

import bottle
from bottle import HTTPResponse
from gevent.lock import BoundedSemaphore

from chatgate.api import Account, Gateway, Limiter, NewAccount, Reply
from chatgate_site import invite
from chatgate_site.options import SiteOptions
from chatgate_site.places import Places

# The second path is in old invitations. It is not a redirect, as Delta Chat does not follow redirects here.
PATHS = ("/new", "/cgi-bin/newemail.py")

_WAIT_SECONDS = 10.0  # to wait for a turn; the app shows that it is busy meanwhile

_CLOSED = Reply(550, "5.7.1", "This server takes no new accounts")
_BUSY = Reply(451, "4.3.2", "Too many people ask for an account at this moment, please try again in a minute")


class New:
    def __init__(self, gateway: Gateway, options: SiteOptions, places: Places) -> None:
        self._gateway, self._places = gateway, places
        self._options = options
        self._budget = Limiter(options.new_per_network, 60, options.new_per_minute)
        self._turns = BoundedSemaphore(max(1, options.new_at_once))

    def options_changed(self) -> None:
        self._budget.limit(self._options.new_per_network, self._options.new_per_minute)

    def add_to(self, app: bottle.Bottle) -> None:
        # Delta Chat sends no body; curl -d "" and the like may send a few octets, which are ignored.
        app.post(list(PATHS), callback=self.create, max_body=1024)
        app.get(list(PATHS), callback=self.show)

    def create(self) -> HTTPResponse:
        """Make an account; it is on disk before the client gets its address."""
        client, place = bottle.request.environ["chatgate.session"], self._places.here()
        if self._budget.take(client.client) is None:
            return _refusal(429, _BUSY)
        if not self._turns.acquire(timeout=_WAIT_SECONDS):
            return _refusal(503, _BUSY)
        try:
            address, password = invite.draw(place.domain.name)
            token = bottle.request.query.token
            request = NewAccount(address, password, "site", generated=True, network=client.network, token=token)
            answer = self._gateway.accounts.create(request)
        finally:
            self._turns.release()
        if not isinstance(answer, Account):
            reply = answer or _CLOSED
            return _refusal(429 if reply.imap == "LIMIT" else 503 if reply.temporary else 403, reply)
        account = {"email": answer.address, "password": password}
        if place.personal:
            account["dclogin_url"] = place.inviter.login(answer.address, password)
        return _json(200, account)

    def show(self) -> HTTPResponse:
        """For a browser that opens an invitation link: redirect it to the app that understands the link."""
        place = self._places.here()
        own = place.personal or bool(bottle.request.query.token)
        return HTTPResponse(
            status=302 if own else 301,
            headers={
                "Location": place.inviter.link(bottle.request.query.token),
                "Cache-Control": "no-store" if own else "max-age=3600",
            },
        )


def _refusal(status: int, reply: Reply) -> HTTPResponse:
    """A refusal. Delta Chat shows the reason to its user unchanged."""
    answer = _json(status, {"reason": reply.text})
    if status != 403:
        answer.set_header("Retry-After", "60")
    return answer


def _json(status: int, data: dict[str, str]) -> HTTPResponse:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return HTTPResponse(json.dumps(data), status, headers)
