"""A source text -> texts that say the same in another way, or say more that nobody asks for."""

from __future__ import annotations

import ast
import dataclasses
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.staleness.splicing import Text


@dataclasses.dataclass(frozen=True)
class Edit:
    """New bytes of one file of the project; None takes it away.

    Attributes
    ----------
    adds_code
        Whether it says more than before, so that it counts where the module counts as a whole.
    """

    kind: str
    file: str
    raw: bytes | None = dataclasses.field(repr=False)
    adds_code: bool = False


Rewrite = Callable[[str], str]


def edits_of(root: Path) -> list[Edit]:
    """Make all cosmetic edits of a project."""
    return [*rewritten(root), *_formatted(root)]


def rewritten(root: Path) -> list[Edit]:
    """Make those cosmetic edits that need no formatter."""
    found: list[Edit] = []
    for path in sorted(root.rglob("*.py")):
        name, text = path.relative_to(root).as_posix(), path.read_text()
        for kind, rewrite in REWRITES.items():
            if name == "notebook.py" and kind in _NOT_FOR_CELLS:
                continue
            new = rewrite(text)
            if new != text:
                found.append(Edit(kind, name, new.encode(), kind in ADDS_CODE))
        if name != "notebook.py":
            found.append(Edit("line ends", name, text.replace("\n", "\r\n").encode()))
            found.append(Edit("byte order mark", name, b"\xef\xbb\xbf" + text.encode()))
    found.append(Edit("unrelated module added", "physics/brand_new.py", b"X = 1\n"))
    found.append(Edit("unrelated module added", "experiments/local/more.py", b"X = 1\n"))
    found.append(Edit("unrelated module added", "json_tools.py", b"X = 1\n"))
    found.append(Edit("unrelated module removed", "physics/types_only.py", None))
    return found


_FORMATS = {
    "ruff: short lines": ["line-length = 40"],
    "ruff: long lines, single quotes": ["line-length = 160", "format.quote-style = 'single'"],
    "ruff: tabs": ["format.indent-style = 'tab'"],
    "ruff: indents of 2, no magic commas": [
        "indent-width = 2", "format.skip-magic-trailing-comma = true", "line-length = 120",
    ],
}  # fmt: skip


def _formatted(root: Path) -> Iterator[Edit]:
    """Format all files by ruff with other settings."""
    for kind, settings in _FORMATS.items():
        options = [word for setting in settings for word in ("--config", setting)]
        with tempfile.TemporaryDirectory() as place:
            formatted = Path(place, "project")
            shutil.copytree(root, formatted)
            options += ["--isolated", "--quiet", "--no-cache", str(formatted)]
            subprocess.run([sys.executable, "-m", "ruff", "format", *options], check=True)
            for path in sorted(formatted.rglob("*.py")):
                name = path.relative_to(formatted).as_posix()
                if path.read_bytes() != (root / name).read_bytes():
                    yield Edit(kind, name, path.read_bytes())


def _each(choose: Callable[[ast.AST, Text], str | None]) -> Rewrite:
    """Make a rewrite of what is chosen, innermost pieces first and none within another."""

    def rewrite(text: str) -> str:
        source = Text(text)
        tree = ast.parse(text)
        inside = {n for f in ast.walk(tree) if isinstance(f, ast.JoinedStr) for n in ast.walk(f)}
        docs = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
        spans = []
        for node in ast.walk(tree):
            if hasattr(node, "lineno") and node not in inside and id(node) not in docs:
                new = choose(node, source)
                if new is not None:
                    spans.append((*source.span(node), new))
        raw, last = source.raw, len(source.raw) + 1
        for start, end, new in sorted(spans, reverse=True):
            if end <= last:
                raw, last = raw[:start] + new.encode() + raw[end:], start
        return raw.decode()

    return rewrite


def _other_number(node: ast.AST, source: Text) -> str | None:
    match node:
        case ast.Constant(value=bool()):
            return None
        case ast.Constant(value=int(value)):
            return f"0x{value:x}" if value < 1000 else f"{value:_}"
        case ast.Constant(value=float(value)):
            return f"{value * 10!r}e-1" if value * 10 / 10 == value else f"{value!r}0"
    return None


def _other_quotes(node: ast.AST, source: Text) -> str | None:
    match node:
        case ast.Constant(value=str(value)) if value.isprintable() and "'" not in value:
            return f"'''{value}'''" if "\\" not in value else None
    return None


def _in_two_pieces(node: ast.AST, source: Text) -> str | None:
    match node:
        case ast.Constant(value=str(value)) if len(value) > 1 and value.isprintable():
            return f"({value[:1]!r} {value[1:]!r})"
    return None


def _in_parentheses(node: ast.AST, source: Text) -> str | None:
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.Compare):
        return f"({source.of(node)})"
    return None


def _continued(node: ast.AST, source: Text) -> str | None:
    match node:
        case ast.Return(value=ast.expr() as value) if node.lineno == node.end_lineno:
            return f"return \\\n        {source.of(value)}"
        case ast.Assign(targets=[target], value=value) if node.lineno == node.end_lineno:
            return f"{source.of(target)} = \\\n {source.of(value)}"
    return None


def _annotated(node: ast.AST, source: Text) -> str | None:
    if isinstance(node, ast.arg) and node.annotation is None and node.arg not in ("self", "cls"):
        return None if _is_of_lambda(node, source) else f"{node.arg}: 'whatever'"
    return None


def _is_of_lambda(node: ast.arg, source: Text) -> bool:
    start = source.span(node)[0]
    line = source.raw[:start].rsplit(b"\n", 1)[-1]
    return b"lambda" in line or source.raw[start:].partition(b"\n")[0].find(b"lambda") == 0


def _commented(text: str) -> str:
    strings = _lines_in_strings(text)
    lines = text.split("\n")
    return "\n".join(
        f"{line}  # a remark" if line.strip() and i not in strings else line
        for i, line in enumerate(lines, 1)
    )


def _spaced(text: str) -> str:
    strings = _lines_in_strings(text)
    return "\n".join(
        line if i in strings else f"{line}\n\n" for i, line in enumerate(text.split("\n"), 1)
    )


def _lines_in_strings(text: str) -> set[int]:
    nodes = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant | ast.JoinedStr)]
    ranges = [range(n.lineno, n.end_lineno or 0) for n in nodes]
    return {line for each in ranges for line in each}


def _in_bodies(what: str) -> Rewrite:
    """Put a line at the start of the body of every function."""

    def rewrite(text: str) -> str:
        lines = text.split("\n")
        for node in sorted(ast.walk(ast.parse(text)), key=lambda n: -getattr(n, "lineno", 0)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.body[0]
                if first.lineno > node.lineno:
                    at = (first.lineno - len(getattr(first, "decorator_list", ()))) - 1
                    lines.insert(at, " " * first.col_offset + what)
        return "\n".join(lines)

    return rewrite


def _without_docstrings(text: str) -> str:
    tree = ast.parse(text)
    source = Text(text)
    spans = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                spans.append(source.span(first))
    raw = source.raw
    for start, end in sorted(spans, reverse=True):
        raw = raw[:start] + b"pass" + raw[end:]
    return raw.decode()


def _without_annotations(text: str) -> str:
    source = Text(text)
    arguments = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.arg) and n.annotation]
    raw = source.raw
    for node in sorted(arguments, key=source.span, reverse=True):
        start, end = source.span(node)
        raw = raw[:start] + node.arg.encode() + raw[end:]
    return raw.decode()


def _reordered(text: str) -> str:
    """Turn runs of functions around that stand one after the other, without decorators."""
    lines = text.split("\n")
    body = ast.parse(text).body
    run: list[ast.stmt] = []
    for node in [*body, ast.Pass()]:
        if isinstance(node, ast.FunctionDef) and not node.decorator_list and _is_plain(node):
            run.append(node)
            continue
        if len(run) > 1:
            start, end = run[0].lineno - 1, run[-1].end_lineno
            pieces = [lines[n.lineno - 1 : n.end_lineno] for n in reversed(run)]
            joined = [line for piece in pieces for line in [*piece, "", ""]][:-2]
            lines[start:end] = joined + [""] * ((end or 0) - start - len(joined))
        run = []
    return "\n".join(lines)


def _is_plain(node: ast.FunctionDef) -> bool:
    return not node.args.defaults and not node.name.startswith("_")


_NOT_FOR_CELLS = frozenset({"written by Python", "reordered functions", "unrelated code first"})
ADDS_CODE = frozenset({
    "reordered functions", "unrelated code first", "unrelated code last", "unrelated imports",
    "unrelated renamed",
})  # fmt: skip

_MORE = '''

UNRELATED_TABLE = {"x": [1, 2]}
UNRELATED_TABLE["y"] = 3


def brand_new(value, more=UNRELATED_TABLE):
    """Nobody asks for it."""
    return value, more


class BrandNew:
    value = brand_new(3)
'''

REWRITES: dict[str, Rewrite] = {
    "comments": _commented,
    "blank lines": _spaced,
    "docstrings changed": lambda text: text.replace('"""', '"""Otherwise. ', 1),
    "docstrings removed": _without_docstrings,
    "docstrings and pass": _in_bodies("pass"),
    "strings as statements": _in_bodies("'A remark.'"),
    "annotations without a value": _in_bodies("unused_name: int"),
    # Under ``@singledispatch`` and ``@f.register`` annotations act, so that they count.
    "annotations added": lambda text: text if "dispatch" in text else _each(_annotated)(text),
    "annotations removed": lambda text: text if "dispatch" in text else _without_annotations(text),
    "numbers": _each(_other_number),
    "quotes": _each(_other_quotes),
    "strings in two pieces": _each(_in_two_pieces),
    "parentheses": _each(_in_parentheses),
    "lines continued": _each(_continued),
    "written by Python": lambda text: ast.unparse(ast.parse(text)),
    "moved down": lambda text: "# A remark.\n" * 30 + text,
    "coding line": lambda text: "# -*- coding: utf-8 -*-\n" + text,
    "white space at line ends": lambda text: text.replace(")\n", ")   \n"),
    "reordered functions": _reordered,
    "unrelated code first": lambda text: _MORE + text,
    "unrelated code last": lambda text: text + _MORE,
    "unrelated imports": lambda text: text + "\nimport json\nfrom os import path as _path\n",
    "unrelated renamed": lambda text: text.replace("unrelated", "quite_other"),
}
