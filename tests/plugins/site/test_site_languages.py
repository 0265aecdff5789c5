"""Pages come in the language of whoever reads them, where there is a folder for it."""

import pytest
from chatgate_site import languages
from hypothesis import given
from hypothesis import strategies as st
from site_fakes import Facts

from chatgate.hosting.facts import together


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("", ""),
        ("de", "de"),
        ("de-AT,en;q=0.5", "de"),
        ("fr, de;q=0.8", "de"),
        ("en;q=0.3,de;q=0.7", "de"),
        ("en, de", "en"),
        ("de;q=0", ""),
        ("DE", "de"),
        ("pt-BR", "pt-BR"),
        ("pt", ""),
        ("*", ""),
        ("../../etc", ""),
        (",;=,q=", ""),
        ("x," * 5000 + "de", ""),
    ],
)
def test_which_language(asked, language):
    assert languages.best(asked, ["de", "en", "pt-BR"]) == language


@given(st.text(st.characters(max_codepoint=255)))
def test_whatever_is_asked_for(asked):
    assert languages.best(asked, ["de"]) in ("de", "")


def test_a_page_in_a_language_of_the_operators(start, tmp_path):
    (tmp_path / "own/de").mkdir(parents=True)
    (tmp_path / "own/de/landing.html").write_text("% rebase('layout.html', title='Hallo')\n<h1>Hallo {{days(20)}}</h1>")
    running = start("chat.example.org", signed=True, pages=str(tmp_path / "own"))
    german, english = {"Accept-Language": "de-DE"}, {"Accept-Language": "en"}
    page = running.ask("/", headers=german)
    assert "<h1>Hallo 20 Tage</h1>" in page.text and '<html lang="de" dir="ltr">' in page.text
    assert page.headers["vary"] == "Accept-Language"
    assert "<title>Datenschutz" in running.ask("/privacy", headers=german).text, "the others are as shipped"
    assert '<html lang="en" dir="ltr">' in running.ask("/", headers=english).text
    assert "There is no page" in running.ask("/nothing", headers=english).text


def test_each_fact_is_from_the_first_who_states_it():
    first, second = Facts(mail_days=0, keeps=("A.",)), Facts(mail_days=7, evicts=True, keeps=("B.",))
    told = together([first, second])
    assert (told.mail_days, told.evicts, told.keeps, told.quota_octets) == (0, True, ("A.", "B."), None)
    told = together([Facts(listens={"mx": ("a:1",)}), Facts(listens={"mx": ("b:1",), "imap": ("c:1",)})])
    assert told.listens == {"mx": ("a:1",), "imap": ("c:1",)}
