"""A module's source -> which of its top-level statements make each of its global names."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from sweeps.source.scopes import Function, ImportNode, bound_name, imported_names

# A call of one of these as a statement of its own changes none of its arguments.
_HARMLESS_CALLS = frozenset({"print", "repr", "len", "isinstance", "help", "breakpoint"})


@dataclass(frozen=True)
class Namespace:
    """What a module binds at its top level.

    Attributes
    ----------
    statements
        Name -> the top-level statements that bind or change it, in order; without plain imports.
    imports
        Name -> the import statements that bind it, at the top level or under ``if``, ``try``...
    stars
        The ``from x import *``.
    patches
        Names of imported things that the module changes: ``mpmath.mp.dps = 50``.
    experiments
        Names of the functions that `sweeps` decorates. Registering a summary with one does not
        change it.
    body
        All top-level statements but plain imports and the ``if __name__ == "__main__"`` block.
    """

    statements: dict[str, list[ast.stmt]]
    imports: dict[str, list[ImportNode]]
    stars: list[ast.ImportFrom]
    patches: frozenset[str]
    experiments: frozenset[str]
    body: list[ast.stmt]


NOTHING = Namespace({}, {}, [], frozenset(), frozenset(), [])


def namespace(tree: ast.Module) -> Namespace:
    r"""Find what makes each global name of a module.

    A name is made by what binds it and by what may change it: ``TABLE["x"] = 1``,
    ``TABLE.update(...)``, ``fill(TABLE)`` and ``fill()`` where `fill` changes ``TABLE``.

    Examples
    --------
    >>> made = namespace(ast.parse("T = {}\nfor k in 'ab': T[k] = 1\nprint(T)"))
    >>> {name: [node.lineno for node in nodes] for name, nodes in made.statements.items()}
    {'T': [1, 2], 'k': [2]}
    """
    functions = {node.name: node for node in tree.body if isinstance(node, Function)}
    experiments = _experiments(tree)
    ran = [node for node in tree.body if not _is_main_block(node)]
    effects = [(node, _effect([node], experiments)) for node in ran]
    imports: dict[str, list[ImportNode]] = defaultdict(list)
    stars: list[ast.ImportFrom] = []
    for node in (node for _, effect in effects for node in effect.imports):
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            stars.append(node)
        for name in dict.fromkeys(imported_names(node)):
            imports[name].append(node)

    statements: dict[str, list[ast.stmt]] = defaultdict(list)
    patches: set[str] = set()
    body = [pair for pair in effects if not isinstance(pair[0], ast.Import | ast.ImportFrom)]
    for statement, effect in body:
        changed = effect.changed | (effect.decorators - imports.keys())
        changed |= effect.passed - functions.keys()  # seldom is a function changed by being passed
        changed |= _changed_by_calls(effect.called, functions)
        patches |= changed & imports.keys()
        for name in effect.bound | changed:
            statements[name].append(statement)
    return Namespace(
        dict(statements),
        dict(imports),
        stars,
        frozenset(patches),
        experiments,
        [node for node, _ in body],
    )


def _experiments(tree: ast.Module) -> frozenset[str]:
    """Find the functions whose outermost decorator is of `sweeps`."""
    of_sweeps = {
        bound_name(node, alias)
        for node in tree.body
        if isinstance(node, ImportNode)
        for alias in node.names
        if _is_of_sweeps(node, alias)
    }
    return frozenset(
        node.name
        for node in tree.body
        if isinstance(node, Function)
        and node.decorator_list
        and _root(node.decorator_list[0]) in of_sweeps
    )


def _is_of_sweeps(node: ImportNode, alias: ast.alias) -> bool:
    module = (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
    return module.partition(".")[0] == "sweeps" and not getattr(node, "level", 0)


def is_summary_of(node: ast.expr, experiments: Collection[str]) -> bool:
    """Say whether an expression is the ``pendulum.summary`` of an experiment."""
    match node:
        case ast.Attribute(value=ast.Name(id=name), attr="summary"):
            return name in experiments
    return False


@dataclass
class _Effect:
    """What running some statements does to the names around them."""

    bound: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    passed: set[str] = field(default_factory=set)  # to a call that may change them
    decorators: set[str] = field(default_factory=set)  # the `dispatch` of ``@dispatch.register``
    called: set[str] = field(default_factory=set)
    globals: set[str] = field(default_factory=set)
    imports: list[ImportNode] = field(default_factory=list)


def _effect(
    nodes: Iterable[ast.AST],
    experiments: Collection[str] = (),
    *,
    inside_functions: bool = False,
) -> _Effect:
    effect = _Effect()
    stack = list(reversed(list(nodes)))
    while stack:
        node = stack.pop()
        inner: Iterable[ast.AST] = ast.iter_child_nodes(node)
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                effect.bound.add(node.name)
                for decorator in node.decorator_list:
                    if is_summary_of(decorator, experiments):
                        continue
                    called = decorator.func if isinstance(decorator, ast.Call) else decorator
                    names = effect.called if isinstance(called, ast.Name) else effect.decorators
                    names.add(_root(called))
                inner = node.body if inside_functions else ()
            case ast.Lambda():
                inner = ()
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                # Its variables stay inside; the calls and a walrus in it act outside.
                inner = (n for n in ast.walk(node) if isinstance(n, ast.NamedExpr | ast.Call))
            case ast.Import() | ast.ImportFrom():
                effect.imports.append(node)
                effect.bound.update(imported_names(node))
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                effect.bound.add(name)
            case (
                ast.Attribute(ctx=ast.Store() | ast.Del())
                | ast.Subscript(ctx=ast.Store() | ast.Del())
            ):
                effect.changed.add(_root(node))
            case (
                ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
                | ast.MatchMapping(rest=str(name))
            ):
                effect.bound.add(name)
            case ast.Expr(value=ast.Call() as call) if not is_summary_of(call.func, experiments):
                effect.passed |= _passed(call)
                if not isinstance(call.func, ast.Name):
                    effect.changed.add(_root(call.func))
            case ast.Call(func=ast.Name(id=name)):
                effect.called.add(name)
            case ast.Global():
                effect.globals |= set(node.names)
        stack += reversed(list(inner))
    for names in (effect.changed, effect.passed, effect.decorators):
        names.discard("")
    return effect


def _passed(call: ast.Call) -> set[str]:
    """Return the names handed to a call that stands as a statement, which it may change."""
    if isinstance(call.func, ast.Name) and call.func.id in _HARMLESS_CALLS:
        return set()
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    return {_root(value) for value in values if not isinstance(value, ast.Call)}


def _changed_by_calls(called: set[str], functions: dict[str, Function]) -> set[str]:
    """Return the globals that these functions of the module change, with those that they call."""
    changed: set[str] = set()
    pending, seen = called & functions.keys(), set[str]()
    while pending:
        seen |= pending
        name = pending.pop()
        function = functions[name]
        effect = _effect(function.body, inside_functions=True)
        own = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
        own |= effect.bound - effect.globals
        changed |= ((effect.changed | effect.passed) - own) | (effect.bound & effect.globals)
        pending |= (effect.called & functions.keys()) - seen
    return changed


def _root(node: ast.AST) -> str:
    """Return the name that ``TABLE.setdefault(1, [])[0].x`` starts with; "" if none."""
    while True:
        match node:
            case ast.Attribute(value=inner) | ast.Subscript(value=inner) | ast.Starred(value=inner):
                node = inner
            case ast.Call(func=inner):
                node = inner
            case ast.Name(id=name):
                return name
            case _:
                return ""


def _is_main_block(node: ast.stmt) -> bool:
    match node:
        case ast.If(
            test=ast.Compare(
                left=ast.Name(id="__name__"),
                ops=[ast.Eq()],
                comparators=[ast.Constant(value="__main__")],
            ),
            orelse=[],
        ):
            return True
    return False
