"""Which names a piece of source binds: in a function, class or comprehension; in a module."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.util import resolve_name
from typing import Any, TypeVar

ImportNode = ast.Import | ast.ImportFrom

Function = ast.FunctionDef | ast.AsyncFunctionDef

Definer = Function | ast.Lambda | ast.ClassDef

OWN_NAME = "<own>"
"""Stands for the name of the experiment's function: a function may be renamed."""

Chain = tuple[str, ...]

Reference = tuple[ImportNode | None, Chain]
"""``(None, ("helpers", "decay"))`` is ``helpers.decay`` through the module's globals;
with an import statement in front, through that import inside a function."""


def chain_of(node: ast.AST) -> tuple[str, ...]:
    """Return the names of ``a.b.c`` or of what ``a.b.c(...)`` calls; () if it starts otherwise."""
    if isinstance(node, ast.Call):
        return chain_of(node.func)
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else ()


def imported_names(node: ImportNode) -> Iterable[str]:
    """Return the names that an import statement binds, without those of a star."""
    return (bound_name(node, alias) for alias in node.names if alias.name != "*")


def bound_name(node: ImportNode, alias: ast.alias) -> str:
    """Return ``a`` for ``import a.b``, ``c`` for ``import a.b as c`` and ``from a import c``."""
    if alias.asname or isinstance(node, ast.ImportFrom):
        return alias.asname or alias.name
    return alias.name.partition(".")[0]


# What is known not to read annotations. Under any other decorator or base (pydantic,
# singledispatch, typeguard) an annotation may act, and counts.
DECORATORS_BLIND_TO_ANNOTATIONS = frozenset({
    "abstractmethod", "cache", "cached_property", "classmethod", "contextmanager", "dataclass",
    "deleter", "getter", "jit", "lru_cache", "njit", "override", "property", "setter",
    "staticmethod", "total_ordering", "vectorize", "wraps",
})  # fmt: skip

BASES_BLIND_TO_ANNOTATIONS = frozenset({
    "ABC", "Enum", "Exception", "Generic", "IntEnum", "NamedTuple", "Protocol", "StrEnum",
    "TypedDict", "object",
})  # fmt: skip

# A dataclass reads these three, whatever stands inside them.
_FIELD_MARKERS = ("ClassVar", "InitVar", "KW_ONLY")


def last_name(node: ast.expr) -> str:
    """Return "dataclass" for ``@dataclasses.dataclass()``, "Generic" for ``Generic[T]``."""
    if isinstance(node, ast.Subscript):
        node = node.value
    return (chain_of(node) or ("",))[-1]


def field_marker(annotation: ast.expr) -> str:
    """Return ":ClassVar" for ``x: typing.ClassVar[int]``; empty if a dataclass ignores it."""
    if isinstance(annotation, ast.Constant):
        said = str(annotation.value).partition("[")[0].rpartition(".")[2].strip()
    else:
        said = last_name(annotation)
    return f":{said}" if said in _FIELD_MARKERS else ""


_COMPREHENSIONS = frozenset({ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp})

_DEFINERS = frozenset({ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef})

_NAMED = _DEFINERS | {ast.ExceptHandler, ast.MatchAs, ast.MatchStar}

_IMPORTS = frozenset({ast.Import, ast.ImportFrom})

_UNSEEN = frozenset({
    ast.Lambda, ast.Constant, ast.Load, ast.Store, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow,
    ast.Pass,
})  # fmt: skip

_EXPRESSIONS = frozenset(ast.expr.__subclasses__()) - {ast.Name, ast.Tuple, ast.List, ast.Starred}


@dataclass
class Scope:
    """The names that a function, class or comprehension binds; imports with their statements."""

    names: dict[str, list[ImportNode]] = field(default_factory=dict)
    globals: set[str] = field(default_factory=set)
    is_class: bool = False
    imports: list[ImportNode] = field(default_factory=list)

    def bind(self, *names: str | None) -> None:
        """Make names local, unless a ``global`` statement says otherwise."""
        for name in names:
            if name and name not in self.globals:
                self.names.setdefault(name, [])

    def bind_all_in(self, nodes: Iterable[ast.AST], *, has_walrus: bool = True) -> None:
        """Bind what these nodes bind in their own scope; inner scopes keep theirs.

        Where the source is known to have no ``:=``, expressions need not be looked into.
        """
        bound: list[str | None] = []
        imports = self.imports
        n_before = len(imports)
        stack: list[Any] = list(nodes)
        while stack:
            node = stack.pop()
            kind = node.__class__  # a look-up takes a third of the time of a `match` by classes
            if kind is ast.Name:
                if node.ctx.__class__ is not ast.Load:
                    bound.append(node.id)
                continue
            if kind in _UNSEEN or (kind in _EXPRESSIONS and not has_walrus):
                continue
            if kind in _NAMED:
                bound.append(node.name)
                if kind in _DEFINERS:
                    continue
            elif kind in _COMPREHENSIONS:
                # Only a walrus looks out of it.
                stack += [n.target for n in ast.walk(node) if isinstance(n, ast.NamedExpr)]
                continue
            elif kind in _IMPORTS:
                imports.append(node)
                continue
            elif kind is ast.Global:
                self.globals.update(node.names)
            elif kind is ast.MatchMapping:
                bound.append(node.rest)
            for child in node.__dict__.values():
                if child.__class__ is list:
                    stack += [item for item in child if isinstance(item, ast.AST)]
                elif isinstance(child, ast.AST):
                    stack.append(child)
        self.bind(*bound)
        for statement in imports[n_before:]:
            for name in imported_names(statement):
                self.bind(name)
                if name in self.names:
                    self.names[name].append(statement)


_Scope = TypeVar("_Scope", bound=Scope)


def scope_of(name: str, scopes: Sequence[_Scope]) -> _Scope | None:
    """Return the innermost scope that a name is local to; None where it is global."""
    for scope in reversed(scopes):
        if name in scope.globals:
            return None
        if name in scope.names:
            return scope
    return None


def function_scope(node: Function | ast.Lambda, *, has_walrus: bool = True) -> Scope:
    """Return what is local to a function."""
    scope = Scope()
    body = node.body if isinstance(node.body, list) else [node.body]
    scope.bind_all_in(body, has_walrus=has_walrus)
    scope.bind(*(argument.arg for _, argument, _ in parameters(node.args)))
    scope.bind(*type_parameters(node))
    return scope


def parameters(arguments: ast.arguments) -> list[tuple[str, ast.arg, ast.expr | None]]:
    """Return (kind, parameter, default) in the order of the signature."""
    positional = [*arguments.posonlyargs, *arguments.args]
    kinds = ["/"] * len(arguments.posonlyargs) + [""] * len(arguments.args)
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    found: list[tuple[str, ast.arg, ast.expr | None]] = list(
        zip(kinds, positional, defaults, strict=True)
    )
    if arguments.vararg:
        found.append(("*", arguments.vararg, None))
    found += zip(["k"] * len(arguments.kwonlyargs), arguments.kwonlyargs, arguments.kw_defaults)  # noqa: B905
    if arguments.kwarg:
        found.append(("**", arguments.kwarg, None))
    return found


def type_parameters(node: ast.AST) -> list[str]:
    """Return the ``T`` of ``def f[T](x: T)``, of Python 3.12 and later."""
    return [parameter.name for parameter in getattr(node, "type_params", ())]


def is_summary_of(node: ast.AST, experiments: Collection[str]) -> bool:
    """Say whether an expression is the ``pendulum.summary`` of an experiment."""
    match node:
        case ast.Attribute(value=ast.Name(id=name), attr="summary"):
            return name in experiments
    return False


def literal_import(node: ast.AST) -> tuple[ImportNode, Chain] | None:
    """Return ``import a.b as a.b`` for ``import_module("a.b")`` and ``sys.modules["a.b"]``."""
    match node:
        case ast.Call(func=func) if chain_of(func)[-1:] in (("import_module",), ("__import__",)):
            given = [*node.args, *(k.value for k in node.keywords if k.arg in ("name", "package"))]
            match [each.value if isinstance(each, ast.Constant) else None for each in given]:
                case [str(module)] if module.strip("."):
                    return _import_of(module)
                case [str(module), str(package)] if module.startswith(".") and module.strip("."):
                    return _import_of(resolve_name(module, package))
                case [str(module), *_] if not module.startswith("."):
                    return _import_of(module)
                case [str(module), _] if module.strip("."):  # of ``__package__``, as a rule
                    return _import_of(module)
        case ast.Subscript(
            value=ast.Attribute(attr="modules"), slice=ast.Constant(value=str(module))
        ):
            return _import_of(module) if module.strip(".") == module != "" else None
    return None


def _import_of(module: str) -> tuple[ImportNode, Chain]:
    """Make the import of "a.b", or of ".b" in the package of the module."""
    name = module.lstrip(".")
    if name == module:
        alias = ast.alias(name=module, asname=module)
        return ast.Import(names=[alias]), (module,)
    parent, _, last = name.rpartition(".")
    level = len(module) - len(name)
    return ast.ImportFrom(module=parent or None, names=[ast.alias(name=last)], level=level), (last,)


def beginning(node: ast.expr) -> str:
    """Return what a made-up text is sure to begin with."""
    match node:
        case ast.JoinedStr(values=[first, *_]) | ast.BinOp(left=first):
            return beginning(first)
        case ast.Call(func=ast.Attribute(value=first, attr="format" | "join")):
            return beginning(first).partition("{")[0]
        case ast.Constant(value=str(text)):
            return text
    return ""


def joined(parts: list[ast.expr]) -> list[str]:
    """Return the path that the last of some parts make, if they are texts."""
    texts: list[str] = []
    for part in reversed(parts):
        if not (isinstance(part, ast.Constant) and isinstance(part.value, str)):
            break
        texts.append(part.value)
    return ["/".join(reversed(texts))] if len(texts) > 1 else []


def says_nothing(node: object) -> bool:
    """Say whether a statement does nothing: docstrings, ``pass``, ``x: int``."""
    match node:
        case ast.Pass() | ast.Expr(value=ast.Constant()) | ast.AnnAssign(value=None):
            return True
    return False


# ---- modules


@dataclass(frozen=True)
class Namespace:
    """What a module binds at its top level.

    Attributes
    ----------
    statements
        Name -> the top-level statements that bind it, in order; without plain imports.
    imports
        Name -> the import statements that bind it, at the top level or under ``if``, ``try``...
    stars
        The ``from x import *``.
    experiments
        Names of the functions that `sweeps` decorates. Registering a summary with one does not
        change it.
    body
        All top-level statements but plain imports, docstrings and the
        ``if __name__ == "__main__"`` block.
    """

    statements: dict[str, list[ast.stmt]]
    imports: dict[str, list[ImportNode]]
    stars: list[ast.ImportFrom]
    experiments: frozenset[str]
    body: list[ast.stmt]


NOTHING = Namespace({}, {}, [], frozenset(), [])


def namespace(tree: ast.Module) -> Namespace:
    r"""Find what binds each global name of a module.

    Examples
    --------
    >>> made = namespace(ast.parse("T = {}\nfor k in 'ab': T[k] = 1\nimport a.b"))
    >>> {name: [node.lineno for node in nodes] for name, nodes in made.statements.items()}
    {'T': [1], 'k': [2]}
    >>> [*made.imports]
    ['a']
    """
    statements: dict[str, list[ast.stmt]] = defaultdict(list)
    imports: dict[str, list[ImportNode]] = defaultdict(list)
    stars: list[ast.ImportFrom] = []
    body: list[ast.stmt] = []
    for statement in tree.body:
        if _is_left_out(statement):
            continue
        if isinstance(statement, ast.Import | ast.ImportFrom):
            found = [statement]
        else:
            body.append(statement)
            bound = Scope()
            bound.bind_all_in([statement])
            for name in bound.names:
                statements[name].append(statement)
            found = bound.imports
        for node in found:
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
                stars.append(node)
            for name in dict.fromkeys(imported_names(node)):
                imports[name].append(node)
    experiments = _experiments(tree)
    return Namespace(dict(statements), dict(imports), stars, experiments, body)


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
        and not of_sweeps.isdisjoint(chain_of(node.decorator_list[0])[:1])
    )


def _is_of_sweeps(node: ImportNode, alias: ast.alias) -> bool:
    module = (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
    return module.partition(".")[0] == "sweeps" and not getattr(node, "level", 0)


def _is_left_out(node: ast.stmt) -> bool:
    match node:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
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
