"""Pages from templates: for one visit, in its language, from the operator's folder first."""

from __future__ import annotations

import datetime
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import bottle

from chatgate.api import Gateway
from chatgate_site import documents, languages
from chatgate_site.facts import Told
from chatgate_site.places import SHIPPED, Place

log = logging.getLogger("chatgate.site")


class Visit(NamedTuple):
    """Of a request what a page depends on. chosen: the language that the visitor has chosen by hand, or "". path,
    query: of the page, as far as they are needed to have it in another language.
    """

    language: str
    chosen: str = ""
    path: str = "/"
    query: tuple[tuple[str, str], ...] = ()

    @classmethod
    def now(cls, place: Place) -> Visit:
        """The current request."""
        request = bottle.request
        chosen = languages.best(request.query.lang[:100], place.languages)
        language = chosen or languages.best(request.get_header("Accept-Language", ""), place.languages)
        query = tuple((key, value) for key, value in request.query.allitems() if key != "lang")
        return cls(language or place.language, chosen, request.environ.get("PATH_INFO", "/"), query)


class Renderer:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.forget()

    def forget(self) -> None:
        """Read all files anew, when they are needed again."""
        self._templates: dict[tuple[str, ...], bottle.SimpleTemplate] = {}
        self._files: dict[tuple[str, Place], str] = {}
        self._reported: set[str] = set()

    def told(self, place: Place, visit: Visit) -> Told:
        """The facts of a site at this moment, in the language of the visit."""
        return place.facts(self._gateway.texts(visit.language))

    def render(self, name: str, folder: Path, place: Place, visit: Visit, told: Told, **facts: Any) -> str:
        """A page from a template in this folder or among ours. If what the operator has changed cannot be used, it is
        as it is without that.
        """
        try:
            return self.strictly(name, folder, place, visit, told, **facts)
        except Exception as error:
            if not place.own_folders:
                raise
            if (text := problem(error, place)) not in self._reported:
                self._reported.add(text)
                log.error("pages: %s; %s is shown as it is shipped", text, name)
            return self._rendered(name, (folder, SHIPPED), place, visit, told, facts)

    def strictly(self, name: str, folder: Path, place: Place, visit: Visit, told: Told, **facts: Any) -> str:
        """The same, but it raises whatever an operator's template does."""
        return self._rendered(name, (*place.own_folders, folder, SHIPPED), place, visit, told, facts)

    def file(self, name: str, place: Place) -> str:
        """One that is not made anew for each request."""
        if (name, place) not in self._files:
            path = next(folder / name for folder in (*place.own_folders, SHIPPED) if (folder / name).is_file())
            self._files[name, place] = path.read_text("utf-8")
        return self._files[name, place]

    def _rendered(
        self, name: str, folders: tuple[Path, ...], place: Place, visit: Visit, told: Told, facts: dict[str, Any]
    ) -> str:
        lookup = [str(where) for where in languages.lookup(dict.fromkeys(folders), visit.language)]
        key = (name, *lookup)
        if key not in self._templates:
            self._templates[key] = bottle.SimpleTemplate(name=name, lookup=lookup)
        page: str = self._templates[key].render(**self._words(place, visit, told), **facts)
        if not page.strip():
            raise ValueError(f"{name} makes an empty page")
        return page

    def _words(self, place: Place, visit: Visit, told: Told) -> dict[str, Any]:
        """What every template has."""
        texts, root, chosen = told.texts, place.endpoints.root, visit.chosen

        def to(path: str) -> str:
            """The address of a page here, in the same language."""
            return root + path + (f"?lang={chosen}" if chosen else "")

        def day(iso: str | None) -> str:
            return texts.date(datetime.date.fromisoformat(iso)) if iso else ""

        menu = [("/apps", texts("Get Delta Chat")), ("/share", texts("Invite friends"))]
        if told.account_page:
            menu.append((told.account_page, texts("Your account")))
        foot = [(to("/info"), texts("Server info")), (to("/privacy"), texts("Privacy"))]
        for name, what in (("terms", texts("Terms of use")), ("imprint", texts("Imprint"))):
            if where := documents.link(place, name):
                foot.append((to(where) if where.startswith("/") else where, what))
        return {
            "_": texts,
            "html": texts.html,
            "ngettext": texts.ngettext,
            "pgettext": texts.pgettext,
            "number": texts.number,
            "size": texts.size,
            "days": texts.days,
            "day": day,
            "language": texts.language,
            "direction": texts.direction,
            "languages": list(self._languages(place, visit)),
            "chosen": chosen,
            "to": to,
            "root": root,
            "here": visit.path,
            "menu": menu,
            "foot": foot,
            "name": place.title,
            "about": place.options.about,
            "contact": place.options.contact,
            "contact_link": place.contact_link,
            "domain": place.domain.name,
            "endpoints": place.endpoints,
            "facts": told,
        }

    def _languages(self, place: Place, visit: Visit) -> Iterator[tuple[str, str, str]]:
        """(tag, name in that language, address of the page in it)"""
        for tag in place.languages:
            query = urlencode([*visit.query, ("lang", tag)])
            yield tag, self._gateway.texts(tag).own_name, f"{place.endpoints.root}{quote(visit.path)}?{query}"


def problem(error: Exception, place: Place, path: Path | None = None) -> str:
    """For the operator, who wrote the template: what is wrong, in which file of theirs and where. path: the file, if
    that is known.
    """
    own = tuple(str(folder) for folder in place.own_folders)
    frames = [(one.filename, one.lineno) for one in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        frames.append((error.filename or "", error.lineno))
    text = error.msg if isinstance(error, SyntaxError) else f"{type(error).__name__}: {error}"
    lines = [(file, line) for file, line in frames if file.startswith(own)]
    where = "{}, line {}".format(*lines[-1]) if lines else str(path or "")
    return f"{where}: {text}" if where else text
