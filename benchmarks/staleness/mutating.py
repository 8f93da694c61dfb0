"""A source text -> all texts that differ from it by one small change of its meaning."""

from __future__ import annotations

import ast
import copy
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from benchmarks.staleness.splicing import Text


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One change of one file of the project.

    Attributes
    ----------
    file
        Relative to the project.
    text
        The whole of the file.
    change
        What was written instead of what.
    """

    kind: str
    file: str
    line: int
    change: str
    text: str = dataclasses.field(repr=False)


_OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Add, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
    ast.And: ast.Or, ast.Or: ast.And, ast.USub: ast.UAdd,
}  # fmt: skip
_COMPARISONS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.GtE, ast.LtE: ast.Lt, ast.Gt: ast.LtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip


_OF_FILES = {
    **dict.fromkeys((".csv", ".json", ".toml", ".txt"), "data file"),
    ".sh": "program",
}


def mutants_of(root: Path) -> list[Mutant]:
    """Make all mutants of a project: of its Python files, and of its data."""
    found: list[Mutant] = []
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.suffix == ".py":
            found += mutants(path.read_text(), name)
        elif path.suffix in _OF_FILES:
            found += _digits(path.read_text(), name, _OF_FILES[path.suffix])
    return found


def _digits(text: str, file: str, kind: str) -> Iterator[Mutant]:
    """Change each digit that is not the name of a shell's argument."""
    for at, digit in enumerate(text):
        if digit.isdigit() and text[at - 1 : at] != "$":
            other = str((int(digit) + 1) % 10)
            line = text.count("\n", 0, at) + 1
            changed = text[:at] + other + text[at + 1 :]
            yield Mutant(kind, file, line, f"{digit} -> {other}", changed)


def mutants(text: str, file: str) -> Iterator[Mutant]:
    """Make all mutants of a text.

    Examples
    --------
    >>> [mutant.text for mutant in mutants("x = 1 + f(2)", "a.py")][:3]
    ['pass', 'x = (1 - f(2))', 'x = 2 + f(2)']
    """
    source, tree = Text(text), ast.parse(text)
    for node, owner in _nodes(tree):
        for kind, old, new in (*_statement(node, owner), *_expression(node, owner)):
            written = source.replaced(old, new)
            change = f"{source.of(old)[:60]!r} -> {new[:60]!r}"
            yield Mutant(kind, file, node.lineno, change, written)


Change = tuple[str, ast.AST, str]


def _nodes(tree: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Walk a tree, from outside in, with the parents; a formatted string is one node."""
    stack: list[tuple[ast.AST, ast.AST]] = [(child, tree) for child in ast.iter_child_nodes(tree)]
    stack.reverse()
    while stack:
        node, owner = stack.pop()
        if hasattr(node, "lineno"):
            yield node, owner
        if not isinstance(node, ast.JoinedStr):
            children = [(child, node) for child in ast.iter_child_nodes(node)]
            stack += reversed(children)


def _statement(node: ast.AST, owner: ast.AST) -> Iterator[Change]:
    if not isinstance(node, ast.stmt) or _is_docstring(node):
        return
    is_definition = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    if not isinstance(node, ast.Pass) and not (is_definition and node.decorator_list):
        kind = "import deleted" if isinstance(node, ast.Import | ast.ImportFrom) else None
        kind = kind or ("definition deleted" if is_definition else "statement deleted")
        yield kind, node, "pass"
    if isinstance(node, ast.AugAssign):
        changed = copy.deepcopy(node)
        changed.op = _OPERATORS[type(node.op)]()  # type: ignore[assignment]
        yield "operator", node, ast.unparse(changed)
    if isinstance(node, ast.If | ast.While):
        yield "condition", node.test, f"(not {ast.unparse(node.test)})"
    if is_definition:
        for decorator in node.decorator_list:
            if "experiment" not in ast.unparse(decorator):
                yield "decorator", decorator, "(lambda same: same)"
    if isinstance(node, ast.ClassDef):
        for base in node.bases:
            yield "base class", base, "object"
    if isinstance(node, ast.FunctionDef) and _is_swappable(node.args):
        first, second = node.args.args[-2:]
        yield "signature", first, second.arg + "__"
        yield "signature", second, first.arg + "__"


def _is_swappable(arguments: ast.arguments) -> bool:
    return len(arguments.args) > 1 and arguments.args[0].arg not in ("self", "cls", "mcs")


def _expression(node: ast.AST, owner: ast.AST) -> Iterator[Change]:
    match node:
        case ast.BinOp() | ast.BoolOp() | ast.UnaryOp() if type(node.op) in _OPERATORS:
            changed = copy.deepcopy(node)
            changed.op = _OPERATORS[type(node.op)]()  # type: ignore[assignment]
            yield "operator", node, f"({ast.unparse(changed)})"
        case ast.UnaryOp(op=ast.Not()):
            yield "operator", node, f"bool({ast.unparse(node.operand)})"
        case ast.Compare(ops=[only]) if type(only) in _COMPARISONS:
            changed = copy.deepcopy(node)
            changed.ops = [_COMPARISONS[type(only)]()]  # type: ignore[list-item]
            yield "comparison", node, f"({ast.unparse(changed)})"
        case ast.IfExp():
            yield "condition", node, f"({ast.unparse(node.orelse)})"
        case ast.Call():
            yield from _call(node)
        case ast.Constant() if not isinstance(owner, ast.Expr):
            kind = "default" if isinstance(owner, ast.arguments) else "constant"
            yield from ((kind, node, new) for new in _other_values(node.value))
        case ast.JoinedStr():
            yield from (("f-string", node, new) for new in _other_formats(node))
        case ast.Dict(keys=keys) if keys:
            for i in range(len(keys)):
                changed = copy.deepcopy(node)
                del changed.keys[i], changed.values[i]
                yield "table entry", node, ast.unparse(changed)
        case ast.List(elts=items) | ast.Set(elts=items) | ast.Tuple(elts=items):
            if len(items) > 1 and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
                for i in range(len(items)):
                    changed = copy.deepcopy(node)
                    del changed.elts[i]
                    yield "table entry", node, f"({ast.unparse(changed)})"


def _call(node: ast.Call) -> Iterator[Change]:
    if len(node.args) == 1 and not node.keywords and not isinstance(node.args[0], ast.Starred):
        yield "call", node, f"({ast.unparse(node.args[0])})"
    if len(node.args) > 1:
        changed = copy.deepcopy(node)
        changed.args[0], changed.args[1] = changed.args[1], changed.args[0]
        yield "call", node, ast.unparse(changed)
    for i in range(len(node.keywords)):
        changed = copy.deepcopy(node)
        del changed.keywords[i]
        yield "call", node, ast.unparse(changed)


def _other_values(value: object) -> list[str]:
    match value:
        case bool():
            return [repr(not value)]
        case int():
            return [repr(value + 1), repr(value + 0.5)]
        case float():
            return [repr(value + 0.25)]
        case str():
            return [repr(value + "x")]
        case None:
            return ["0"]
    return []


def _other_formats(node: ast.JoinedStr) -> Iterator[str]:
    """Change one constant in a formatted string, which has no place of its own before 3.12."""
    n_constants = sum(isinstance(n, ast.Constant) for n in ast.walk(node))
    for i in range(n_constants):
        changed = copy.deepcopy(node)
        constant = [n for n in ast.walk(changed) if isinstance(n, ast.Constant)][i]
        if isinstance(constant.value, str):
            constant.value = constant.value.replace("2", "3").replace(">4", "<5") or "x"
            if constant.value == ast.literal_eval(repr(constant.value)):
                yield ast.unparse(changed)
        elif isinstance(constant.value, int):
            constant.value += 1
            yield ast.unparse(changed)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
