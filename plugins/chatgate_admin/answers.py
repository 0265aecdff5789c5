"""Answers to a browser, each with the header fields that keep others out of the dashboard."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any

import bottle
from bottle import HTTPResponse

from chatgate_admin.tools import Html

COOKIE = "chatgate_admin"
TOKEN = "form-token"  # the field of each form that shows that it is ours

_HERE = Path(__file__).parent
_HEADERS = {
    # Nothing from elsewhere, no script at all, in nobody's frame.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # Nobody learns a secret path by the Referer of a link.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
    "Cache-Control": "no-store",
}
_POST = re.compile(r'(<form\b[^>]*\bmethod="post"[^>]*>)', re.IGNORECASE)
_LAYOUT = bottle.SimpleTemplate((_HERE / "layout.html").read_text("utf-8"))
_STYLE = (_HERE / "style.css").read_text("utf-8")


def answer(body: str, status: int = 200, kind: str = "text/html", **headers: str) -> HTTPResponse:
    return HTTPResponse(body, status, {"Content-Type": f"{kind}; charset=utf-8"} | _HEADERS | headers)


def style() -> HTTPResponse:
    return answer(_STYLE, kind="text/css")


def redirect(where: str) -> HTTPResponse:
    """To be asked for by GET (RFC 9110 §15.4.4)."""
    return answer("", 303, Location=where)


def page(status: int = 200, token: str = "", refresh: int = 0, **facts: Any) -> HTTPResponse:
    """layout.html with these facts. token: for each form that changes something. refresh: seconds after which the
    browser asks again.
    """
    text = _LAYOUT.render(**{"bad": False, "message": "", "extra": Html("")} | facts)
    # What others wrote is escaped, and so no form.
    field = f'<input type="hidden" name="{TOKEN}" value="{escape(token)}">'
    made = answer(_POST.sub(lambda found: found[1] + field, text), status)
    if refresh:
        made.set_header("Refresh", str(refresh))
    return made


def set_cookie(answer: HTTPResponse, token: str, root: str, secure: bool) -> HTTPResponse:
    """For this session of the browser; "" takes it away."""
    more = {} if token else {"max_age": 0}
    answer.set_cookie(COOKIE, token, path=root or "/", httponly=True, samesite="strict", secure=secure, **more)
    return answer
