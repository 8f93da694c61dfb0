"""A piece of source -> its normal form, and the global names that it reaches, in one walk."""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sweeps.code.source import nodes
from sweeps.code.source.scopes import Chain, Function, ImportNode, Reference, Scope, says_nothing


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
    literal_imports
        Calls that import, such as ``importlib.import_module``, of which it is known what.
    is_by_name
        Whether it asks functions or classes for their names.
    reads_annotations
        Whether it asks for annotations.
    literals
        Texts in it that may be paths of files.
    """

    text: str
    references: dict[Reference, int] = field(default_factory=dict)
    imports: list[ImportNode] = field(default_factory=list)
    unknown_imports: dict[str, int] = field(default_factory=dict)
    literal_imports: frozenset[Chain] = frozenset()
    is_by_name: bool = False
    reads_annotations: bool = False
    literals: frozenset[str] = frozenset()


def read(
    node: ast.AST,
    *,
    ignores_decorator: Ignores = lambda *_: False,
    looks_at_annotations: Callable[[ast.expr], bool] = lambda _: True,
    without: Collection[ast.expr] = (),
    own_name: str | None = None,
    has_walrus: bool = True,
    counts_annotations: bool = False,
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
    counts_annotations
        Whether something asks for annotations, so that all count.

    Examples
    --------
    >>> tree = ast.parse("def f(x: int): return np.sin(x) + G  # both are global").body[0]
    >>> reading = read(tree)
    >>> sorted(chain for _, chain in reading.references)
    [('G',), ('np', 'sin')]
    >>> reading.text == read(ast.parse("def f(x):\n  'Doc.'\n  return np.sin(x)+G").body[0]).text
    True
    """
    walk = Walk(
        _WRITERS,
        ignores_decorator=ignores_decorator,
        looks_at_annotations=looks_at_annotations,
        without=without,
        own_name=own_name,
        has_walrus=has_walrus,
        counts_annotations=counts_annotations,
    )
    walk.node(node, ())
    return Reading(
        "".join(walk.written),
        walk.references,
        walk.imports,
        walk.unknown_imports,
        frozenset(walk.literal_imports),
        walk.is_by_name,
        walk.reads_annotations,
        frozenset(walk.literals),
    )


# Cosmetic, or the same thing said in another way.
_LEFT_OUT_FIELDS = frozenset({"ctx", "kind", "type_comment", "type_params"})

_BODIES = frozenset({"body", "orelse", "finalbody"})

Scopes = tuple[Scope, ...]

Ignores = Callable[[Function | ast.ClassDef, ast.expr], bool]


class Walk:
    """Writes a tree from the top down; a kind of node with a writer of its own is left to that."""

    def __init__(
        self,
        writers: Mapping[type, Writer],
        *,
        ignores_decorator: Ignores,
        looks_at_annotations: Callable[[ast.expr], bool],
        without: Collection[ast.expr],
        own_name: str | None,
        has_walrus: bool,
        counts_annotations: bool,
    ) -> None:
        self.writers = writers
        self.ignores_decorator = ignores_decorator
        self.looks_at_annotations = looks_at_annotations
        self.without = set(without)
        self.own_name = own_name
        self.has_walrus = has_walrus
        self.counts_annotations = counts_annotations
        self.written: list[str] = []
        self.references: dict[Reference, int] = {}
        self.imports: list[ImportNode] = []
        self.unknown_imports: dict[str, int] = {}
        self.literal_imports: set[Chain] = set()
        self.is_by_name = False
        self.reads_annotations = False
        self.literals: set[str] = set()

    def node(self, node: ast.AST, scopes: Scopes) -> None:
        """Write a node."""
        self.writers.get(node.__class__, Walk.fields)(self, node, scopes)

    def fields(self, node: ast.AST, scopes: Scopes) -> None:
        """Write a node as most are: all fields that say something."""
        write, writers = self.written.append, self.writers.get
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
            value = [item for item in value if not says_nothing(item)]
        if not value:
            return
        write, writers = self.written.append, self.writers.get
        write(name + "=")
        for item in value:
            writer = writers(item.__class__)
            if writer is not None:
                writer(self, item, scopes)
            elif isinstance(item, ast.AST):
                self.fields(item, scopes)
            else:
                write(repr(item))
            write(",")

    def refer(self, chain: Chain, scopes: Scopes, line: int) -> None:
        """Note a name that is used, unless it is local."""
        for scope in reversed(scopes):
            if chain[0] in scope.globals:
                break
            if chain[0] in scope.names:
                for node in scope.names[chain[0]]:
                    self.references.setdefault((node, chain), line)
                return
        self.references.setdefault((None, chain), line)


Writer = Callable[[Walk, Any, Scopes], None]


@functools.cache
def _form(kind: type[ast.AST]) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return how nodes of a kind are written, and the fields that count."""
    names = (name for name in kind._fields if name not in _LEFT_OUT_FIELDS)
    return f"{kind.__name__}(", tuple((name, f"{name}=") for name in names)


def digest(*texts: str) -> str:
    """Return 32 hexadecimal digits of some texts."""
    state = hashlib.blake2b(digest_size=16)
    for text in texts:
        raw = text.encode("utf-8", "surrogatepass")
        state.update(b"%d:" % len(raw) + raw)
    return state.hexdigest()


_WRITERS: dict[type, Writer] = {
    ast.Constant: nodes.constant,
    ast.Name: nodes.name,
    ast.Attribute: nodes.attribute,
    ast.Call: nodes.call,
    ast.FunctionDef: nodes.function,
    ast.AsyncFunctionDef: nodes.function,
    ast.Lambda: nodes.function,
    ast.ClassDef: nodes.class_,
    ast.ListComp: nodes.comprehension,
    ast.SetComp: nodes.comprehension,
    ast.DictComp: nodes.comprehension,
    ast.GeneratorExp: nodes.comprehension,
    ast.Import: nodes.importing,
    ast.ImportFrom: nodes.importing,
    ast.JoinedStr: nodes.formatted,
    ast.Subscript: nodes.subscript,
    ast.AnnAssign: nodes.variable,
    ast.AugAssign: nodes.augmented,
    ast.BinOp: nodes.division,
    ast.Compare: Walk.fields,
}

for _kind in (ast.operator, ast.unaryop, ast.cmpop, ast.boolop):
    _WRITERS |= dict.fromkeys(_kind.__subclasses__(), nodes.operator)
