"""What the operator has to say in words of their own: imprint and terms."""

from __future__ import annotations

import html
import re

from chatgate_site.places import Place

NAMES = ("imprint", "terms")

_LINK = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)]")


def link(place: Place, name: str) -> str:
    """Where it is: an address elsewhere, a path of this site, or "" if the operator has none."""
    text = getattr(place.options, name).strip()
    if _LINK.fullmatch(text) and not place.own(f"{name}.html"):
        return text
    return f"/{name}" if text or place.own(f"{name}.html") else ""


def shown(text: str) -> str:
    """Plain text as HTML: an empty line begins a paragraph, lines stay lines, and addresses of pages are links."""
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", text.strip())]
    return "\n".join("<p>" + "<br>\n".join(map(_line, part.splitlines())) + "</p>" for part in paragraphs)


def _line(line: str) -> str:
    found, at = [], 0
    for match in _LINK.finditer(line):
        address = html.escape(match[0])
        found += [html.escape(line[at : match.start()]), f'<a href="{address}">{address}</a>']
        at = match.end()
    return "".join(found) + html.escape(line[at:])
