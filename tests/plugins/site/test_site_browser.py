"""The pages in a real browser, on a phone's and a desktop's screen, in light and dark."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
from pathlib import Path

import axe_core_python
import pytest
from chatgate_invite import Invite
from chatgate_invite.plugin import InviteOptions
from chatgate_selfservice import SelfService
from chatgate_selfservice.plugin import SelfServiceOptions
from chromium import CHROMIUM, Chromium
from site_fakes import Running, make, unverified
from test_site_pages import SETTINGS, Guard

from chatgate.hosting.confd import Enabled

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium (Debian: chromium) to show the pages with")


def browse(folder: Path, url: str, *arguments: str) -> str:
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
            "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
            "--ignore-certificate-errors", f"--user-data-dir={folder}/profile", *arguments, url,
        ],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def pixels(path: Path) -> tuple[int, int, list[bytes], int]:
    """(width, height, rows, octets a pixel)"""
    import png

    width, height, rows, facts = png.Reader(filename=str(path)).read()
    return width, height, [bytes(row) for row in rows], facts["planes"]


def test_the_dom_has_the_invitation(site, tmp_path):
    dom = browse(tmp_path, f"https://127.0.0.1:{site.port()}/", "--dump-dom")
    assert re.search(r'<a class="button" href="dcaccount:https://chat\.example\.org/new">Create account', dom)
    assert "<svg" in dom and "Private chat" in dom


@pytest.mark.parametrize(("size", "dark"), [("500,1000", 0), ("1280,800", 0), ("1280,800", 1)])
def test_the_code_on_the_screen_can_be_scanned(start, tmp_path, size, dark):
    """Also proves that the style sheet applies under the content security policy: the ground has its colour."""
    running = start("localhost", hostname="127.0.0.1")
    shot = tmp_path / "shot.png"
    browse(
        tmp_path, f"http://127.0.0.1:{running.port('http')}/", f"--window-size={size}", f"--screenshot={shot}",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
    )  # fmt: skip
    width, _, rows, planes = pixels(shot)
    assert width == int(size.partition(",")[0])
    assert rows[0][:3] == (b"\x12\x19\x1c" if dark else b"\xf6\xf4\xef")
    if not shutil.which("zbarimg"):
        pytest.skip("zbarimg (Debian: zbar-tools) is not installed")
    done = subprocess.run(["zbarimg", "-q", "--raw", shot], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("dclogin:")


AXE = Path(axe_core_python.__file__).with_name("axe.min.js").read_text("utf-8")
PATHS = ("/", "/apps", "/share", "/info", "/privacy", "/terms", "/imprint", "/account", "/invite", "/nothing")
LANGUAGES = ("ar", "de", "en", "es", "fa", "fr", "ru", "zh")


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A site below a path, with all pages, and each of them with as much on it as there can be."""
    more = Enabled("gate", Guard, SETTINGS), Enabled("selfservice", SelfService, SelfServiceOptions())
    site = {
        "url": "https://chat.example.org/a/path",
        "contact": "somebody-with-a-long-name@example.org",
        "imprint": "The Club\n\nhttps://example.org/" + "long/" * 20,
        "terms": "Be kind.",
        "about": "A few words.",
    }
    folder = tmp_path_factory.mktemp("full")
    invite = Enabled("invite", Invite, InviteOptions())
    gateway = make(folder, "chat.example.org", *more, invite, signed=True, **site)
    gateway.start()
    yield Running(gateway)
    gateway.stop()


@pytest.fixture(scope="module")
def chrome(tmp_path_factory):
    chrome = Chromium(tmp_path_factory.mktemp("chromium"))
    yield chrome
    chrome.close()


def test_nothing_is_wrong_with_any_page_in_either_theme(full, chrome):
    found = []
    for path in PATHS:
        chrome.look(360, dark=False)
        chrome.open(f"https://127.0.0.1:{full.port()}/a/path{path}")
        found += [f"{path}: {problem}" for problem in chrome.problems_in_both_themes(AXE)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("language", LANGUAGES)
def test_signing_up_on_a_phone_and_at_a_desk_in_each_language(full, chrome, language):
    """From the browser's language to the account that the app makes; no page is wider than the screen, or weighs more
    than 60 kB with everything.
    """
    chrome.call("Network.enable")
    chrome.call("Network.setExtraHTTPHeaders", headers={"Accept-Language": f"{language}-XX,xx;q=0.5"})
    for path in PATHS:
        chrome.open(f"https://127.0.0.1:{full.port()}/a/path{path}")
        root = chrome.run("[document.documentElement.lang, getComputedStyle(document.body).direction]")
        assert root == [language, "rtl" if language in ("ar", "fa") else "ltr"]
        octets = "performance.getEntries().reduce((sum, one) => sum + (one.decodedBodySize || 0), 0)"
        assert 1000 < chrome.run(octets) < 60_000
        for width in (360, 1280):
            chrome.look(width, dark=False)
            assert chrome.run("document.documentElement.scrollWidth") <= width, f"{path} is wider than the screen"
    for width in (360, 1280):
        chrome.look(width, dark=False)
        chrome.open(f"https://127.0.0.1:{full.port()}/a/path/")
        button = "document.querySelector('.actions a.button')"
        box = chrome.run(f"(r => [r.left, r.right, r.width, r.height])({button}.getBoundingClientRect())")
        assert 0 <= box[0] < box[1] <= width and box[2] > 100 and box[3] >= 44, "a finger finds it"
        link = chrome.run(f"{button}.getAttribute('href')")
        assert link == "dcaccount:https://chat.example.org/a/path/new"
        connection = http.client.HTTPSConnection("127.0.0.1", full.port(), timeout=60, context=unverified())
        connection.request("POST", link.removeprefix("dcaccount:https://chat.example.org"))
        assert json.loads(connection.getresponse().read())["email"].endswith("@chat.example.org")
        connection.close()


def test_a_language_chosen_by_hand_stays(full, chrome):
    chrome.call("Network.enable")
    chrome.call("Network.setExtraHTTPHeaders", headers={"Accept-Language": "en"})
    chrome.look(360, dark=False)
    chrome.open(f"https://127.0.0.1:{full.port()}/a/path/share")
    for click in ("footer a[lang=fa]", "footer .links a[href*=privacy]", "header .brand"):
        where = chrome.run(f"document.querySelector('{click}').href")
        chrome.open(where)
        assert chrome.run("document.documentElement.lang") == "fa" and "/a/path/" in where
    assert chrome.run("document.querySelectorAll('footer [aria-current]').length") == 1
