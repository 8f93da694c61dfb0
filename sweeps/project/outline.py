"""What modules of experiments declare, as their text says; nothing is imported."""

from __future__ import annotations

import ast
import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sweeps.errors import SweepsError
from sweeps.project.discovery import ModuleLocation, locate

_DECLARE = "experiment"

_SPACES = ("grid", "zipped", "sobol", "halton", "latin_hypercube", "uniform", "saltelli")

_MOST_BYTES = 2**20

_UNREADABLE = (OSError, ValueError, SyntaxError, RecursionError, MemoryError, SweepsError)


@dataclass(frozen=True)
class Outline:
    """An experiment, as far as the text of its module tells.

    Attributes
    ----------
    name : str
        With its module in front, where two modules define it.
    axes : mapping of str to str
        Arguments that a run may vary, and the text of their values; empty where it is unknown.
    units : mapping of str to str
        Parameters and outputs with units, and the text of these.
    """

    name: str
    about: str
    axes: dict[str, str]
    units: dict[str, str]


def outlines(where: str | os.PathLike[str] | None = None) -> list[Outline]:
    """List the experiments of a place, as `discovery.locate` finds it; what is unreadable not."""
    found: list[tuple[ModuleLocation, Outline]] = []
    with contextlib.suppress(*_UNREADABLE):
        for location in locate(where):
            with contextlib.suppress(*_UNREADABLE):
                found += [(location, each) for each in _of_module(location)]
    n = Counter(each.name for _, each in found)
    return [
        replace(each, name=f"{at.name}.{each.name}") if n[each.name] > 1 else each
        for at, each in found
    ]


def _of_module(location: ModuleLocation) -> Iterator[Outline]:
    source = location.source_file()
    if source is None or not source.is_file() or source.stat().st_size > _MOST_BYTES:
        return
    text = source.read_bytes()
    if _DECLARE.encode() not in text:
        return
    tree = ast.parse(text)
    names = _names_of_ours(tree)
    functions = {each.name: each for each in tree.body if isinstance(each, _FUNCTIONS)}
    for function in functions.values():
        for decorator in function.decorator_list:
            if isinstance(decorator, ast.Call) and _name(decorator.func) in names:
                yield _outline(decorator, function)
    for node in tree.body:  # name = experiment(space)(function)
        match node:
            case ast.Assign(value=ast.Call(func=ast.Call() as made, args=[ast.Name(id=given)])) if (
                _name(made.func) in names and given in functions
            ):
                yield _outline(made, functions[given])


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _names_of_ours(tree: ast.Module) -> set[str]:
    """Names under which a module has the decorator."""
    imports = (each for each in tree.body if isinstance(each, ast.ImportFrom))
    return {_DECLARE} | {
        alias.asname or alias.name
        for each in imports
        if each.module == "sweeps"
        for alias in each.names
        if alias.name == _DECLARE
    }


def _name(function: ast.expr) -> str:
    """Last name of what is called."""
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _outline(made: ast.Call, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Outline:
    options = {each.arg: each.value for each in made.keywords if each.arg}
    match options.get("name"):
        case ast.Constant(value=str(name)):
            pass
        case _:
            name = function.name
    about = (ast.get_docstring(function) or "").partition("\n")[0]
    units = _entries(options.get("units"))
    said = {key: ast.unparse(value).strip("'\"") for key, value in units.items()}
    return Outline(name, about, _axes(made, options, function), said)


def _entries(mapping: ast.expr | None) -> dict[str, ast.expr]:
    """Entries of a dict that is written out, and whose keys are texts."""
    if not isinstance(mapping, ast.Dict):
        return {}
    pairs = zip(mapping.keys, mapping.values, strict=True)
    return {
        key.value: value
        for key, value in pairs
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }


def _axes(
    made: ast.Call,
    options: dict[str, ast.expr],
    function: ast.FunctionDef | ast.AsyncFunctionDef,
) -> dict[str, str]:
    """Find the axes of a space, and the arguments of the function, without what is no axis."""
    axes: dict[str, str] = {}
    derived: set[str] = set()
    for node in (each for space in made.args for each in ast.walk(space)):
        if isinstance(node, ast.Call):
            called = _name(node.func)
            given = {each.arg: ast.unparse(each.value) for each in node.keywords if each.arg}
            if called == "derive":
                derived |= given.keys()
            elif called == "replicates":
                axes["replicate"] = ""
            elif called in _SPACES:
                axes |= {k: v for k, v in given.items() if k not in ("seed", "dim")}
    arguments, defaults = function.args, list(function.args.defaults)
    texts = [""] * (len(arguments.args) - len(defaults)) + [ast.unparse(each) for each in defaults]
    own = {each.arg: text for each, text in zip(arguments.args, texts, strict=False)}
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    own |= {each.arg: ast.unparse(value) if value else "" for each, value in pairs}
    services = [name for name in ("checkpoint", "report") if not own.get(name)]
    no_axes = {*derived, *_entries(options.get("resources")), "rng", *services}
    return axes | {k: v for k, v in own.items() if k not in axes and k not in no_axes}
