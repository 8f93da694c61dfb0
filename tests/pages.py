"""Pages that a reader types along are run as they stand, from top to bottom, in an empty folder."""

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
FOLLOWED = [
    ROOT / "docs/tutorial.md",
    ROOT / "docs/how-to/files-and-folders.md",
    ROOT / "docs/how-to/sweep-a-program.md",
    ROOT / "docs/how-to/read-results-elsewhere.md",
    *sorted((ROOT / "docs/coming-from").glob("[a-z]*.md")),
]
LANGUAGES = {"octave": ["octave-cli", "-q", "--eval"], "r": ["Rscript", "-e"]}
FENCED = re.compile(r"^( *)```([\w-]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
FILES = {"python", "yaml", "c", "cpp", "fortran", "bash", "toml", "jinja"}
FILE = re.compile(r"(?:#|//|!) ([\w./-]+\.\w+)(, its last line)?\n")
PROGRESS = re.compile(r"^\S+: [\d,]+/[\d,]+ points.*\n", re.MULTILINE)
"""What a run says that takes long; on a fast machine, it says nothing."""

_LIKE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Block(NamedTuple):
    """A fenced block; `kind` is the word behind the fence."""

    kind: str
    text: str


def blocks(page):
    return [Block(kind, text) for _, kind, text in FENCED.findall(page.read_text())]


def follow(page, folder, known=()):
    """Do what a page says: write its files, run its Python and its commands, compare answers.

    A block that begins with a comment that names a file, as `# NAME.py`, is that file; other Python
    runs, after what blocks before it have defined. Blocks that are known from another page are left
    out.
    """
    defined, found = "", [block for block in blocks(page) if block not in known]
    for (kind, text), below in zip(found, [*found[1:], Block("", "")], strict=True):
        if kind in LANGUAGES:
            assert below.kind == "text", f"{page.name} does not say what this answers:\n{text}"
            _compare(text, below.text, _said_by(LANGUAGES[kind], text, folder))
        elif kind == "console":
            for command, expected in commands(text):
                _compare(command, expected, _run(["bash", "-c", command], folder))
        elif kind in FILES and ">>>" not in text:
            if file := FILE.match(text):
                _write(folder / file[1], text, is_last_line=bool(file[2]))
            elif kind == "python":
                defined += text
                done = _run([sys.executable, "-W", "ignore", "-c", defined], folder)
                assert not done.returncode, f"{page.name}:\n{text}\n{done.stdout}"


def commands(text):
    """The commands of a block, each with the lines below it."""
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    return [(part.partition("\n")[0], part.partition("\n")[2]) for part in parts]


def _write(file, text, *, is_last_line):
    if is_last_line:
        kept = file.read_text().splitlines(keepends=True)[:-1]
        text = "".join(kept) + text.partition("\n")[2]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def _said_by(program, text, folder):
    """The answer of a program of another language; skipped where it is not installed."""
    if shutil.which(program[0]) is None:
        pytest.skip(f"{program[0]} is not installed")
    done = _run([*program, text], folder, stderr=subprocess.PIPE)
    if re.search(r"no package called|package .* not found", done.stderr):
        pytest.skip(done.stderr.splitlines()[0])
    return done


def _run(words, folder, stderr=subprocess.STDOUT):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}
    return subprocess.run(
        words,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        timeout=120,
        check=False,
    )


def _compare(command, expected, done):
    """An answer is as the page shows it; a command that is said to fail fails."""
    may_fail = re.search(r"[1-9]\d* failed|error", expected)
    assert may_fail or not done.returncode, f"$ {command}\n{done.stdout}"
    answer = PROGRESS.sub("", done.stdout)
    if expected.strip():
        is_same = doctest.OutputChecker().check_output(expected, answer, _LIKE)
        assert is_same, f"$ {command}\nthe page says:\n{expected}\nit says:\n{answer}"
