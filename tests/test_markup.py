"""Whatever texts are shown, the HTML of notebooks holds them as texts and nothing else."""

from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sweeps import markup

HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;<!--"


class Page(HTMLParser):
    """What a browser makes of HTML: its elements with their attributes, and its text."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.texts, self.open = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def handle_comment(self, data):
        raise AssertionError(data)

    @property
    def text(self):
        return "".join(self.texts)


def tags(text):
    return [tag for tag, _ in Page(text).elements]


@given(st.text())
@example(HOSTILE)
def test_any_text_stays_a_text(text):
    page = Page(markup.element("b", text, title=text))
    assert tags(markup.element("b", text)) == ["b"]
    if text.isprintable():
        assert page.text == text
        assert page.elements == [("b", {"title": text})]
    else:
        assert page.text.replace("\n", "").replace("\t", "").isprintable()


@given(st.text(), st.lists(st.text(), max_size=3))
@example(HOSTILE, [HOSTILE, HOSTILE])
def test_a_table_and_a_card_have_the_same_elements_whatever_they_hold(title, cells):
    plain = markup.card("", markup.table([""] * len(cells), [[""] * len(cells)]))
    assert tags(markup.card(title, markup.table(cells, [cells]))) == tags(plain)


states = st.sampled_from(["done", "failed", "stale", "missing", "reused"])


@given(st.dictionaries(states, st.integers(0, 10**12)))
def test_a_bar_says_each_number_in_words_too(counts):
    page = Page(markup.bar(counts))
    for name, n in counts.items():
        assert (f"{n:,} {name}" in page.text) == (n > 0)
    labels = [a["aria-label"] for _, a in page.elements if a.get("role") == "img"]
    assert [label.count(",") >= 0 for label in labels] == [True] * bool(sum(counts.values()))
    assert all(f"{n:,} {name}" in labels[0] for name, n in counts.items() if n)


counts = st.integers(0, 10**12)


@given(st.text(), counts, counts)
@example(HOSTILE, 0, 0)
def test_progress_is_within_its_bounds_and_said_in_words(text, n_over, n_todo):
    page = Page(markup.progress(text, n_over, n_todo))
    assert [tag for tag, _ in page.elements] == ["div", "progress"]
    own = page.elements[1][1]
    assert 0 <= int(own["value"]) <= int(own["max"]) != 0
    if text.isprintable():
        assert page.text == own["aria-label"] == text


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"done": 999_999, "failed": 1}, ["999,999 done (>99 %)", "1 failed (<1 %)"]),
        ({"done": 3, "missing": 0}, ["3 done"]),
        ({"done": 0}, ["no points"]),
    ],
)
def test_shares_are_rounded_to_nothing_and_all_never(counts, said):
    shown = [text.strip() for text in Page(markup.bar(counts)).texts]
    assert shown == said


def test_a_bar_is_accessible_and_asks_for_nothing(browser, tmp_path):
    body = markup.card("Plan", markup.bar({"done": 3, "failed": 2, "stale": 1, "missing": 1}))
    body = markup.element("main", markup.element("h1", "Plan"), body)
    page = tmp_path / "page.html"
    page.write_text(f'<!doctype html><html lang="en"><title>Plan</title>{body}</html>')
    for scheme in ("light", "dark"):
        assert browser.inaccessible(browser.open(page.as_uri(), color_scheme=scheme)) == []
