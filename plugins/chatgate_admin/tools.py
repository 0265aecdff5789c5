"""What pages of the dashboard are built of. All text is escaped, unless it is `Html` that was made here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

from chatgate_admin.hooks import AdminPage, Done, Form, Request
from chatgate_admin.plots import Line, plot


class Html(str):
    """Text that is HTML already."""


def html(*parts: object) -> Html:
    """These parts one after the other, escaped where they are not Html."""
    return Html("".join(part if isinstance(part, Html) else escape(str(part)) for part in parts))


def _tag(name: str, content: object, **attributes: object) -> Html:
    said = "".join(
        f' {key.strip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value != ""
    )
    return Html(f"<{name}{said}>{html(content)}</{name}>")


class Tools:
    """`admin`, for plugins that answer `chatgate_admin_pages`. clock: Unix seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock

    def page(
        self,
        path: str,
        title: str,
        show: Callable[[Request], str],
        actions: Mapping[str, Callable[[Form], str | Done]] | None = None,
        order: int = 50,
    ) -> AdminPage:
        """See `AdminPage`."""
        return AdminPage(path, title, show, actions or {}, order)

    def done(self, message: str, about: str = "", query: Mapping[str, str] | None = None, page: str = "") -> Done:
        """What an action may answer in place of a message alone, see `Done`."""
        return Done(message, about, query, page)

    def html(self, *parts: object) -> Html:
        """These parts one after the other, escaped where they are not Html."""
        return html(*parts)

    def markup(self, text: str) -> Html:
        """HTML of your own, in which nothing of others may be."""
        return Html(text)

    # ------------------------------------------------------------------------------------------ texts

    def heading(self, text: object) -> Html:
        return _tag("h2", text)

    def paragraph(self, *parts: object) -> Html:
        return _tag("p", html(*parts))

    def hint(self, *parts: object) -> Html:
        """Less important than what it is beside."""
        return _tag("p", html(*parts), class_="hint")

    def code(self, text: object) -> Html:
        return _tag("code", text)

    def note(self, *parts: object, bad: bool = False) -> Html:
        """A paragraph that stands out. bad: something is wrong."""
        return _tag("p", html(*parts), class_="note bad" if bad else "note")

    def mark(self, text: object, kind: str = "") -> Html:
        """A word that stands out. kind: "good", "bad", or "" for neither."""
        return _tag("span", text, class_=f"mark {kind}".strip())

    def link(self, text: object, address: str, current: bool = False) -> Html:
        """address: as `Request.link` makes it."""
        return _tag("a", text, href=address, aria_current="true" if current else "") if address else html(text)

    # ------------------------------------------------------------------------------------------ data

    def facts(self, facts: Mapping[str, object]) -> Html:
        """Names and what they have."""
        pairs = (html(_tag("dt", name), _tag("dd", value)) for name, value in facts.items())
        return _tag("dl", html(*pairs), class_="facts")

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[object]], empty: str = "") -> Html:
        """The first cell of each row names it. On a narrow screen each row is a card. empty: the text where there is no
        row.
        """
        lines = [
            _tag("tr", html(*(_cell(n, heads, cell) for n, cell in enumerate(row))))
            for row in rows
        ]  # fmt: skip
        if not lines:
            return self.paragraph(empty)
        top = _tag("tr", html(*(_tag("th", head, scope="col") if head else Html("<td></td>") for head in heads)))
        return _tag("table", html(_tag("thead", top), _tag("tbody", html(*lines))))

    def line(self, name: str, values: Sequence[tuple[float, float]]) -> Line:
        """Of a plot: (Unix seconds, value) in order of time."""
        return Line(name, values)

    def plot(self, title: str, lines: Sequence[Line], unit: str = "", seconds: float = 86400.0) -> Html:
        """Lines over the last so many seconds, as a picture and with its last values in words."""
        return Html(plot(title, lines, unit, self._clock(), seconds))

    # ------------------------------------------------------------------------------------------ forms

    def form(self, do: str, button: str, *fields: Html, danger: bool = False, sure: str = "", **hidden: object) -> Html:
        """A form for an action of this page. hidden: fields that nobody fills in. danger: it cannot be undone. sure: a
        question; the form is then behind the button, and has to be sent from there.
        """
        kept = [Html(f'<input type="hidden" name="do" value="{escape(do)}">')]
        kept += [
            Html(f'<input type="hidden" name="{escape(name)}" value="{escape(str(value))}">')
            for name, value in hidden.items()
        ]
        kind = "danger" if danger else ""
        sends = _tag("button", "Yes: " + button[:1].lower() + button[1:] if sure else button, class_=kind)
        asked = self.paragraph(sure) if sure else Html("")
        made = Html(f'<form method="post">{html(*kept, asked, *fields, sends)}</form>')
        return _tag("details", html(_tag("summary", f"{button} …", class_=kind), made), class_="sure") if sure else made

    def search(self, button: str, *fields: Html) -> Html:
        """A form that changes nothing: it leads to this page with its fields as parameters."""
        return Html(f'<form method="get" class="search">{html(*fields, _tag("button", button))}</form>')

    def field(
        self,
        name: str,
        label: str,
        value: object = "",
        *,
        kind: str = "text",
        hint: str = "",
        needed: bool = False,
        most: int = 1024,
    ) -> Html:
        """A line of text. kind: as of HTML's inputs. most: characters."""
        more = {"autocomplete": "off"} | ({"required": "required"} if needed else {})
        said = "".join(f' {key}="{escape(text)}"' for key, text in more.items())
        box = Html(
            f'<input type="{escape(kind)}" name="{escape(name)}" value="{escape(str(value))}" maxlength="{most}"{said}>'
        )
        return _tag("label", html(_tag("span", label), box, _tag("small", hint) if hint else ""))

    def choice(self, name: str, label: str, choices: Mapping[str, str], value: str = "") -> Html:
        """One of several. choices: the texts, by their values."""
        options = "".join(
            f'<option value="{escape(key)}"{" selected" if key == value else ""}>{escape(text)}</option>'
            for key, text in choices.items()
        )
        box = Html(f'<select name="{escape(name)}">{options}</select>')
        return _tag("label", html(_tag("span", label), box))

    def row(self, *parts: Html) -> Html:
        """Several small forms or links beside each other."""
        return _tag("div", html(*parts), class_="row")

    # ------------------------------------------------------------------------------------------ numbers for people

    def size(self, octets: float) -> str:
        """Such as "1.5 GB"."""
        for unit, number in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
            if abs(octets) >= number:
                return f"{octets / number:.3g} {unit}"
        return f"{octets:.0f} octets"

    def span(self, seconds: float) -> str:
        """A length of time, such as "3 h"."""
        for number, unit in ((86400, "days"), (3600, "h"), (60, "min")):
            if seconds >= 2 * number:
                return f"{seconds / number:.0f} {unit}"
        return f"{max(0.0, seconds):.0f} s"

    def moment(self, at: float) -> str:
        """at: Unix seconds."""
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at)) if at else "never"


def _cell(number: int, heads: Sequence[str], cell: object) -> Html:
    facts: dict[str, Any] = {"data_head": heads[number]} if number < len(heads) and heads[number] else {}
    said = "".join(f' {key.replace("_", "-")}="{escape(value)}"' for key, value in facts.items())
    name = 'th scope="row"' if not number else "td"
    return Html(f"<{name}{said}>{html(cell)}</{name[:2]}>")
