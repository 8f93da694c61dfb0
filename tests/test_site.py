"""What the documentation site is built from; `.ci/run` builds it and takes no warning."""

import functools
import http.server
import importlib
import re
import threading
from pathlib import Path

import pytest

import sweeps

ROOT = Path(__file__).parent.parent
BUILT = ROOT / "build/site"
INVENTORIES = sorted((ROOT / "docs/inventories").glob("*.inv"))


def named(inventory):
    """The names that an inventory lists (of Sphinx's first format, which is text)."""
    lines = inventory.read_text().splitlines()
    assert lines[0] == "# Sphinx inventory version 1"
    return [line.split()[0] for line in lines[3:]]


def found(name):
    """The object of a dotted name, from the longest part of it that is a module."""
    path = name.split(".")
    for n in range(len(path), 0, -1):
        try:
            thing = importlib.import_module(".".join(path[:n]))
        except ModuleNotFoundError:
            continue
        for part in path[n:]:
            thing = getattr(thing, part)
        return thing
    return getattr(importlib.import_module("builtins"), name)


@pytest.mark.parametrize("inventory", INVENTORIES, ids=lambda file: file.stem)
def test_libraries_have_the_names_that_the_site_links_to(inventory):
    assert named(inventory)
    pytest.importorskip(inventory.stem if inventory.stem != "python" else "builtins")
    for name in named(inventory):
        assert found(name) is not None, name


def test_an_inventory_with_a_wrong_name_would_be_found():
    with pytest.raises(AttributeError):
        found("numpy.random.Generatr")


def test_every_public_name_is_in_the_reference():
    text = (ROOT / "docs/reference/python.rst").read_text()
    listed = re.findall(r"^\.\. auto\w+:: ([\w.]+)$", text, re.MULTILINE)
    assert set(sweeps.__all__) <= {name.removeprefix("sweeps.") for name in listed}


@pytest.fixture(scope="module")
def site():
    """The address of the built site, which `.ci/run` builds before this test."""
    if not (BUILT / "docs/index.html").exists():
        pytest.skip("build/site is not built: see CONTRIBUTING.md")
    handler = functools.partial(SilentHandler, directory=BUILT)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class SilentHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files, and logs nothing."""

    def log_message(self, *_):
        pass


LOOKED_AT = [
    "index",
    "tutorial",
    "coming-from/hydra",
    "design/keys",
    "reference/python",
    "commands",
]


@pytest.mark.parametrize("name", LOOKED_AT)
def test_pages_of_the_site_ask_nobody_and_can_be_used_by_all(site, browser, name):
    page = browser.open(f"{site}/docs/{name}.html")
    assert browser.faults == []
    assert browser.inaccessible(page) == []
    browser.faults.clear()  # axe-core asks for what a style sheet imports, at the page's own path


def test_no_page_of_the_site_is_wider_than_a_phone(site, browser):
    page = browser.open(f"{site}/docs/index.html", width=390)
    files = [file.relative_to(BUILT) for file in BUILT.rglob("*.html")]
    pages = [file for file in files if file.parts[0] not in {"_static", "index.html"}]
    widths = {}
    for file in pages:
        page.goto(f"{site}/{file}")
        widths[file] = page.evaluate("document.documentElement.scrollWidth")
    assert len(widths) > 40
    assert {file: width for file, width in widths.items() if width > 390} == {}


def test_the_address_of_the_site_leads_to_its_front_page(site, browser):
    page = browser.open(f"{site}/")
    page.wait_for_url("**/docs/index.html")
    assert "sweeps" in page.title()
