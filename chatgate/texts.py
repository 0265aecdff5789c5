"""What people read, in their language: gettext catalogs, one of each package, and how a language writes numbers, sizes
and days.

The English text is the key. A package PACKAGE has its translations in locale/LANG/LC_MESSAGES/PACKAGE.po beside its
code, and what programs read of them in PACKAGE.mo; `make locale` in a source tree makes and updates both.
"""

from __future__ import annotations

import datetime
import gettext
import html
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ENGLISH = "en"  # the language of the code
LANGUAGE_TAG = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")  # of a language (RFC 5646 §2.1), as far as we need it

_RIGHT_TO_LEFT = {"ar", "arc", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"}


class Said(str):
    """A text in English that knows how it was made, so that `Texts` can say it in another language. See `said`."""

    one: str
    many: str  # "" if it does not depend on a number
    facts: dict[str, Any]


def said(text: str, /, **facts: Any) -> Said:
    """A text of which it is not known yet in which language it will be read, for example that of a `Reply`. Its
    placeholders, such as {name}, are filled in with these facts. `make locale` finds it by the name of this function.
    """
    return _said(text, "", facts)


def said_of(one: str, many: str, number: float, /, **facts: Any) -> Said:
    """The same for a text that depends on a number, which it may have as {number}."""
    return _said(one, many, {"number": number, **facts})


def _said(one: str, many: str, facts: dict[str, Any]) -> Said:
    made = Said(_english.ngettext(one, many, facts["number"], **facts) if many else _english(one, **facts))
    made.one, made.many, made.facts = one, many, facts
    return made


class Texts:
    """Texts in one language. What no catalog has is in English, and so is what would not be understood: a translation
    with a placeholder that there is no fact for.
    """

    def __init__(self, language: str = ENGLISH, folders: Iterable[Path] = ()) -> None:
        """folders: of the packages whose catalogs are looked in, in order."""
        self.language = language
        self._catalog = gettext.NullTranslations()
        for folder in folders:
            path = folder / "locale" / language / "LC_MESSAGES" / f"{folder.name}.mo"
            if path.is_file():
                with path.open("rb") as file:
                    self._catalog.add_fallback(gettext.GNUTranslations(file))
        # i18n: The digits with which your readers write numbers.
        digits = self._catalog.pgettext("digits", "0123456789")
        self._digits = str.maketrans("0123456789", digits)

    @property
    def direction(self) -> str:
        """ "ltr" or "rtl": which way this language is written."""
        return "rtl" if self.language.partition("-")[0] in _RIGHT_TO_LEFT else "ltr"

    @property
    def own_name(self) -> str:
        """What the language is called in itself; its tag if no catalog knows."""
        name = self._catalog.pgettext("the name of this language in itself", "English")
        return self.language if name == "English" and self.language != ENGLISH else name

    def __call__(self, text: str, /, **facts: Any) -> str:
        """The text in this language, with its {placeholders} filled in: numbers as the language writes them."""
        if isinstance(text, Said):
            if not text.many:
                return self(text.one, **text.facts)
            return self.ngettext(text.one, text.many, text.facts["number"], **text.facts)
        return _filled(self._catalog.gettext(text), text, {name: self.shown(fact) for name, fact in facts.items()})

    def pgettext(self, context: str, text: str, /, **facts: Any) -> str:
        """A text that is not the same in every language where it is in English. context: where it stands, such as "of a
        button"; translators see it.
        """
        shown = {name: self.shown(fact) for name, fact in facts.items()}
        return _filled(self._catalog.pgettext(context, text), text, shown)

    def ngettext(self, one: str, many: str, number: float, /, **facts: Any) -> str:
        """The text for this number, in the plural form that the language has for it."""
        # What has a fraction is many: "1.5 days", in whatever form the language has for most numbers.
        whole = int(number) if number == int(number) else 100
        shown = {name: self.shown(fact) for name, fact in {"number": number, **facts}.items()}
        return _filled(self._catalog.ngettext(one, many, whole), one if whole == 1 else many, shown)

    def html(self, text: str, /, **facts: Any) -> str:
        """As HTML: the text has elements of its own, and what is filled in is escaped."""
        shown = {name: html.escape(self.shown(fact)) for name, fact in facts.items()}
        return _filled(self._catalog.gettext(text), text, shown)

    def shown(self, fact: Any) -> str:
        """A fact as it stands in a text."""
        if isinstance(fact, Said):
            return self(fact)
        if isinstance(fact, int | float) and not isinstance(fact, bool):
            return self.number(fact)
        return self.date(fact) if isinstance(fact, datetime.date) else str(fact)

    def number(self, number: float) -> str:
        """For people, with three significant digits if it has a fraction: "1.5"."""
        text = f"{number:.3g}" if isinstance(number, float) and number < 1000 else f"{number:.0f}"
        return text.replace(".", self._catalog.pgettext("decimal separator", ".")).translate(self._digits)

    def size(self, octets: int) -> str:
        """For people: "500 MB"."""
        _ = self
        if octets >= 10**9:
            return _("{number} GB", number=octets / 10**9)
        if octets >= 10**6:
            return _("{number} MB", number=octets / 10**6)
        if octets >= 10**3:
            return _("{number} kB", number=octets / 10**3)
        return self.ngettext("{number} octet", "{number} octets", octets)

    def days(self, number: float) -> str:
        """For people: "20 days"."""
        return self.ngettext("{number} day", "{number} days", number)

    def date(self, date: datetime.date) -> str:
        """For people: "24 December 2026"."""
        months = self._catalog.pgettext(
            "months as in a date, with spaces between",
            "January February March April May June July August September October November December",
        ).split()
        parts = {"day": date.day, "month_number": date.month, "year": date.year}
        shown = {"month": months[date.month - 1], **{name: self.shown(part) for name, part in parts.items()}}
        # i18n: {month_number} may be used, too.
        return _filled(self._catalog.pgettext("date", "{day} {month} {year}"), "{day} {month} {year}", shown)


def _filled(text: str, english: str, shown: dict[str, str]) -> str:
    if not shown:
        return text
    try:
        return text.format(**shown)
    except (LookupError, ValueError, AttributeError):
        return english.format(**shown)


def folder_of(package: str) -> Path | None:
    """Where the code of an imported package is; None for a module that is no package."""
    paths = getattr(sys.modules.get(package), "__path__", None)
    return Path(next(iter(paths))) if paths else None


_english = Texts()
