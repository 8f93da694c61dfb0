"""Pages in a real Chromium: a page that writes an error, or asks anyone else, fails its test.

It is the Chromium of the system (Debian: ``apt-get install chromium``), driven by playwright; the
rules of accessibility are those of axe-core, which ``axe-playwright-python`` brings. Without one of
these, the tests are skipped.
"""

import contextlib
import os
import shutil
from importlib import resources
from urllib.parse import urlsplit

import pytest

GRAVE = ("serious", "critical")
"""Impacts, in the words of axe-core."""

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

_BLOCKED = ("data", "blob", "about")
"""Schemes of what a page holds itself."""


class Browser:
    """A Chromium that notes what its pages do wrong.

    Attributes
    ----------
    faults : list of str
        Errors on the console, exceptions, and requests to others, of all pages so far. The test
        fails if there is one at its end: clear the list if you expect some.
    """

    def __init__(self, chromium):
        self._chromium = chromium
        self.faults = []

    def open(self, url, width=1280, height=900, **options):
        """Open a page (`playwright.sync_api.Page`) that may load itself and nothing else.

        A page of a server may also ask the rest of this server; a file may ask nobody. `options`
        are those of ``Browser.new_context`` of playwright: ``color_scheme="dark"``.
        """
        context = self._chromium.new_context(viewport={"width": width, "height": height}, **options)
        page = context.new_page()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.faults.append(f"exception: {error}"))
        page.on("request", lambda request: self._see(request.url, url))
        page.on("websocket", lambda socket: self._see(socket.url, url))
        page.goto(url)
        return page

    def _hear(self, message):
        if message.type in ("error", "warning"):
            self.faults.append(f"{message.type} on the console: {message.text}")

    def _see(self, asked, url):
        its, own = urlsplit(asked), urlsplit(url)
        is_own = its.netloc == own.netloc if own.scheme.startswith("http") else asked == url
        if its.scheme not in _BLOCKED and not is_own:
            self.faults.append(f"request: {asked}")

    def inaccessible(self, page):
        """Name the serious and critical faults that axe-core finds in a page, and where."""
        source = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text()
        page.evaluate(source)  # which a Content-Security-Policy does not forbid
        found = page.evaluate("async () => (await axe.run()).violations")
        return [
            f"{fault['id']}: {fault['help']} ({node['html'][:200]})"
            for fault in found
            if fault["impact"] in GRAVE
            for node in fault["nodes"]
        ]


@pytest.fixture
def browser():
    """A `Browser` of this test alone.

    While playwright runs, ``asyncio.run`` does not work in this thread; so it ends with the test.
    It takes half a second.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    pytest.importorskip("axe_playwright_python", reason="needs axe-playwright-python")
    if _CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    # Chromium has no sandbox for root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with (
        playwright.sync_playwright() as driver,
        contextlib.closing(
            driver.chromium.launch(executable_path=_CHROMIUM, args=arguments)
        ) as chromium,
    ):
        made = Browser(chromium)
        yield made
    assert made.faults == []
