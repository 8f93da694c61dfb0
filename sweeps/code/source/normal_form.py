"""A piece of source -> its normal form, and the global names that it reaches, in one walk."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from sweeps.code.source import definitions, expressions
from sweeps.code.source.reader import Ignores, Reader, Writer
from sweeps.code.source.scopes import Chain, ImportNode, Reference


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
    reader = Reader(
        _WRITERS,
        ignores_decorator=ignores_decorator,
        looks_at_annotations=looks_at_annotations,
        without=without,
        own_name=own_name,
        has_walrus=has_walrus,
        counts_annotations=counts_annotations,
    )
    reader.node(node, ())
    return Reading(
        "".join(reader.written),
        reader.references,
        reader.imports,
        reader.unknown_imports,
        frozenset(reader.literal_imports),
        reader.is_by_name,
        reader.reads_annotations,
        frozenset(reader.literals),
    )


_WRITERS: dict[type, Writer] = {
    ast.Constant: expressions.constant,
    ast.Name: expressions.name,
    ast.Attribute: expressions.attribute,
    ast.Call: expressions.call,
    ast.FunctionDef: definitions.function,
    ast.AsyncFunctionDef: definitions.function,
    ast.Lambda: definitions.function,
    ast.ClassDef: definitions.class_,
    ast.ListComp: expressions.comprehension,
    ast.SetComp: expressions.comprehension,
    ast.DictComp: expressions.comprehension,
    ast.GeneratorExp: expressions.comprehension,
    ast.Import: expressions.importing,
    ast.ImportFrom: expressions.importing,
    ast.JoinedStr: expressions.formatted,
    ast.Subscript: expressions.subscript,
    ast.AnnAssign: definitions.variable,
    ast.AugAssign: expressions.augmented,
    ast.BinOp: expressions.division,
    ast.Compare: Reader.fields,
}

for _kind in (ast.operator, ast.unaryop, ast.cmpop, ast.boolop):
    _WRITERS |= dict.fromkeys(_kind.__subclasses__(), expressions.operator)
