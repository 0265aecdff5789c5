"""The site as a WSGI application: bottle, wrapped in what every answer needs."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

import bottle
from bottle import HTTPError, HTTPResponse

from chatgate.api import Counter, Gateway, raised_at, said
from chatgate_site import hooks
from chatgate_site.challenges import Challenges
from chatgate_site.new import PATHS as NEW
from chatgate_site.new import New
from chatgate_site.pages import Pages, content_security_policy
from chatgate_site.places import Place, Places

log = logging.getLogger("chatgate.site")

_HEADERS = [
    content_security_policy("'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
]
_HSTS = ("Strict-Transport-Security", "max-age=31536000")
# What a person is told, by status: title and text.
_ERRORS = {
    400: (said("Not understood"), said("The request has a mistake in its form.")),
    403: (said("Not this way"), said("Please use the https:// address of this site.")),
    404: (said("Nothing here"), said("There is no page at this address.")),
    405: (said("Not this way"), said("This address does not take that kind of request.")),
    411: (said("Length needed"), said("The request must tell how long its body is.")),
    413: (said("Too large"), said("The request is larger than this address takes.")),
}
_ERROR = (said("Something went wrong"), said("The server could not answer. Please try again later."))


class Site:
    """Callable as a WSGI application. It collects the other plugins' routes when it is made; lender: the plugin that
    helps them with their pages. answers: how many, by the class of their status, such as "2xx".
    """

    def __init__(
        self, gateway: Gateway, places: Places, pages: Pages, new: New, challenges: Challenges, lender: Any
    ) -> None:
        self._places, self._pages = places, pages
        self._discreet = gateway.config.core.discreet
        self.answers = Counter()
        self.app = self._empty()
        self.app.install(_Guard(places, self._discreet))
        pages.add_to(self.app)
        new.add_to(self.app)
        challenges.add_to(self.app)
        gateway.hub.observers(hooks.chatgate_site_routes).or_raise(self.app, lender)
        if self._discreet:
            # As if the other routes had never been added: any method gets the same answer as at any address.
            every, self.app = self.app.routes, self._empty()
            for route in every:
                there = route.config.get("discreet", False)
                if there is True or (there and any(place.own(there) for place in places)):
                    self.app.add_route(route)
        # Paths whose requests do not count towards the limit for a client.
        self.uncounted = frozenset(route.rule for route in self.app.routes if not route.config.get("counted", True))

    def _empty(self) -> bottle.Bottle:
        app = bottle.Bottle()
        # Not catchall: bottle would write exception texts, which may contain what a client sent.
        app.config["catchall"] = False
        app.default_error_handler = self._error
        return app

    def enter(self, environ: dict[str, Any]) -> None:
        """Take the path of the site off that of a request, where a proxy has not done so."""
        root, path = unquote(self._places.asked(environ).endpoints.root), environ["PATH_INFO"]
        if root and (path == root or path.startswith(root + "/")):
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = root, path[len(root) :] or "/"

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        hsts = environ["wsgi.url_scheme"] == "https" and not self._places.asked(environ).endpoints.self_signed

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            self.answers.add(f"{status[:1]}xx")
            given = {name for name, _ in headers}
            headers = headers + [header for header in _HEADERS if header[0] not in given]
            return start_response(status, [*headers, _HSTS] if hsts else headers, exc_info)

        try:
            return self.app.wsgi(environ, start)
        except Exception as error:
            log.error("page failed error=%s at=%s", type(error).__name__, raised_at(error.__traceback__))
            kind, body = self._error_body(500, environ["PATH_INFO"], self._places.asked(environ))
            start("500 Internal Server Error", [("Content-Type", kind), ("Cache-Control", "no-store")])
            return [body.encode()]

    def _error(self, error: HTTPError) -> str:
        kind, body = self._error_body(error.status_code, bottle.request.path)
        bottle.response.content_type = kind
        return body

    def _error_body(self, status: int, path: str, place: Place | None = None) -> tuple[str, str]:
        """(content type, page); for POST /new what Delta Chat shows its user."""
        if self._discreet:
            return "text/plain; charset=utf-8", bottle.HTTP_CODES.get(status, "Error") + "\n"
        title, text = _ERRORS.get(status, _ERROR)
        place = place or self._places.here()
        if path in NEW:
            return "application/json", json.dumps({"reason": place.texts(text)})
        return "text/html; charset=utf-8", self._pages.render("error.html", place=place, title=title, text=text)


class _Guard:
    """A bottle plugin that checks each request against the keywords of its route (see hooks.py)."""

    name, api = "guard", 2

    def __init__(self, places: Places, discreet: bool) -> None:
        self._places, self._discreet = places, discreet

    def apply(self, callback: Callable[..., Any], route: bottle.Route) -> Callable[..., Any]:
        max_body, plain_http = route.config.get("max_body", 0), route.config.get("plain_http", False)
        own = route.config.get("discreet", "") if self._discreet else ""

        def guarded(*args: Any, **kwargs: Any) -> Any:
            environ = bottle.request.environ
            if isinstance(own, str) and own and not self._places.here().own(own):
                raise HTTPError(404)
            if not plain_http and environ["wsgi.url_scheme"] == "http" and self._places.here().endpoints.redirects:
                return self._to_https(environ)
            if "HTTP_TRANSFER_ENCODING" in environ:
                raise HTTPError(411)
            if int(environ.get("CONTENT_LENGTH") or 0) > max_body:
                raise HTTPError(413)
            return callback(*args, **kwargs)

        return guarded

    def _to_https(self, environ: dict[str, Any]) -> HTTPResponse:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            raise HTTPError(403)
        path, query = quote(environ["PATH_INFO"]), environ["QUERY_STRING"]
        where = self._places.here().url + path + ("?" + quote(query, safe="=&%+@/:?") if query else "")
        return HTTPResponse(status=301, headers={"Location": where, "Cache-Control": "max-age=3600"})
