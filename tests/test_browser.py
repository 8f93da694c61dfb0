"""The browser of tests sees what pages do wrong."""

import pytest

FINE = '<!doctype html><html lang="en"><title>Fine</title><main><h1>Fine</h1></main></html>'


def visit(browser, folder, text):
    (folder / "page.html").write_text(text)
    return browser.open((folder / "page.html").as_uri())


def faults(browser):
    found = browser.faults.copy()
    browser.faults.clear()
    return found


def test_a_page_that_does_nothing_wrong_has_no_faults(browser, tmp_path):
    page = visit(browser, tmp_path, FINE)
    assert browser.inaccessible(page) == []
    assert page.title() == "Fine"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("<script>console.error('oh')</script>", "oh"),
        ("<script>throw new Error('no')</script>", "no"),
        ("<img src='other.png' alt=''>", "request: file:///"),
        ("<script>fetch('http://127.0.0.1:9/x').catch(() => 0)</script>", "request: http://127"),
    ],
)
def test_what_a_page_does_wrong_is_noted(browser, tmp_path, wrong, said):
    visit(browser, tmp_path, FINE + wrong).wait_for_timeout(100)
    assert any(said in fault for fault in faults(browser))


def test_what_people_cannot_use_is_noted(browser, tmp_path):
    page = visit(browser, tmp_path, FINE + "<button></button>")
    assert [fault.partition(":")[0] for fault in browser.inaccessible(page)] == ["button-name"]
