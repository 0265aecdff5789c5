"""Texts in the languages of whoever reads them, and the catalogs that `make locale` makes."""

import datetime
import importlib.machinery
import importlib.util
import io
import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from babel.messages.catalog import Message

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


MARKS = re.compile(r"\{[^}]*\}|<[^>]*>|&\w+;")


def bent(message, forms):
    """What is wrong with a translation, one line each. forms: how many the language has for a text with a number."""
    single = isinstance(message.id, str)
    texts = [message.string] if single else list(message.string)
    wanted = Counter(MARKS.findall(message.id if single else message.id[1]))
    if message.fuzzy or not all(texts):
        yield "is not translated"
    elif len(texts) != (1 if single else forms):
        yield f"has {len(texts)} forms"
    else:
        for text in texts:
            found = Counter(MARKS.findall(text.replace("{month_number}", "{month}")))  # which a date may have instead
            without = found + Counter({"{number}"}) if not single and "{number}" not in found else found
            if found != wanted and without != wanted:
                yield f"{text!r} has {sorted(found.elements())}"
            if text != text.strip() or text.count("\n") != (message.id if single else message.id[1]).count("\n"):
                yield f"{text!r} has other blanks"


@pytest.mark.parametrize("language", locale.LANGUAGES)
def test_every_text_is_translated_with_its_placeholders_and_tags(language):
    wrong = []
    for name, package in PACKAGES.items():
        path = package / f"locale/{language}/LC_MESSAGES/{name}.po"
        catalog = locale.read_po(io.BytesIO(path.read_bytes()), locale=language)
        for message in catalog:
            if message.id:
                wrong += [f"{name}: {message.id!r} {what}" for what in bent(message, catalog.num_plurals)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("id", "string", "what"),
    (
        ("One {a}", "", "is not translated"),
        ("One {a}", "Eins {b}", "has ['{b}']"),
        ("<b>One</b>", "<b>Eins", "has ['<b>']"),
        ("One", "Eins ", "has other blanks"),
        (("{number} day", "{number} days"), ("{number} Tag",), "has 1 forms"),
        (("{number} day", "{number} days"), ("ein Tag", "{number} {a}"), "has ['{a}', '{number}']"),
    ),
)
def test_what_is_wrong_with_a_translation_is_found(id, string, what):
    found = list(bent(Message(id, string), 2))
    assert len(found) == 1 and found[0].endswith(what)


def test_a_translation_may_leave_the_number_to_the_words():
    assert not list(bent(Message(("{number} day", "{number} days"), ("ein Tag", "{number} Tage")), 2))
