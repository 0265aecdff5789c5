"""Texts in the languages of whoever reads them, and the catalogs that `make locale` makes."""

import datetime
import importlib.machinery
import importlib.util
import io
import sys
from pathlib import Path

import pytest

from chatgate.api import Reply, Texts, said, said_of
from chatgate.running.gateway import Gateway
from chatgate.testing import config
from chatgate.texts import folder_of

ROOT = Path(__file__).parents[2]


def script():
    """contrib/write-locale, which is no module by its name."""
    loader = importlib.machinery.SourceFileLoader("write_locale", str(ROOT / "contrib/write-locale"))
    sys.modules["write_locale"] = made = importlib.util.module_from_spec(
        importlib.util.spec_from_loader("write_locale", loader)
    )
    loader.exec_module(made)
    return made


locale = script()
PACKAGES = {package.name: package for package in locale.packages()}
GERMAN = Texts("de", [ROOT / "chatgate"])


@pytest.mark.parametrize("name", PACKAGES)
def test_the_catalogs_are_those_of_the_code(name):
    """If not: `make locale`."""
    for path, content in locale.files(PACKAGES[name]).items():
        assert path.is_file() and path.read_bytes() == content, f"{path}: run `make locale`"


def test_each_package_with_texts_has_catalogs():
    packages = [ROOT / "chatgate", *(path.parent for path in ROOT.glob("plugins/*/__init__.py"))]
    without = [package.name for package in packages if package.name not in PACKAGES]
    assert {name: len(locale.texts(ROOT / "plugins" / name)) for name in without} == dict.fromkeys(without, 0)


def test_templates_and_code_are_read():
    source = b"% if x:\n<p>{{_('One {a}', a=1)}}</p>\n% end\n{{ngettext('{number} b', '{number} bs', n)}}\n"
    found = list(locale.extract(locale.templates, io.BytesIO(source), locale.TAKES))
    assert [message for _, message, _, _ in found] == ["One {a}", ("{number} b", "{number} bs")]


@pytest.mark.parametrize(("octets", "text"), [(999, "999 octets"), (31457280, "31.5 MB"), (2 * 10**9, "2 GB")])
def test_sizes(octets, text):
    assert Texts().size(octets) == text


def test_numbers_days_and_dates_as_the_language_writes_them():
    assert [Texts().days(n) for n in (1, 1.0, 1.5, 20)] == ["1 day", "1 day", "1.5 days", "20 days"]
    assert [GERMAN.days(n) for n in (1, 1.0, 1.5, 20)] == ["1 Tag", "1 Tag", "1,5 Tage", "20 Tage"]
    assert Texts().date(datetime.date(2026, 12, 4)) == "4 December 2026"
    assert GERMAN.date(datetime.date(2026, 12, 4)) == "4. Dezember 2026"
    assert GERMAN.size(1_500_000) == "1,5 MB" and GERMAN.number(40000) == "40000"
    assert (GERMAN.direction, Texts("fa").direction, Texts("ar-EG").direction) == ("ltr", "rtl", "rtl")


def test_what_was_said_in_english_is_said_in_another_language_later():
    room = said("{size} is {days}", size=3, days=said_of("{number} day", "{number} days", 2))
    reply = Reply(552, "5.2.2", room)
    assert reply.text == "3 is 2 days" and GERMAN(reply.text) == "3 is 2 Tage"
    assert GERMAN("never heard of") == "never heard of" == GERMAN(said("never heard of"))


class Bent:
    """A catalog whose translations name facts that there are not."""

    def gettext(self, text):
        return "{other} {0} {name.x}"

    def pgettext(self, context, text):
        return text

    def ngettext(self, one, many, number):
        return "{nobody"


def test_a_bent_translation_is_as_good_as_none():
    texts = Texts()
    texts._catalog = Bent()
    assert texts("Dear {name}", name="A") == "Dear A"
    assert texts.html("<b>{name}</b>", name="<") == "<b>&lt;</b>"
    assert texts.ngettext("{number} a", "{number} as", 2) == "2 as"


def test_a_gateway_has_the_texts_of_its_plugins(tmp_path):
    gateway = Gateway(config(tmp_path, "site"))
    assert gateway.texts("de").own_name == "Deutsch" and gateway.texts("de") is gateway.texts("de")
    assert gateway.texts("xx").own_name == "xx" and gateway.texts("en").own_name == "English"
    assert folder_of("chatgate_site") in gateway.folders
    assert folder_of("json.nothing") is None


@pytest.mark.parametrize("wrong", ["", "../..", "DE", "de_DE"])
def test_a_language_is_a_tag(tmp_path, wrong):
    with pytest.raises(ValueError, match="language"):
        config(tmp_path, core={"language": wrong})
