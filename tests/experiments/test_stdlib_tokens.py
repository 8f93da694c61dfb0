import sysconfig
import tokenize
from pathlib import Path

import pytest

from experiments.stdlib_tokens import N_BATCHES, count, source_files, stdlib_tokens

STDLIB = Path(sysconfig.get_path("stdlib"))


def total(counts):
    counts = list(counts)
    return {what: sum(batch[what] for batch in counts) for what in counts[0]}


@pytest.mark.parametrize("n_batches", [1, 2, 3, 7, 100])
def test_the_batches_add_up_to_one_sequential_pass(n_batches):
    batches = (
        stdlib_tokens(batch=i, n_batches=n_batches, package="json") for i in range(n_batches)
    )
    assert total(batches) == count(source_files(STDLIB / "json"))


def test_the_declared_batches_deal_out_every_file_once():
    files = source_files(STDLIB)
    dealt = [file for batch in range(N_BATCHES) for file in files[batch::N_BATCHES]]
    assert sorted(dealt) == files
    assert len(set(files)) == len(files)


def test_lines_and_tokens_are_those_of_the_byte_tokenizer():
    file = STDLIB / "json" / "decoder.py"
    with file.open("rb") as stream:
        n_tokens = len(list(tokenize.tokenize(stream.readline))) - 1  # less the ENCODING token
    n_lines = len(file.read_bytes().splitlines())
    assert {"files": 1, "lines": n_lines, "tokens": n_tokens}.items() <= count([file]).items()


def test_a_file_counted_by_hand(tmp_path):
    # Tokens: 'async def f ( ) :' and NEWLINE, INDENT, 'pass' NEWLINE, DEDENT, ENDMARKER.
    source = "async def f():\n    pass\n"
    (tmp_path / "one.py").write_text(source, encoding="utf-8")
    expected = {"files": 1, "lines": 2, "tokens": 12, "functions": 1, "unreadable": 0}
    assert count(source_files(tmp_path)) == expected


def test_methods_and_nested_functions_count(tmp_path):
    source = "class A:\n    def f(self):\n        def g(): pass\n        async def h(): pass\n"
    (tmp_path / "one.py").write_text(source, encoding="utf-8")
    assert count(source_files(tmp_path))["functions"] == 3


def test_a_declared_encoding_is_honoured(tmp_path):
    # PEP 263; the byte E9 alone is no UTF-8.
    (tmp_path / "one.py").write_bytes(b"# -*- coding: latin-1 -*-\ncaf\xe9 = 1\n")
    counts = count(source_files(tmp_path))
    assert (counts["files"], counts["lines"], counts["unreadable"]) == (1, 2, 0)


@pytest.mark.parametrize(
    "content",
    [
        b"caf\xe9 = 1\n",
        b"x = 1\ny = 2\ncaf\xe9 = 3\n",
        b"# coding: no-such-encoding\n",
        b"x = (\n",
        b"x = '''\n",
        b"print 'Python 2'\n",
        b"if x:\n        y\n    z\n",
        b"x = 1\0\n",
    ],
    ids=["bytes", "late-bytes", "encoding", "bracket", "string", "python2", "indentation", "nul"],
)
def test_what_is_no_python_is_unreadable_and_counts_nothing_else(tmp_path, content):
    (tmp_path / "bad.py").write_bytes(content)
    expected = {"files": 0, "lines": 0, "tokens": 0, "functions": 0, "unreadable": 1}
    assert count(source_files(tmp_path)) == expected


@pytest.mark.parametrize("folder", ["test", "tests", "site-packages", "a/b/tests/c"])
def test_tests_and_installed_packages_are_not_the_library(tmp_path, folder):
    for inside in (tmp_path / "kept.py", tmp_path / folder / "left_out.py"):
        inside.parent.mkdir(parents=True, exist_ok=True)
        inside.touch()
    assert source_files(tmp_path) == [tmp_path / "kept.py"]


def test_a_folder_named_like_tests_outside_of_the_library_changes_nothing(tmp_path):
    folder = tmp_path / "tests" / "library"
    folder.mkdir(parents=True)
    (folder / "kept.py").touch()
    assert source_files(folder) == [folder / "kept.py"]


@pytest.mark.parametrize("batch", [-1, 4])
def test_a_batch_that_is_not_there_is_refused(batch):
    with pytest.raises(ValueError, match="between 0 and 3"):
        stdlib_tokens(batch=batch, n_batches=4, package="json")


def test_a_package_that_is_not_there_is_refused():
    with pytest.raises(FileNotFoundError, match="no_such_package"):
        stdlib_tokens(batch=0, package="no_such_package")


def test_the_summary_is_one_sequential_pass(tmp_path):
    axes = {"batch": range(3), "n_batches": 3, "package": "json"}
    stdlib_tokens.run(axes=axes, results=tmp_path, engine="serial")
    totals = stdlib_tokens.load(group="summary", results=tmp_path)
    expected = count(source_files(STDLIB / "json"))
    assert {name: int(total) for name, total in totals.data_vars.items()} == expected
