"""What the site's own templates show beside what all templates have, by the name of the template."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chatgate.api import said
from chatgate_site import apps, documents, invite
from chatgate_site.facts import Told
from chatgate_site.places import Place

Facts = dict[str, Any]


def _landing(place: Place, told: Told, user_agent: str) -> Facts:
    """link: for newcomers; "" if they need an invitation."""
    personal, inviter = place.personal, place.inviter
    link = "" if told.shut else inviter.link(by_site=told.by_site)
    return {
        "link": link,
        "personal": personal,
        "short": inviter.plain if not personal and link != inviter.plain and "login" in told.ways else "",
        "qr": invite.svg(link) if link else "",
    }


def _share(place: Place, told: Told, user_agent: str) -> Facts:
    """The address of the site, which any phone can open, with the app or without."""
    link = place.url + "/"
    return {"link": link, "qr": invite.svg(link)}


def _apps(place: Place, told: Told, user_agent: str) -> Facts:
    return {"systems": apps.SYSTEMS, "yours": apps.system(user_agent)}


def _error(place: Place, told: Told, user_agent: str) -> Facts:
    return {
        "title": said("Something went wrong"),
        "text": said("The server could not answer. Please try again later."),
    }


def _document(place: Place, told: Told, user_agent: str) -> Facts:
    return {"title": "", "text": documents.shown("")}


def _nothing(place: Place, told: Told, user_agent: str) -> Facts:
    return {}


FACTS: dict[str, Callable[[Place, Told, str], Facts]] = {
    "landing.html": _landing,
    "share.html": _share,
    "apps.html": _apps,
    "error.html": _error,
    "document.html": _document,
    **dict.fromkeys(("info.html", "privacy.html", "terms.html", "imprint.html"), _nothing),
}
