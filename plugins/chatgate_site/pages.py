"""The pages that people see, and the small files that programs ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bottle
import gevent
from bottle import HTTPError, HTTPResponse

from chatgate.api import Gateway, StoreError
from chatgate_site import autoconfig, invite
from chatgate_site.endpoints import Endpoints, options_of
from chatgate_site.facts import Facts, days, size
from chatgate_site.options import SiteOptions

_SHIPPED = Path(__file__).parent / "templates"
_HEALTH_SECONDS = 5.0
_HTML, _XML, _TEXT = "text/html; charset=utf-8", "text/xml; charset=utf-8", "text/plain; charset=utf-8"


class Pages:
    def __init__(
        self, gateway: Gateway, options: SiteOptions, endpoints: Endpoints, inviter: invite.Inviter, facts: Facts
    ) -> None:
        self._gateway, self._options, self._endpoints, self._inviter = gateway, options, endpoints, inviter
        self._facts = facts
        self._title = options.title or gateway.domain.strip("[]")
        own = [gateway.path(options.pages)] if options.pages else []
        self._folders = [*own, _SHIPPED]
        self._templates: dict[tuple[str, Path], bottle.SimpleTemplate] = {}

    def add_to(self, app: bottle.Bottle) -> None:
        app.get("/", callback=self.landing)
        app.get(["/info", "/info.html"], callback=self.info)
        app.get(["/privacy", "/privacy.html"], callback=self.privacy)
        app.get("/qr.svg", callback=self.qr_svg)
        app.get("/qr.png", callback=self.qr_png)
        for name, kind in (("style.css", "text/css; charset=utf-8"), ("icon.svg", "image/svg+xml")):
            app.get("/" + name, callback=_constant(self._file(name).read_text("utf-8"), kind))
        app.get(["/.well-known/autoconfig/mail/config-v1.1.xml", "/mail/config-v1.1.xml"], callback=self.autoconfig)
        app.get("/.well-known/mta-sts.txt", callback=self.mta_sts)
        app.get("/healthz", callback=self.healthz, plain_http=True)

    def render(self, name: str, folder: Path = _SHIPPED, **facts: Any) -> str:
        """A page from a template, in this folder or among ours; the operator's own wins."""
        if (name, folder) not in self._templates:
            lookup = [str(where) for where in (*self._folders[:-1], folder, _SHIPPED)]
            self._templates[name, folder] = bottle.SimpleTemplate(name=name, lookup=lookup)
        return self._templates[name, folder].render(
            name=self._title,
            contact=self._options.contact,
            about=self._options.about,
            domain=self._gateway.domain,
            facts=self._facts,
            endpoints=self._endpoints,
            days=days,
            size=size,
            **facts,
        )

    def of_plugin(self, template: Path, status: int, forms: bool, **facts: Any) -> HTTPResponse:
        """See `chatgate_site.plugin.Site.page`."""
        answer = _answer(self.render(template.name, template.parent, **facts), _HTML, store=False)
        answer.status = status
        if forms:
            answer.set_header(*content_security_policy("'self'"))
        return answer

    def landing(self) -> HTTPResponse:
        """With a link for newcomers, where they may come without an invitation."""
        personal = self._inviter.personal
        link = "" if self._facts.shut else self._inviter.link()
        page = self.render(
            "landing.html",
            link=link,
            personal=personal,
            short=self._inviter.plain if not personal and link != self._inviter.plain else "",
            qr=invite.svg(link) if link else "",
        )
        return _answer(page, _HTML, store=not personal)

    def info(self) -> HTTPResponse:
        return _answer(self.render("info.html"), _HTML)

    def privacy(self) -> HTTPResponse:
        return _answer(self.render("privacy.html"), _HTML)

    def qr_svg(self) -> HTTPResponse:
        return _answer(invite.svg(self._inviter.link()), "image/svg+xml", store=not self._inviter.personal)

    def qr_png(self) -> HTTPResponse:
        return _answer(invite.png(self._inviter.link()), "image/png", store=not self._inviter.personal)

    def autoconfig(self) -> HTTPResponse:
        return _answer(autoconfig.config_xml(self._gateway.domain, self._title, self._endpoints), _XML)

    def mta_sts(self) -> HTTPResponse:
        """Only where other servers can reach us with a certificate they accept."""
        if not getattr(options_of(self._gateway, "smtp"), "mx", ()) or self._endpoints.self_signed:
            raise HTTPError(404)
        return _answer(autoconfig.mta_sts(self._endpoints.host), _TEXT)

    def healthz(self) -> HTTPResponse:
        """For monitors and containers: 200 while the store answers and the gateway is not stopping."""
        healthy = not self._gateway.stopping.is_set()
        try:
            with gevent.Timeout(_HEALTH_SECONDS, TimeoutError()):
                self._gateway.store.account(f"@{self._gateway.domain}")
        except (StoreError, TimeoutError):
            healthy = False
        return HTTPResponse(
            "ok\n" if healthy else "unavailable\n",
            200 if healthy else 503,
            {"Content-Type": _TEXT, "Cache-Control": "no-store"},
        )

    def _file(self, name: str) -> Path:
        return next(folder / name for folder in self._folders if (folder / name).is_file())


def _answer(body: str | bytes, kind: str, store: bool = True) -> HTTPResponse:
    """store: may browsers and proxies keep it? Never what holds a password."""
    headers = {"Content-Type": kind, "Cache-Control": "max-age=300" if store else "no-store"}
    return HTTPResponse(body, 200, headers)


def content_security_policy(form_action: str) -> tuple[str, str]:
    """The header: nothing from elsewhere, no scripts, no frames; forms go to `form_action`."""
    return (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
        f"form-action {form_action}; frame-ancestors 'none'",
    )


def _constant(body: str, kind: str) -> Any:
    return lambda: _answer(body, kind)
