"""What the pages say is true: Python runs, commands exist, links lead somewhere.

Examples with ``>>>`` are doctests, which pytest collects by itself; here are all others.
"""

import os
import re
import shlex
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import click
import pytest

from sweeps.cli.main import cli
from tests.pages import FOLLOWED

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "benchmarks/README.md"])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TREE = re.compile(r"^(?::::\{|\.\. )toctree(?:\}|::)\n((?:\S* *:.*\n)*(?:\n| *[\w./*-]+\n)*)", re.M)
"""A list of pages of the site, in Markdown (`:::{toctree}`) or in reStructuredText."""

COMMAND = re.compile(r"^[ >$]*(?:\S*python -m )?sweeps ((?:[a-z]+ .*)|[a-z]+)$")

BEFORE = """
import functools, sweeps
sweeps.run = functools.partial(sweeps.run, engine="serial")
"""
"""Has the examples start no workers."""

RESULTS = """
sweeps.run("pendulum", axes={"length": [1.0], "amplitude": [0.5, 4.0]})
sweeps.run("ising", axes={"temperature": [2.0], "size": 4, "n_sweeps": 5})
"""
"""Makes the results that examples read, a failed point among them."""


def python(page):
    blocks = [text for kind, text in BLOCK.findall(page.read_text()) if kind == "python"]
    return "\n".join(block for block in blocks if ">>>" not in block)


def commands(page):
    """Commands that a page shows, without what stands for something else."""
    text = page.read_text()
    lines = [line for _, block in BLOCK.findall(text) for line in block.splitlines()]
    lines += [line for line in text.splitlines() if line.startswith("    ")]
    lines += re.findall(r"`(python -m sweeps [^`]*)`", text.replace("\n", " "))
    found = [COMMAND.match(line.strip()) for line in lines if "python -m sweeps" in line]
    return [m[1] for m in found if m and not re.search(r"[…\[]|COMMAND", m[1])]


def filled(part):
    """Pages that have such a part."""
    return [pytest.param(page, id=page.name) for page in PAGES if part(page)]


def anchors(page):
    """The anchors that GitHub gives a page's headings."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


ALL = """
import os, pathlib, runpy
for page in sorted(pathlib.Path.cwd().iterdir()):
    os.chdir(page)
    runpy.run_path(f"{page.name}.py", run_name="__main__")
"""


def test_python_runs(tmp_path):
    pages = [page for page in PAGES if python(page) and page not in FOLLOWED]
    for page in pages:
        name = "_".join(page.relative_to(ROOT).with_suffix("").parts)
        folder, text = tmp_path / name, python(page)
        folder.mkdir()
        (folder / "levels.csv").touch()
        before = BEFORE + RESULTS if "results/" in text else BEFORE
        (folder / f"{name}.py").write_text(before + text)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ALL],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SWEEPS_EXPERIMENTS": str(ROOT / "experiments"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert pages
    assert not done.returncode, done.stderr


@pytest.mark.parametrize("page", filled(commands))
def test_commands_exist_with_their_arguments(page):
    for line in commands(page):
        name, *arguments = shlex.split(re.sub(r"&&.*| > .*|\|.*", "", line), comments=True)
        command = cli.get_command(click.Context(cli), name)
        assert command is not None, line
        command.make_context(name, arguments)  # which raises for options that there are not


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (page.parent / path) if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_has_a_place_in_the_site():
    placed = set()
    for index in [*(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.rst")]:
        for tree in TREE.findall(index.read_text()):
            for entry in tree.split():
                placed |= set(ROOT.glob(os.path.relpath(index.parent / f"{entry}.*", ROOT)))
    left = set(PAGES) - placed - {ROOT / "docs/index.md"}
    assert not left, "name them in a toctree, such as that of docs/reference/index.rst"


def test_readme_names_every_page():
    text = (ROOT / "README.md").read_text()
    of_the_site = {"index.md", "learn.md", "background.md", "project.md"}
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - of_the_site
    assert pages == set(re.findall(r"\]\(docs/([\w-]+\.md)\)", text)) & pages


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_pages_name_are_there(page):
    for name in re.findall(r"(?<![\w/.])(?:tests|sweeps|benchmarks)/[\w/]+\.py", page.read_text()):
        assert (ROOT / name).exists(), name


def test_rooms_and_modules_that_the_architecture_names_are_there():
    text, contract = (ROOT / "ARCHITECTURE.md").read_text(), ConfigParser()
    contract.read(ROOT / "setup.cfg")
    floors = contract["importlinter:contract:floors"]["layers"].split("\n")[:0:-1]
    rooms = {(str(n), room) for n, floor in enumerate(floors) for room in floor.split(" | ")}
    listed = set(re.findall(r"^\| (\d) \| `(\w+)`", text, re.MULTILINE))
    assert listed == {each for each in rooms if (ROOT / "sweeps" / each[1]).is_dir()}
    named = re.findall(r"`(\w+)` \(([\w, ]+)\)", text)
    homes = {f"{room}/{module}" for room, modules in named for module in modules.split(", ")}
    assert homes
    assert not {home for home in homes if not (ROOT / "sweeps" / f"{home}.py").exists()}


def test_tests_that_pages_name_as_evidence_are_there():
    named = {name for page in PAGES for name in re.findall(r"`(test_\w+)`", page.read_text())}
    text = "".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))
    assert named
    assert not named - set(re.findall(r"^def (test_\w+)", text, re.MULTILINE))


def test_every_command_has_a_row():
    text = (ROOT / "docs/commands.md").read_text()
    assert set(re.findall(r"^\| `([a-z]+)[ `]", text, re.MULTILINE)) == set(
        cli.list_commands(click.Context(cli))
    )
