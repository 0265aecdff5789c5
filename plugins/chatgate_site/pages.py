"""The pages for people, and the small files that programs ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bottle
from bottle import HTTPResponse

from chatgate.api import Gateway, normal_address
from chatgate_site import apps, autoconfig, invite
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
        app.get(["/info", "/info.html"], callback=self.info)
        app.get(["/privacy", "/privacy.html"], callback=self.privacy)
        app.get("/apps", callback=self.apps)
        app.get("/share", callback=self.share)
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
        first. place: if not `here`.
        """
        place = place or self._places.here()
        visit = Visit.now(place)
        return self._renderer.render(name, folder, place, visit, self._renderer.told(place, visit), **facts)

    def of_plugin(self, template: Path, status: int, forms: bool, **facts: Any) -> HTTPResponse:
        """See `chatgate_site.plugin.Site.page`."""
        answer = _answer(self.render(template.name, template.parent, **facts), _HTML, store=False)
        answer.status = status
        if forms:
            answer.set_header(*content_security_policy("'self'"))
        return answer

    def landing(self) -> HTTPResponse:
        """The first page, with a link for newcomers if they need no invitation."""
        place = self._places.here()
        visit = Visit.now(place)
        told = self._renderer.told(place, visit)
        personal, inviter = place.personal, place.inviter
        link = "" if told.shut else inviter.link(by_site=told.by_site)
        facts = {
            "link": link,
            "personal": personal,
            "short": inviter.plain if not personal and link != inviter.plain and "login" in told.ways else "",
            "qr": invite.svg(link) if link else "",
        }
        page = self._renderer.render("landing.html", SHIPPED, place, visit, told, **facts)
        return _answer(page, _HTML, store=not personal)

    def info(self) -> HTTPResponse:
        return _answer(self.render("info.html"), _HTML)

    def privacy(self) -> HTTPResponse:
        return _answer(self.render("privacy.html"), _HTML)

    def apps(self) -> HTTPResponse:
        yours = apps.system(bottle.request.get_header("User-Agent", ""))
        answer = _answer(self.render("apps.html", systems=apps.SYSTEMS, yours=yours), _HTML)
        answer.set_header("Vary", "Accept-Language, User-Agent")
        return answer

    def share(self) -> HTTPResponse:
        """How to bring friends here. The code is the address of the site, which any phone can open."""
        link = self._places.here().url + "/"
        return _answer(self.render("share.html", link=link, qr=invite.svg(link)), _HTML)

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
        """A route for a file that is read once for each domain."""
        texts = {}
        for place in self._places:
            path = next(folder / name for folder in (*place.own_folders, SHIPPED) if (folder / name).is_file())
            texts[place.domain] = path.read_text("utf-8")
        return lambda: _answer(texts[self._places.here().domain], kind)


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
