"""What the operator says and changes: imprint and terms, templates, sign-ups that are closed for a while."""

import datetime
import logging

import click
import pytest
from chatgate_site import apps, documents
from click.testing import CliRunner
from site_fakes import Facts, Silent, make
from test_site_pages import Page

from chatgate.hosting.confd import Enabled

NAME = "chat.example.org"


def test_imprint_and_terms_are_there_when_there_is_something_to_say(start):
    running = start(NAME, signed=True)
    assert running.ask("/imprint").status == running.ask("/terms").status == 404
    assert "Imprint" not in running.ask("/").text
    text = "The <b> Club\nStreet 1\n\nSee https://example.org/a?b=1&c. Or not."
    running = start(NAME, signed=True, imprint=text, terms="https://example.org/terms")
    page = running.ask("/imprint?lang=de")
    assert page.status == 200 and "<h1>Impressum</h1>" in page.text
    assert "<p>The &lt;b&gt; Club<br>\nStreet 1</p>" in page.text
    assert '<a href="https://example.org/a?b=1&amp;c">https://example.org/a?b=1&amp;c</a>. Or not.' in page.text
    first = running.ask("/").text
    assert '<a href="/imprint">Imprint</a>' in first and '<a href="https://example.org/terms">Terms of use</a>' in first
    moved = running.ask("/terms")
    assert (moved.status, moved.headers["location"]) == (302, "https://example.org/terms")


def test_terms_may_be_a_page_of_their_own_in_each_language(start, tmp_path):
    (tmp_path / "own/de").mkdir(parents=True)
    (tmp_path / "own/terms.html").write_text("% rebase('layout.html', title='Terms')\n<h1>Be kind</h1>")
    (tmp_path / "own/de/terms.html").write_text("% rebase('layout.html', title='Regeln')\n<h1>Seid nett</h1>")
    running = start(NAME, signed=True, pages=str(tmp_path / "own"), terms="short")
    assert "<h1>Be kind</h1>" in running.ask("/terms").text and "Seid nett" in running.ask("/terms?lang=de").text


@pytest.mark.parametrize("text", ["", "\n\n", "http://", "https://a.example/<x>"])
def test_whatever_the_operator_writes_is_escaped(text):
    assert "<x>" not in documents.shown(text)


@pytest.mark.parametrize(
    ("template", "where"),
    [
        ("% if x\n<p>", "line 1: "),
        ("<h1>\n{{nobody}}</h1>", "line 2: NameError: name 'nobody' is not defined"),
        ("% if False:\n{{x}}\n% end\n", "landing.html makes an empty page"),
        ("% include('missing.html')", "missing.html"),
        ("{{_('{number} is missing', other=1)}}", "KeyError"),
    ],
)
def test_a_bad_template_is_an_error_of_check_and_in_the_log_and_the_shipped_page_is_shown(
    start, tmp_path, caplog, template, where
):
    own = tmp_path / "own"
    own.mkdir()
    (own / "landing.html").write_text(template)
    (tmp_path / "other").mkdir()
    gateway = make(tmp_path / "other", NAME, signed=True, pages=str(own), http=("*:80",), https=("*:443",))
    found = [one.text for all in gateway.hub.check.or_raise(gateway=gateway) for one in all if one.level == "error"]
    assert len(found) == 1 and str(own / "landing.html") in found[0] and where in found[0]
    running = start(NAME, signed=True, pages=str(own))
    with caplog.at_level(logging.ERROR, "chatgate.site"):
        assert "Private chat" in running.ask("/").text
    assert where in caplog.text
    caplog.clear()
    assert "Private chat" in running.ask("/").text and not caplog.text, "told once"
    (own / "landing.html").write_text("<p>mended</p>")
    running.site.chatgate_reloaded()
    assert running.ask("/").text == "<p>mended</p>"


def test_a_broken_layout_breaks_no_page(start, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own/layout.html").write_text("{{!base}}{{nothing}}")
    running = start(NAME, signed=True, pages=str(tmp_path / "own"))
    assert "Server info" in running.ask("/info").text and "Nothing here" in running.ask("/nothing").text


def run(running, *arguments):
    group = click.Group()
    running.gateway.hub.commands.or_raise(cli=group, gateway=running.gateway)
    return CliRunner().invoke(group, arguments)


def test_what_is_exported_makes_the_same_pages(start, tmp_path):
    own = tmp_path / "own"
    plain = start(NAME, signed=True, url=f"https://{NAME}")
    done = run(plain, "site", "export", str(own))
    assert done.exit_code == 0 and str(own / "landing.html") in done.output
    (own / "info.html").write_text((own / "info.html").read_text() + "<p>ours</p>")
    running = start(NAME, signed=True, url=f"https://{NAME}", pages=str(own))
    for path in ("/", "/privacy", "/apps", "/share", "/nothing", "/style.css", "/?lang=de"):
        assert running.ask(path).text == plain.ask(path).text
    assert "<p>ours</p>" in running.ask("/info").text
    again = run(plain, "site", "export", str(own))
    assert (
        again.exit_code == 1 and "landing.html" in str(again.exception.__context__ or again.exception) + again.output
    ), "nothing is overwritten"
    assert "<p>ours</p>" in (own / "info.html").read_text()


CLOSED = Facts(closed="closed", ways=(), closed_until=datetime.date(2031, 2, 3))


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"invites": None}, "Sign-ups are closed until 3 February 2031."),
        ({"invites": True}, "Before that, you need an invitation."),
        ({"closed_until": None}, "This server takes no new accounts."),
        ({"closed_until": None, "invites": True}, "by invitation only"),
        ({"closed": "frozen", "closed_until": None}, "at the moment. Please come back later."),
    ],
)
def test_the_pages_say_for_how_long_sign_ups_are_closed(start, facts, told):
    import dataclasses

    running = start(NAME, Enabled("door", Silent, dataclasses.replace(CLOSED, **facts)), signed=True)
    for path in ("/", "/share", "/info"):
        page = Page(running.ask(path).text)
        assert told in page.text and not page.all("figure") and "dcaccount" not in page.text


@pytest.mark.parametrize(
    ("browser", "first"),
    [
        ("Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 Chrome/131 Mobile", "Google Play"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Version/18.1 Mobile Safari", "App Store"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0", "Microsoft Store"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.1 Safari/605.1.15", "Mac App Store"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "Flathub"),
        ("curl/8", ""),
    ],
)
def test_the_store_for_the_device_comes_first_and_all_are_there(site, browser, first):
    answer = site.ask("/apps", headers={"User-Agent": browser})
    links = [a["href"] for a in Page(answer.text).all("a")]
    assert "User-Agent" in answer.headers["vary"]
    stores = {store.link: store.name for system in apps.SYSTEMS for store in system.stores}
    found = [stores[link] for link in links if link in stores]
    assert sorted(found) == sorted(stores.values()) and (found[0] == first or not first)
    assert ("For this device" in answer.text) == bool(first)


def test_the_address_to_share_is_that_of_the_site(site):
    text = site.ask("/share").text
    assert 'href="https://chat.example.org/"' in text and site.site.svg("https://chat.example.org/") in text


def test_a_contact_may_be_a_link(start):
    link = "https://i.delta.chat/#ABC&n=Op"
    running = start(NAME, signed=True, contact=link)
    assert f'href="{link.replace("&", "&amp;")}"' in running.ask("/").text
