"""The pages in a real browser, on a phone's and a desktop's screen, in light and dark."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

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
