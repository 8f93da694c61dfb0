"""Who types what a page says gets what the page shows."""

import pytest

from tests.pages import FOLLOWED, ROOT, blocks, commands, follow

PEERS = {"pipefunc", "xyzpy", "hydra"}
FIRST = ROOT / "docs/coming-from/joblib.md"


@pytest.mark.parametrize("page", FOLLOWED, ids=lambda page: page.stem)
def test_a_reader_who_types_along_gets_what_the_page_shows(page, tmp_path):
    if page.stem in PEERS:
        pytest.importorskip(page.stem)
    has_the_same_task = page.parent == FIRST.parent and page != FIRST
    follow(page, tmp_path, known=blocks(FIRST) if has_the_same_task else ())


def test_the_task_is_the_same_in_all_pages_that_compare():
    in_sweeps = [block for block in blocks(FIRST) if "sweeps" in block.text]
    assert len(in_sweeps) == 2
    for page in FIRST.parent.glob("*.md"):
        assert page.name == "README.md" or set(in_sweeps) <= set(blocks(page)), page


def test_python_that_cannot_be_run_is_valid():
    """What needs an account is in blocks of ``py``, which nothing else looks at."""
    texts = [block.text for page in FOLLOWED for block in blocks(page) if block.kind == "py"]
    assert texts
    for text in texts:
        compile(text, "block", "exec")


def test_a_page_that_shows_another_answer_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```console\n$ echo one\ntwo\n```\n")
    with pytest.raises(AssertionError, match="it says:\none"):
        follow(page, tmp_path)


def test_a_page_has_commands():
    shown = [block for block in blocks(ROOT / "docs/tutorial.md") if block.kind == "console"]
    assert sum(len(commands(block.text)) for block in shown) > 5
