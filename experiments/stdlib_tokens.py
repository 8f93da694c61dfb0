"""How much source code there is in the standard library of Python.

Batch processing of real files: the library's own sources, dealt out like cards into batches. Each
point reads and counts one batch; the counts of all batches add up to those of one sequential pass.
Sources: the folder `sysconfig.get_path("stdlib")`, without tests and installed packages. What a
line, a token and a function are is said by the *Python Language Reference*, chapters 2 and 8.

Expect about 730 files, 330 thousand lines and 1.7 million tokens for Python 3.11.
"""

import ast
import io
import os
import platform
import sysconfig
import tokenize
from pathlib import Path

from sweeps import experiment, grid

NOT_LIBRARY = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}
PYTHON_VERSION = platform.python_version()
N_BATCHES = 32


@experiment(
    grid(batch=range(N_BATCHES)),
    units=dict.fromkeys(["files", "lines", "tokens", "functions", "unreadable"], "1"),
    version=1,  # which files are read follows from `python_version`, so none needs to be watched
)
def stdlib_tokens(batch, n_batches=N_BATCHES, package="", python_version=PYTHON_VERSION):
    """Count one batch of the library, or of one `package` of it, such as "asyncio".

    Nothing here reads `python_version`: as a parameter it tells the counts of one Python from
    those of the next, whose library is another.
    """
    if not 0 <= batch < n_batches:
        raise ValueError(f"batch must lie between 0 and {n_batches - 1}, got {batch}")
    folder = Path(sysconfig.get_path("stdlib")) / package
    return count(source_files(folder)[batch::n_batches])


@stdlib_tokens.summary
def totals(results):
    """Count the whole library: the sums over all batches."""
    counts = results[["files", "lines", "tokens", "functions", "unreadable"]]
    return counts.sum("batch" if "batch" in counts.dims else None, keep_attrs=True)


def source_files(folder):
    """All Python files under `folder` that belong to the library, sorted."""
    found = []
    for parent, subfolders, names in os.walk(folder):
        subfolders[:] = set(subfolders) - NOT_LIBRARY  # os.walk enters only those that are left
        found += [Path(parent, name) for name in names if name.endswith(".py")]
    if not found:
        raise FileNotFoundError(f"no Python source files in {folder}")
    return sorted(found)


def count(files):
    """Count files, lines, tokens and functions; files that are no Python count as unreadable."""
    total = {"files": 0, "lines": 0, "tokens": 0, "functions": 0, "unreadable": 0}
    for file in files:
        try:
            counts = {"files": 1, **count_source(read(file))}
        except (SyntaxError, ValueError, tokenize.TokenError):  # ValueError: bad bytes, NUL
            counts = {"unreadable": 1}
        for what, n in counts.items():
            total[what] += n
    return total


def read(file):
    """Text of a source file, in the encoding that it declares (PEP 263)."""
    with tokenize.open(file) as stream:
        return stream.read()


def count_source(text):
    """Count lines, tokens and functions (`def` and `async def`) of one source text."""
    tree = ast.parse(text)
    return {
        "lines": sum(1 for _ in io.StringIO(text)),
        "tokens": sum(1 for _ in tokenize.generate_tokens(io.StringIO(text).readline)),
        "functions": sum(
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in ast.walk(tree)
        ),
    }
