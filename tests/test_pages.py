"""Who types what a page says gets what the page shows."""

import pytest

from tests.pages import FOLLOWED, ROOT, blocks, commands, follow


@pytest.mark.parametrize("page", FOLLOWED, ids=lambda page: page.stem)
def test_a_reader_who_types_along_gets_what_the_page_shows(page, tmp_path):
    follow(page, tmp_path)


def test_a_page_that_shows_another_answer_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```console\n$ echo one\ntwo\n```\n")
    with pytest.raises(AssertionError, match="it says:\none"):
        follow(page, tmp_path)


def test_a_page_has_commands():
    shown = [block for block in blocks(ROOT / "docs/tutorial.md") if block.kind == "console"]
    assert sum(len(commands(block.text)) for block in shown) > 5
