"""A piece of source -> its normal form, and the global names that it reaches, in one walk."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection
from dataclasses import dataclass

from sweeps.source.scopes import (
    Function,
    ImportNode,
    Scope,
    chain_of,
    function_scope,
    parameters,
    type_parameters,
)

Reference = tuple[ImportNode | None, tuple[str, ...]]
"""``(None, ("helpers", "decay"))`` is ``helpers.decay`` through the module's globals;
with an import statement in front, through that import inside a function."""

# Cosmetic, or the same thing said in another way.
_LEFT_OUT_FIELDS = frozenset({"ctx", "kind", "type_comment", "type_params"})

# What is known not to read annotations. Under any other decorator or base (pydantic,
# singledispatch, typeguard) an annotation may act, and counts.
_DECORATORS_BLIND_TO_ANNOTATIONS = frozenset({
    "abstractmethod", "cache", "cached_property", "classmethod", "contextmanager", "dataclass",
    "deleter", "getter", "jit", "lru_cache", "njit", "override", "property", "setter",
    "staticmethod", "total_ordering", "vectorize", "wraps",
})  # fmt: skip
_BASES_BLIND_TO_ANNOTATIONS = frozenset({
    "ABC", "Enum", "Exception", "Generic", "IntEnum", "NamedTuple", "Protocol", "StrEnum",
    "TypedDict", "object",
})  # fmt: skip
# A dataclass reads these three, whatever stands inside them.
_FIELD_MARKERS = ("ClassVar", "InitVar", "KW_ONLY")


Ignores = Callable[[Function | ast.ClassDef, ast.expr], bool]


@dataclass(frozen=True)
class Reading:
    """The normal form of a piece of source, and what it reaches."""

    text: str
    references: frozenset[Reference]


def read(
    node: ast.AST,
    *,
    ignores_decorator: Ignores = lambda *_: False,
    without: Collection[ast.expr] = (),
) -> Reading:
    r"""Write a piece of source in a form without cosmetics, and collect the names it reaches.

    Comments, docstrings, formatting and annotations leave no trace. The form is our own, as that of
    `ast.dump` differs between versions of Python.

    Parameters
    ----------
    node
        Any statement or expression.
    ignores_decorator
        Says of a definition and one of its decorators whether to leave that out.
    without
        Default values of arguments to leave out.

    Examples
    --------
    >>> tree = ast.parse("def f(x: int): return np.sin(x) + G  # both are global").body[0]
    >>> reading = read(tree)
    >>> sorted(chain for _, chain in reading.references)
    [('G',), ('np', 'sin')]
    >>> reading.text == read(ast.parse("def f(x):\n  'Doc.'\n  return np.sin(x)+G").body[0]).text
    True
    """
    reader = _Reader(ignores_decorator, without)
    reader.node(node, ())
    return Reading("".join(reader.written), frozenset(reader.references))


Scopes = tuple[Scope, ...]


class _Reader:
    """One walk down a tree, writing as it goes."""

    def __init__(self, ignores_decorator: Ignores, without: Collection[ast.expr]) -> None:
        self.ignores_decorator = ignores_decorator
        self.without = set(without)
        self.written: list[str] = []
        self.references: set[Reference] = set()

    def node(self, node: ast.AST, scopes: Scopes) -> None:
        match node:
            case ast.Constant():
                self.written.append(_constant(node.value))
            case ast.Name():
                self.name(node, scopes)
            case ast.Attribute() if chain := chain_of(node):
                self.written.append(".".join(chain))
                self.refer(chain, scopes)
            case ast.Call():
                self.call(node, scopes)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                self.function(node, scopes)
            case ast.ClassDef():
                self.class_(node, scopes)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                self.comprehension(node, scopes)
            case ast.AnnAssign(value=ast.expr() as value):
                self.fields(ast.Assign(targets=[node.target], value=value), scopes)
            case _:
                self.fields(node, scopes)

    def fields(self, node: ast.AST, scopes: Scopes) -> None:
        self.written.append(f"{type(node).__name__}(")
        for name in node._fields:
            value = getattr(node, name, None)
            if name not in _LEFT_OUT_FIELDS:
                self.item(name, value, scopes)
        self.written.append(")")

    def item(self, name: str, value: object, scopes: Scopes) -> None:
        """Write one field, unless it is empty: versions of Python differ in the empty ones."""
        if isinstance(value, list):
            value = [item for item in value if not _says_nothing(item)]
        if value is None or value == []:
            return
        self.written.append(f"{name}=")
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, ast.AST):
                self.node(item, scopes)
            else:
                self.written.append(repr(item))
            self.written.append(",")

    def name(self, node: ast.Name, scopes: Scopes) -> None:
        self.written.append(node.id)
        is_global = bool(scopes) and node.id in scopes[-1].globals
        if isinstance(node.ctx, ast.Load) or is_global:
            self.refer((node.id,), scopes)

    def refer(self, chain: tuple[str, ...], scopes: Scopes) -> None:
        for scope in reversed(scopes):
            if chain[0] in scope.globals:
                break
            if chain[0] in scope.names:
                self.references.update((node, chain) for node in scope.names[chain[0]])
                return
        self.references.add((None, chain))

    def call(self, node: ast.Call, scopes: Scopes) -> None:
        chain = chain_of(node)
        if chain == ("vars",) and node.args:  # of some object: reaches no global
            self.written.append("vars")
            self.item("args", node.args, scopes)
            return
        if chain and chain[-1] in ("import_module", "__import__") and node.args:
            match node.args[0]:
                case ast.Constant(value=str(module)) if module.strip("."):
                    self.references.add(_literal_import(module))
        self.fields(node, scopes)

    def function(self, node: Function | ast.Lambda, scopes: Scopes) -> None:
        self.written.append(type(node).__name__ + "(")
        annotated = False
        if not isinstance(node, ast.Lambda):
            self.written.append(node.name)
            annotated = not self.decorators(node, scopes)
        for kind, parameter, default in parameters(node.args):
            self.written.append(f" {kind}{parameter.arg}")
            if default and default not in self.without:
                self.item("", default, scopes)
            if annotated:
                self.item(":", parameter.annotation, scopes)
        if annotated and not isinstance(node, ast.Lambda):
            self.item("->", node.returns, scopes)
        inner = function_scope(node)
        visible = tuple(scope for scope in scopes if not scope.is_class)
        self.item("body", node.body, (*visible, inner))
        self.written.append(")")

    def decorators(self, node: Function | ast.ClassDef, scopes: Scopes) -> bool:
        """Write the decorators that count; return whether all of them ignore annotations."""
        counting = [d for d in node.decorator_list if not self.ignores_decorator(node, d)]
        self.item("decorators", counting, scopes)
        return all(_last_name(d) in _DECORATORS_BLIND_TO_ANNOTATIONS for d in counting)

    def class_(self, node: ast.ClassDef, scopes: Scopes) -> None:
        self.written.append(f"ClassDef({node.name} ")
        blind = self.decorators(node, scopes) and all(
            _last_name(base) in _BASES_BLIND_TO_ANNOTATIONS for base in node.bases
        )
        generic = Scope()
        generic.bind(*type_parameters(node))
        scopes = (*scopes, generic)
        self.item("bases", node.bases, scopes)
        self.item("keywords", node.keywords, scopes)
        # A class body runs downwards: a name is global until the class has bound it.
        own = Scope(is_class=True)
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign):
                self.annotated_field(statement, blind, (*scopes, own))
            elif not _says_nothing(statement):
                self.node(statement, (*scopes, own))
            if not hasattr(statement, "orelse") and not isinstance(statement, ast.Match | ast.With):
                own.bind_all_in([statement])
        self.written.append(")")

    def annotated_field(self, node: ast.AnnAssign, blind: bool, scopes: Scopes) -> None:
        self.written.append("Field(")
        self.node(node.target, scopes)
        if blind:
            self.written.append(_field_marker(node.annotation))
        else:
            self.item(":", node.annotation, scopes)
        self.item("value", node.value, scopes)
        self.written.append(")")

    def comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, scopes: Scopes
    ) -> None:
        """Its first iterable is evaluated outside of it, all else inside."""
        inner = Scope()
        inner.bind_all_in(generator.target for generator in node.generators)
        inside = (*(scope for scope in scopes if not scope.is_class), inner)
        self.written.append(f"{type(node).__name__}(")
        for position, generator in enumerate(node.generators):
            self.node(generator.iter, inside if position else scopes)
            self.written.append(f" async={generator.is_async} for ")
            self.node(generator.target, inside)
            self.item("if", generator.ifs, inside)
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        self.item("of", parts, inside)
        self.written.append(")")


def _says_nothing(node: object) -> bool:
    """Say whether a statement does nothing: docstrings, ``pass``, ``x: int``."""
    match node:
        case ast.Pass() | ast.Expr(value=ast.Constant()) | ast.AnnAssign(value=None):
            return True
    return False


def _constant(value: object) -> str:
    # Hexadecimal: decimals of long integers are refused by Python.
    return f"{type(value).__name__}:{value:x};" if type(value) is int else f"{value!r};"


def _last_name(node: ast.expr) -> str:
    """Return "dataclass" for ``@dataclasses.dataclass()``, "Generic" for ``Generic[T]``."""
    if isinstance(node, ast.Subscript):
        node = node.value
    return (chain_of(node) or ("",))[-1]


def _field_marker(annotation: ast.expr) -> str:
    if isinstance(annotation, ast.Constant):
        said = str(annotation.value).partition("[")[0].rpartition(".")[2].strip()
    else:
        said = _last_name(annotation)
    return f":{said}" if said in _FIELD_MARKERS else ""


def _literal_import(module: str) -> Reference:
    """Make the reference of ``import_module("a.b")`` or ``import_module(".b", __package__)``."""
    name = module.lstrip(".")
    if name == module:
        alias = ast.alias(name=module, asname=module)
        return ast.Import(names=[alias]), (module,)
    parent, _, last = name.rpartition(".")
    level = len(module) - len(name)
    return ast.ImportFrom(module=parent or None, names=[ast.alias(name=last)], level=level), (last,)
