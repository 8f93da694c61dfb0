"""A report in a browser: it opens alone, everybody can read it, and nothing in it runs."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import sweeps as package
from sweeps import experiment, grid, run
from sweeps.operations.report import report

pytest.importorskip("jinja2", reason="needs the extra report")

SHIPPED = {
    "pendulum": {"length": np.linspace(0.1, 2, 4), "amplitude": [0.5, 1.0, 3.0, 4.0]},
    "ishigami": None,
    "ising": {"temperature": [2.0, 3.0], "size": 4, "n_sweeps": 5, "n_warmup": 2},
    "sir_replicates": {"replicate": range(5)},
    "logistic": {"growth_rate": np.linspace(2.5, 4, 20)},
    "black_scholes": {"n_paths": 100},
    "stdlib_tokens": {"package": "asyncio", "n_batches": 2},
}
EXPERIMENTS = Path(__file__).parents[2] / "experiments"

HOSTILE = (
    "</title></style></script><script>window.ran = 1</script><img src=x onerror='window.ran=1'>"
    "\"'> onload=window.ran=1 javascript:window.ran=1 ]]> <!-- {{ 7*7 }} &lt; \u202e\u2066 \x1b[2J"
)
SEEN = "<script>window.ran = 1</script><img src=x onerror='window.ran=1'>"


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.filterwarnings("ignore")
def test_reports_of_experiments_that_ship_open_alone_and_are_accessible(browser, project, name):
    shutil.copytree(EXPERIMENTS, project / "experiments", dirs_exist_ok=True)
    run(name, axes=SHIPPED[name], engine="serial")
    made = report(name)
    assert made.n_pictures
    assert made.n_bytes < 10**6
    page = browser.open(made.path.as_uri())
    assert page.locator("h1").inner_text() == name
    assert browser.inaccessible(page) == []
    assert page.locator("[role=img]:not([aria-label])").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


@pytest.mark.parametrize("look", [{"width": 390}, {"color_scheme": "dark"}, {"unfolded": True}])
def test_a_report_is_accessible_however_it_is_looked_at(browser, project, look):
    @experiment(grid(x=np.linspace(0, 1, 9), way=["a", "b"]))
    def tried(x, way):
        if x == 1:
            raise ValueError("one")
        return {"y": x, "line": np.arange(3) * x, "word": way}

    with pytest.warns(UserWarning, match="failed"):
        run(tried, engine="serial")
    unfolded = look.pop("unfolded", False)
    page = browser.open(report(tried).path.as_uri(), **look)
    if unfolded:
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert browser.inaccessible(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Results of an experiment in which all texts are hostile."""

    def hostile(x, way):
        if x == 2:
            raise ValueError(HOSTILE)
        return {"said": way, "size": float(len(way)), "odd <b>name $": x}

    hostile.__doc__ = HOSTILE
    texts = HOSTILE.replace("\x1b", "")  # which units may not hold
    made = experiment(
        grid(x=[1.0, 2.0], way=[HOSTILE, "b"]),
        units={"x": texts, "size": SEEN},
        long_name={"x": SEEN, "size": SEEN},
    )(hostile)
    made.summary(lambda ds: {"most": ds["size"].max(), "text": texts})
    folder = tmp_path_factory.mktemp("hostile")
    with pytest.warns(UserWarning, match="failed"):
        run(made, engine="serial", results=folder)
    return folder


@pytest.fixture(scope="module")
def hostile(results):
    return report("hostile", results=results)


@pytest.fixture(scope="module")
def interactive(results):
    pytest.importorskip("plotly", reason="needs plotly")
    return package.report("hostile", results / "more.html", interactive=True, results=results)


def opened_with(browser, made, folder, bad):
    """Open a copy of a report that something was put into."""
    copy = folder / "copy.html"
    copy.write_text(made.path.read_text().replace("<main>", f"<main>{bad}"))
    return browser.open(copy.as_uri())


def test_hostile_texts_are_shown_and_do_not_run(browser, hostile):
    page = browser.open(hostile.path.as_uri())
    page.wait_for_timeout(100)
    assert page.evaluate("window.ran") is None
    assert page.locator("script, img[src=x], [onerror], [onload], b").count() == 0
    shown = page.locator("body").inner_text()
    for text in (SEEN, "javascript:window.ran=1 ]]> <!-- {{ 7*7 }} &lt; \\u202e\\u2066"):
        assert text in shown
    assert shown.count(SEEN) > 5
    assert browser.inaccessible(page) == []


def test_the_policy_forbids_scripts_even_if_one_got_in(browser, hostile, tmp_path):
    bad = "<script>window.ran = 1</script><img src=x onerror='window.ran=1' alt=''>"
    page = opened_with(browser, hostile, tmp_path, bad)
    page.wait_for_timeout(100)
    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in fault for fault in browser.faults)
    browser.faults.clear()


def test_fold_outs_are_open_in_print(browser, hostile):
    page = browser.open(hostile.path.as_uri())
    code = page.locator("#code ~ details pre").first
    assert not code.is_visible()
    page.emulate_media(media="print")
    assert code.is_visible()


def test_all_fold_outs_and_tables_are_reached_by_keyboard(browser, hostile):
    page = browser.open(hostile.path.as_uri())
    n = page.locator("a, summary, .table").count()
    reached = set()
    for _ in range(n):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.outerHTML.slice(0, 200)"))
    assert page.locator("summary").count() > 0
    assert sum("<summary" in each for each in reached) >= 1
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("details").first.get_attribute("open") is not None


def test_the_reader_chooses_the_axes(browser, interactive):
    page = browser.open(interactive.path.as_uri())
    place = page.locator("#explored")
    before = place.get_attribute("aria-label")
    page.locator("#choose-y").select_option(index=0)
    page.locator("#choose-colour").select_option(index=2)
    assert place.locator(".scatterlayer .point").count() == 2  # those that are done
    assert place.get_attribute("aria-label") != before
    assert place.get_attribute("aria-label").startswith("Scatter plot of x (")
    assert page.evaluate("window.ran") is None
    assert page.locator("[onerror], [onload], b, img[src=x]").count() == 0
    assert browser.inaccessible(page) == []


def test_scripts_that_the_page_does_not_bring_do_not_run(browser, interactive, tmp_path):
    page = opened_with(browser, interactive, tmp_path, "<script>window.ran = 1</script>")
    assert page.evaluate("window.ran") is None
    assert page.locator("#explored .main-svg").count() > 0
    assert any("Content Security Policy" in fault for fault in browser.faults)
    browser.faults.clear()
