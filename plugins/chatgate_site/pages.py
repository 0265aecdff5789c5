"""The pages for people, and the small files that programs ask for."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import bottle
from bottle import HTTPError, HTTPResponse

from chatgate.api import Gateway, normal_address, said
from chatgate_site import autoconfig, contents, documents, invite
from chatgate_site.places import SHIPPED, Place, Places
from chatgate_site.rendering import Renderer, Visit

_HTML, _XML, _TEXT = "text/html; charset=utf-8", "text/xml; charset=utf-8", "text/plain; charset=utf-8"


class Pages:
    """Each page is about the domain for which the request is."""

    def __init__(self, gateway: Gateway, places: Places) -> None:
        self._gateway, self._places = gateway, places
        self._renderer = Renderer(gateway)

    def add_to(self, app: bottle.Bottle) -> None:
        app.get("/", callback=self.landing, discreet="landing.html")
        app.get("/apps", callback=self.apps)
        for name in ("info", "privacy", "share"):
            paths = [f"/{name}"] if name == "share" else [f"/{name}", f"/{name}.html"]
            app.get(paths, callback=partial(self.show, f"{name}.html"))
        for name in documents.NAMES:
            app.get(f"/{name}", callback=partial(self.document, name))
        app.get("/qr.svg", callback=self.qr_svg)
        app.get("/qr.png", callback=self.qr_png)
        for name, kind in (("style.css", "text/css; charset=utf-8"), ("icon.svg", "image/svg+xml")):
            app.get("/" + name, callback=self._constant(name, kind), discreet=name)
        paths = ["/.well-known/autoconfig/mail/config-v1.1.xml", "/mail/config-v1.1.xml"]
        app.get(paths, callback=self.autoconfig, discreet=True)
        app.get("/healthz", callback=self.healthz, plain_http=True, discreet=True)
        app.get("/readyz", callback=self.readyz, plain_http=True, discreet=True)

    def render(self, name: str, folder: Path = SHIPPED, place: Place | None = None, **facts: Any) -> str:
        """The page for the current request, from a template in this folder or among ours; the operator's own comes
        first. place: if not `here`. facts: instead of those of `contents`.
        """
        place = place or self._places.here()
        visit = Visit.now(place)
        told = self._renderer.told(place, visit)
        if not facts and name in contents.FACTS:
            facts = contents.FACTS[name](place, told, bottle.request.get_header("User-Agent", ""))
        return self._renderer.render(name, folder, place, visit, told, **facts)

    def forget(self) -> None:
        """Read the files of the operator's folders anew."""
        self._renderer.forget()

    def of_plugin(self, template: Path, status: int, forms: bool, **facts: Any) -> HTTPResponse:
        """See `chatgate_site.plugin.Site.page`."""
        answer = _answer(self.render(template.name, template.parent, **facts), _HTML, store=False)
        answer.status = status
        if forms:
            answer.set_header(*content_security_policy("'self'"))
        return answer

    def landing(self) -> HTTPResponse:
        return _answer(self.render("landing.html"), _HTML, store=not self._places.here().personal)

    def show(self, name: str) -> HTTPResponse:
        """A page that is the same for everybody who reads this language."""
        return _answer(self.render(name), _HTML)

    def apps(self) -> HTTPResponse:
        answer = self.show("apps.html")
        answer.set_header("Vary", "Accept-Language, User-Agent")
        return answer

    def document(self, name: str) -> HTTPResponse:
        """Of the operator's own: a file of their folder, or the text of the option of this name."""
        place = self._places.here()
        where = documents.link(place, name)
        if not where:
            raise HTTPError(404)
        if not where.startswith("/"):
            return HTTPResponse(status=302, headers={"Location": where, "Cache-Control": "max-age=300"})
        if place.own(f"{name}.html"):
            return self.show(f"{name}.html")
        title = said("Terms of use") if name == "terms" else said("Imprint")
        text = documents.shown(getattr(place.options, name))
        return _answer(self.render("document.html", title=title, text=text), _HTML)

    def qr_svg(self) -> HTTPResponse:
        place = self._places.here()
        return _answer(invite.svg(place.inviter.link()), "image/svg+xml", store=not place.personal)

    def qr_png(self) -> HTTPResponse:
        place = self._places.here()
        return _answer(invite.png(place.inviter.link()), "image/png", store=not place.personal)

    def autoconfig(self) -> HTTPResponse:
        """Mail programs send the address for which they are to be configured."""
        domain = self._gateway.domains.of(normal_address(bottle.request.query.emailaddress))
        place = self._places.here() if domain is None else self._places.of(domain)
        return _answer(autoconfig.config_xml(place.domain.name, place.title, place.endpoints), _XML)

    def healthz(self) -> HTTPResponse:
        """For monitors and containers: 200 while the store answers and the gateway is not stopping."""
        return _state(self._gateway.alive())

    def readyz(self) -> HTTPResponse:
        """For proxies in front: 200 while mail flows and clients accept the gateway. What is wrong is told where no
        stranger reads it, by the plugin metrics.
        """
        return _state(not self._gateway.not_ready())

    def _constant(self, name: str, kind: str) -> Any:
        """A route for a file of the operator's folder or ours, that is kept in memory."""
        return lambda: _answer(self._renderer.file(name, self._places.here()), kind)


def _state(good: bool) -> HTTPResponse:
    headers = {"Content-Type": _TEXT, "Cache-Control": "no-store"}
    return HTTPResponse("ok\n" if good else "unavailable\n", 200 if good else 503, headers)


def _answer(body: str | bytes, kind: str, store: bool = True) -> HTTPResponse:
    """store: may browsers and proxies store the answer? Never if it contains a password."""
    headers = {"Content-Type": kind, "Cache-Control": "max-age=300" if store else "no-store"}
    if kind == _HTML:
        headers["Vary"] = "Accept-Language"
    return HTTPResponse(body, 200, headers)


def content_security_policy(form_action: str) -> tuple[str, str]:
    """The header field: nothing from other sites, no scripts, no frames; forms may go to `form_action`."""
    return (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
        f"form-action {form_action}; frame-ancestors 'none'",
    )
