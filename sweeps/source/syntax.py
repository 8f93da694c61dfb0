"""A piece of source -> its normal form, and the global names that it reaches, in one walk."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from sweeps.source.scopes import (
    Chain,
    Function,
    ImportNode,
    Reference,
    Scope,
    chain_of,
    function_scope,
    literal_import,
    parameters,
    type_parameters,
)

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
# What says under which name something was defined.
_NAMES = frozenset({"__name__", "__qualname__", "__code__", "co_name", "co_qualname", "getsource"})
_BODIES = frozenset({"body", "orelse", "finalbody"})

Ignores = Callable[[Function | ast.ClassDef, ast.expr], bool]


@dataclass(frozen=True)
class Reading:
    """The normal form of a piece of source, and what it reaches.

    Attributes
    ----------
    references
        Names that it uses -> the line where it first does, in order.
    imports
        Import statements in it.
    unknown_imports
        Beginnings of the names of modules that it makes up to import them -> the line.
    is_by_name
        Whether it asks functions or classes for their names.
    """

    text: str
    references: dict[Reference, int] = field(default_factory=dict)
    imports: list[ImportNode] = field(default_factory=list)
    unknown_imports: dict[str, int] = field(default_factory=dict)
    is_by_name: bool = False


OWN_NAME = "<own>"
"""Stands for the name of the experiment's function: a function may be renamed."""


def read(
    node: ast.AST,
    *,
    ignores_decorator: Ignores = lambda *_: False,
    looks_at_annotations: Callable[[ast.expr], bool] = lambda _: True,
    without: Collection[ast.expr] = (),
    own_name: str | None = None,
    has_walrus: bool = True,
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
    looks_at_annotations
        Says of a decorator or base that is not well known whether annotations may act under it.
    without
        Default values of arguments to leave out.
    own_name
        A global name to write as `OWN_NAME`.
    has_walrus
        Whether there may be a ``:=`` in it.

    Examples
    --------
    >>> tree = ast.parse("def f(x: int): return np.sin(x) + G  # both are global").body[0]
    >>> reading = read(tree)
    >>> sorted(chain for _, chain in reading.references)
    [('G',), ('np', 'sin')]
    >>> reading.text == read(ast.parse("def f(x):\n  'Doc.'\n  return np.sin(x)+G").body[0]).text
    True
    """
    reader = _Reader(ignores_decorator, looks_at_annotations, without, own_name)
    reader.has_walrus = has_walrus
    reader.node(node, ())
    reader.found["text"] = "".join(reader.written)
    return Reading(references=reader.references, **reader.found)


Scopes = tuple[Scope, ...]


@functools.cache
def _form(kind: type[ast.AST]) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return how nodes of a kind are written, and the fields that count."""
    names = (name for name in kind._fields if name not in _LEFT_OUT_FIELDS)
    return f"{kind.__name__}(", tuple((name, f"{name}=") for name in names)


class _Reader:
    """One walk down a tree, writing as it goes."""

    def __init__(
        self,
        ignores_decorator: Ignores,
        looks_at_annotations: Callable[[ast.expr], bool],
        without: Collection[ast.expr],
        own_name: str | None,
    ) -> None:
        self.ignores_decorator = ignores_decorator
        self.looks_at_annotations = looks_at_annotations
        self.without = set(without)
        self.own_name = own_name
        self.has_walrus = True
        self.written: list[str] = []
        self.references: dict[Reference, int] = {}
        self.found: dict[str, Any] = {"imports": [], "unknown_imports": {}}

    def node(self, node: ast.AST, scopes: Scopes) -> None:
        _WRITERS.get(node.__class__, _Reader.fields)(self, node, scopes)

    def fields(self, node: ast.AST, scopes: Scopes) -> None:
        write, writers = self.written.append, _WRITERS.get
        opening, names = _form(node.__class__)  # type: ignore[arg-type]
        write(opening)
        for name, said in names:
            value = getattr(node, name, None)
            if value is None:
                continue
            writer = writers(value.__class__)
            if writer is None:
                self.item(name, value, scopes)
            else:
                write(said)
                writer(self, value, scopes)
                write(",")
        write(")")

    def item(self, name: str, value: Any, scopes: Scopes) -> None:
        """Write one field, unless it is empty: versions of Python differ in the empty ones."""
        if value is None:
            return
        if value.__class__ is not list:
            value = [value]
        elif name in _BODIES:
            value = [item for item in value if not _says_nothing(item)]
        if not value:
            return
        write = self.written.append
        write(name + "=")
        for item in value:
            writer = _WRITERS.get(item.__class__)
            if writer is not None:
                writer(self, item, scopes)
            elif isinstance(item, ast.AST):
                self.fields(item, scopes)
            else:
                write(repr(item))
            write(",")

    def operator(self, node: ast.AST, scopes: Scopes) -> None:
        self.written.append(node.__class__.__name__)

    def constant(self, node: ast.Constant, scopes: Scopes) -> None:
        self.written.append(_constant(node.value))

    def importing(self, node: ImportNode, scopes: Scopes) -> None:
        self.found["imports"].append(node)
        self.fields(node, scopes)

    def subscript(self, node: ast.Subscript, scopes: Scopes) -> None:
        if literal := literal_import(node):
            self.references.setdefault(literal, node.lineno)
        self.fields(node, scopes)

    def assigned(self, node: ast.AnnAssign, scopes: Scopes) -> None:
        if node.value is not None:
            self.fields(ast.Assign(targets=[node.target], value=node.value), scopes)

    def name(self, node: ast.Name, scopes: Scopes) -> None:
        is_own = node.id == self.own_name and _is_global(node.id, scopes)
        self.written.append(OWN_NAME if is_own else node.id)
        if node.ctx.__class__ is ast.Load or (scopes and node.id in scopes[-1].globals):
            self.refer((node.id,), scopes, node.lineno)

    def attribute(self, node: ast.Attribute, scopes: Scopes) -> None:
        if node.attr in _NAMES:
            self.found["is_by_name"] = True
        chain = chain_of(node)
        if not chain:
            self.fields(node, scopes)
            return
        is_own = chain[0] == self.own_name and _is_global(chain[0], scopes)
        self.written.append(".".join((OWN_NAME, *chain[1:]) if is_own else chain))
        self.refer(chain, scopes, node.lineno)

    def refer(self, chain: Chain, scopes: Scopes, line: int) -> None:
        for scope in reversed(scopes):
            if chain[0] in scope.globals:
                break
            if chain[0] in scope.names:
                for node in scope.names[chain[0]]:
                    self.references.setdefault((node, chain), line)
                return
        self.references.setdefault((None, chain), line)

    def call(self, node: ast.Call, scopes: Scopes) -> None:
        chain = chain_of(node)
        if chain == ("vars",) and node.args:  # of some object: reaches no global
            self.written.append("vars")
            self.item("args", node.args, scopes)
            return
        if chain and chain[-1] in ("import_module", "__import__") and node.args:
            if literal := literal_import(node):
                self.references.setdefault(literal, node.lineno)
            elif not (isinstance(node.args[0], ast.Name) and node.args[0].id == "__name__"):
                self.found["unknown_imports"].setdefault(_beginning(node.args[0]), node.lineno)
        self.fields(node, scopes)

    def formatted(self, node: ast.JoinedStr, scopes: Scopes) -> None:
        """Join the texts between the values of a formatted string, as not all Pythons do."""
        self.written.append("JoinedStr(")
        text = ""
        for part in node.values:
            if isinstance(part, ast.Constant):
                text += str(part.value)
                continue
            self.written.append(f"{text!r},")
            text = ""
            self.node(part, scopes)
        self.written.append(f"{text!r})")

    def function(self, node: Function | ast.Lambda, scopes: Scopes) -> None:
        self.written.append(type(node).__name__ + "(")
        annotated = False
        if not isinstance(node, ast.Lambda):
            is_own = node.name == self.own_name and not scopes
            self.written.append(OWN_NAME if is_own else node.name)
            annotated = not self.decorators(node, scopes)
        for kind, parameter, default in parameters(node.args):
            self.written.append(f" {kind}{parameter.arg}")
            if default and default not in self.without:
                self.item("", default, scopes)
            if annotated:
                self.item(":", parameter.annotation, scopes)
        if annotated and not isinstance(node, ast.Lambda):
            self.item("->", node.returns, scopes)
        inner = function_scope(node, has_walrus=self.has_walrus)
        visible = tuple(scope for scope in scopes if not scope.is_class)
        self.item("body", node.body, (*visible, inner))
        self.written.append(")")

    def decorators(self, node: Function | ast.ClassDef, scopes: Scopes) -> bool:
        """Write the decorators that count; return whether all of them ignore annotations."""
        counting = [d for d in node.decorator_list if not self.ignores_decorator(node, d)]
        self.item("decorators", counting, scopes)
        return all(
            _last_name(d) in _DECORATORS_BLIND_TO_ANNOTATIONS or not self.looks_at_annotations(d)
            for d in counting
        )

    def class_(self, node: ast.ClassDef, scopes: Scopes) -> None:
        self.written.append(f"ClassDef({node.name} ")
        blind = self.decorators(node, scopes) and all(
            _last_name(base) in _BASES_BLIND_TO_ANNOTATIONS or not self.looks_at_annotations(base)
            for base in node.bases
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


_WRITERS: dict[type, Callable[[_Reader, Any, Scopes], None]] = {
    ast.Constant: _Reader.constant,
    ast.Name: _Reader.name,
    ast.Attribute: _Reader.attribute,
    ast.Call: _Reader.call,
    ast.FunctionDef: _Reader.function,
    ast.AsyncFunctionDef: _Reader.function,
    ast.Lambda: _Reader.function,
    ast.ClassDef: _Reader.class_,
    ast.ListComp: _Reader.comprehension,
    ast.SetComp: _Reader.comprehension,
    ast.DictComp: _Reader.comprehension,
    ast.GeneratorExp: _Reader.comprehension,
    ast.Import: _Reader.importing,
    ast.ImportFrom: _Reader.importing,
    ast.JoinedStr: _Reader.formatted,
    ast.Subscript: _Reader.subscript,
    ast.AnnAssign: _Reader.assigned,
    ast.BinOp: _Reader.fields,
    ast.Compare: _Reader.fields,
}
for _kind in (ast.operator, ast.unaryop, ast.cmpop, ast.boolop):
    _WRITERS |= dict.fromkeys(_kind.__subclasses__(), _Reader.operator)


def _is_global(name: str, scopes: Scopes) -> bool:
    for scope in reversed(scopes):
        if name in scope.globals:
            return True
        if name in scope.names:
            return False
    return True


def _beginning(node: ast.expr) -> str:
    """Return what a made-up text is sure to begin with."""
    match node:
        case ast.JoinedStr(values=[first, *_]) | ast.BinOp(left=first):
            return _beginning(first)
        case ast.Call(func=ast.Attribute(value=first, attr="format" | "join")):
            return _beginning(first).partition("{")[0]
        case ast.Constant(value=str(text)):
            return text
    return ""


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
