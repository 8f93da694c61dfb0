"""The page in a real Chromium: numbers, pictures, failures; by keyboard, and on a phone."""

import contextlib
import re
import socket
import threading
import time

import pytest

from sweeps import run
from sweeps.project.sweep import resolve
from sweeps.viewer import serve
from sweeps.viewer.watched import Subject
from tests.viewer.test_sheets import EVERY, waves
from tests.viewer.test_watched import steps

pytest.importorskip("playwright.sync_api", reason="needs playwright")
uvicorn = pytest.importorskip("uvicorn", reason="needs uvicorn")
pytest.importorskip("plotly", reason="needs plotly")

DRAWN = "#plot[data-version]"


@contextlib.contextmanager
def served(subjects, problems=()):
    """Serve the page of the first subject from a thread; give its address."""
    server = serve.prepare(subjects, problems, first=subjects[0].name)
    begun, begin = [], uvicorn.Server.run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            uvicorn.Server, "run", lambda self, **how: (begun.append(self), begin(self, **how))
        )
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        _wait_for(server.port)
        yield server.address
        begun[0].should_exit = True
        thread.join(20)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A page of points that are done, failed and excluded, beside others."""
    results = tmp_path_factory.mktemp("results")
    with pytest.warns(UserWarning):
        for each in EVERY:
            run(each, engine="serial", results=results)
    path = results / "waves.h5"
    made = Subject("waves", path, "of <b>water</b>", lambda: resolve(waves, results=results))
    more = [Subject(each.name, results / f"{each.name}.h5") for each in EVERY[1:]]
    other = Subject("<img src=x onerror=alert(1)>", results / "other.h5")
    with served([made, other, *more], ["<script>alert(2)</script> cannot be imported"]) as found:
        yield found


def _wait_for(port):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as trial:
            if not trial.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.05)


def test_the_page_shows_numbers_pictures_and_failures(browser, address):
    page = browser.open(address)
    page.wait_for_selector(DRAWN)
    assert page.locator("#share").inner_text() == "22 of 22 points finished"
    assert page.locator("#counts").inner_text().split() == [
        *("18", "done", "4", "failed", "0", "missing", "2", "excluded"),
    ]
    assert page.locator("#map").get_attribute("data-cells") == "12"
    assert page.locator("#plot .heatmaplayer image").count() == 2
    assert page.locator("#failed-title").inner_text() == "4 failed points"
    assert "token" not in page.url
    assert browser.inaccessible(page) == []


def test_what_users_wrote_is_shown_as_text(browser, address):
    page = browser.open(address)
    page.wait_for_selector(DRAWN)
    assert page.locator("#about").inner_text() == "of <b>water</b>"
    listed = page.locator("#list").inner_text()
    assert "<img src=x onerror=alert(1)>" in listed
    assert "<script>alert(2)</script>" in listed
    page.select_option("#output", "word")
    page.get_by_text("2 different texts").wait_for()
    assert "<b>cosine</b>" in page.locator("#plot").inner_text()
    assert page.locator("main b").count() == page.locator("#counts b").count()
    assert page.locator("img").count() == 0


def test_sliders_and_choices_work_by_keyboard(browser, address):
    page = browser.open(address)
    page.wait_for_selector(DRAWN)
    before = page.locator("#plot").get_attribute("aria-label")
    slider = page.locator("#sliders input")
    slider.focus()
    page.keyboard.press("Home")
    page.get_by_text("sine", exact=True).wait_for()
    page.keyboard.press("End")
    page.get_by_text("cosine", exact=True).wait_for()
    page.select_option("#y", "")
    page.wait_for_selector("#plot .scatterlayer")
    assert page.locator("#plot").get_attribute("aria-label") != before
    assert page.locator("#sliders input").count() == 2
    summary = page.locator("#failures summary").first
    summary.focus()
    page.keyboard.press("Enter")
    assert "ValueError" in page.locator("#failures pre").first.inner_text()


def test_every_output_can_be_drawn_over_every_axis(browser, address):
    page = browser.open(address)
    page.wait_for_selector(DRAWN)
    for output in page.locator("#output option").evaluate_all("all => all.map(o => o.value)"):
        page.select_option("#output", output)
        for axis in page.locator("#x option").evaluate_all("all => all.map(o => o.value)"):
            page.select_option("#x", axis)
            said = f"{output} over {axis}"
            page.wait_for_selector(f"#plot[aria-label^='{said}']")


@pytest.mark.filterwarnings("ignore")
def test_what_is_stored_meanwhile_appears_by_itself(browser, project):
    results = project / "results"
    made = Subject("steps", results / "steps.h5", resolve=lambda: resolve(steps, results=results))
    with served([made]) as address:
        page = browser.open(address)
        page.get_by_text("0 of 8 points finished").wait_for()
        run(steps, engine="serial", results=results, limit=6)
        page.get_by_text("6 of 8 points finished").wait_for()
        page.locator("#failures summary").click()
        before = page.locator(DRAWN).get_attribute("data-version")
        run(steps, engine="serial", results=results, retry=False)
        page.get_by_text("8 of 8 points finished").wait_for()
        page.get_by_text("1 failed point", exact=True).wait_for()
        page.wait_for_selector(f"{DRAWN}:not([data-version='{before}'])")
        assert page.locator("#failures details[open]").count() == 1
        page.get_by_text("Values are read from the results file.").wait_for()


def test_each_kind_of_sweep_has_a_plot(browser, address):
    page = browser.open(address)
    page.wait_for_selector(DRAWN)
    for made in EVERY[1:]:
        page.locator("#list a", has_text=re.compile(rf"^{made.name}")).click()
        page.locator("h1", has_text=re.compile(rf"^{made.name}$")).wait_for()
        page.wait_for_selector(f"{DRAWN}[data-name='{made.name}']")
        assert page.locator("#share").inner_text().endswith("points finished")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(browser, address, scheme):
    page = browser.open(address, width=390, height=844, color_scheme=scheme)
    page.wait_for_selector(DRAWN)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert browser.inaccessible(page) == []


def test_without_the_token_there_is_no_page(browser, address):
    page = browser.open(address.split("?")[0])
    assert page.locator("body").inner_text().startswith("The token is missing or wrong")
    browser.faults.clear()  # Chromium writes that the page was refused
