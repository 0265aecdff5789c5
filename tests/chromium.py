"""A real Chromium, driven over two pipes by its DevTools protocol: pages are opened, filled in, clicked, looked at."""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from gevent import os as cooperative

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Chromium:
    """One tab of one browser, without scripts of the pages' own."""

    def __init__(self, folder: Path) -> None:
        theirs, self._out = os.pipe()
        self._in, ours = os.pipe()
        words = [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
            "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
            "--remote-debugging-pipe", f"--user-data-dir={folder}/profile", "about:blank",
        ]  # fmt: skip

        def pipes() -> None:
            """It reads from 3 and writes to 4, which may be taken by the pipes themselves."""
            high = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (theirs, ours)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self._process = subprocess.Popen(
            words,
            preexec_fn=pipes,
            close_fds=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        os.close(ours)
        for end in (self._in, self._out):
            cooperative.make_nonblocking(end)
        self._numbers, self._left, self._seen = itertools.count(1), b"", []
        self._session = ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Security"):
            self.call(f"{domain}.enable")
        self.call("Security.setIgnoreCertificateErrors", ignore=True)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(60)
        os.close(self._in)
        os.close(self._out)

    def call(self, method: str, **arguments: Any) -> Any:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": arguments}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[cooperative.nb_write(self._out, data) :]
        while True:
            got = self._next()
            if got.get("id") == number:
                assert "error" not in got, got["error"]
                return got["result"]
            self._seen.append(got)

    def _next(self) -> Any:
        while b"\0" not in self._left:
            got = cooperative.nb_read(self._in, 1 << 20)
            assert got, "the browser is gone"
            self._left += got
        text, _, self._left = self._left.partition(b"\0")
        return json.loads(text)

    def wait(self, event: str) -> None:
        while True:
            got = self._seen.pop(0) if self._seen else self._next()
            if got.get("method") == event:
                return

    # ------------------------------------------------------------------------------------------ what people do

    def open(self, url: str) -> None:
        self._seen.clear()
        self.call("Page.navigate", url=url)
        self.wait("Page.loadEventFired")

    def run(self, script: str) -> Any:
        """The value of an expression, by a script of the test; the pages have none."""
        got = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in got, got["exceptionDetails"]
        return got["result"].get("value")

    def send(self, do: str, **fields: str) -> None:
        """Fill in the form that does this, and press its button, as the mouse would."""
        name = json.dumps(do)
        form = f"""[...document.forms].find(form => form.classList.contains({name})
            || (form.getAttribute("action") || "").endsWith({name})
            || (form.elements.namedItem("do") || {{}}).value === {name})"""
        assert self.run(f"!!{form}"), f"no form {do}"
        self.run(f"(form => {{ const more = form.closest('details'); if (more) more.open = true }})({form})")
        for name, value in fields.items():
            self.run(f"{form}.elements.namedItem({json.dumps(name)}).value = {json.dumps(value)}")
        self._seen.clear()
        place = self.run(
            f"(box => {{ box.scrollIntoView({{block: 'center'}}); const r = box.getBoundingClientRect(); "
            f"return [r.x + r.width / 2, r.y + r.height / 2] }})({form}.querySelector('button'))"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1
            )  # fmt: skip
        self.wait("Page.loadEventFired")

    @property
    def text(self) -> str:
        return str(self.run("document.body.innerText"))

    def look(self, width: int, dark: bool, height: int = 800) -> None:
        """Have a window of this size, in this theme."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )  # fmt: skip
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[theme])

    def picture(self, path: Path) -> None:
        """Of the whole page, as PNG."""
        got = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(got["data"]))

    def problems(self, axe: str, only: str = "") -> list[str]:
        """What axe-core finds wrong with the page. axe: its source, which is there until another page is opened. only:
        the rule to look at.
        """
        self.run(axe + "; 0")
        rules = f", runOnly: {json.dumps([only])}" if only else ""
        run = f"axe.run(document, {{resultTypes: ['violations']{rules}}})"
        return [
            f"{one['id']}: {node['html'][:200]}: {node.get('failureSummary', '')}"
            for one in json.loads(self.run(f"{run}.then(r => JSON.stringify(r.violations))"))
            for node in one["nodes"]
        ]

    def problems_in_both_themes(self, axe: str) -> list[str]:
        """What axe-core finds wrong with the page, which was opened in a small light window; of the dark theme, in a
        small and a large one, all that is different there.
        """
        found = self.problems(axe)
        for width, dark in ((360, True), (1280, True)):
            self.look(width, dark)
            found += [f"{width} {dark}: {problem}" for problem in self.problems("", "color-contrast")]
        return found
