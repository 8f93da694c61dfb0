"""A piece of source -> its normal form, and the global names that it reaches, in one walk."""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from sweeps.code.source.scopes import (
    BASES_BLIND_TO_ANNOTATIONS,
    DECORATORS_BLIND_TO_ANNOTATIONS,
    OWN_NAME,
    Chain,
    Function,
    ImportNode,
    Reference,
    Scope,
    beginning,
    bound_name,
    chain_of,
    field_marker,
    function_scope,
    joined,
    last_name,
    literal_import,
    parameters,
    says_nothing,
    scope_of,
    type_parameters,
)

_LEFT_OUT_FIELDS = frozenset({"ctx", "kind", "type_comment", "type_params"})  # cosmetic, or twice

_BODIES = frozenset({"body", "orelse", "finalbody"})

Scopes = tuple[Scope, ...]

Ignores = Callable[[Function | ast.ClassDef, ast.expr], bool]


@dataclass(eq=False)
class Reading:
    r"""Reads a piece of source: writes it without cosmetics, and collects the names it reaches.

    Comments, docstrings, formatting and annotations leave no trace. The form is our own, as that of
    `ast.dump` differs between versions of Python.

    Examples
    --------
    >>> reading = Reading()
    >>> reading.node(ast.parse("def f(x: int): return np.sin(x) + G  # both are global").body[0])
    >>> sorted(chain for _, chain in reading.references)
    [('G',), ('np', 'sin')]
    """

    # `looks_at_annotations` says of a decorator or base that is not well known whether annotations
    # may act under it; `without` are default values of arguments.
    ignores_decorator: Ignores = lambda *_: False
    looks_at_annotations: Callable[[ast.expr], bool] = lambda _: True
    without: Collection[ast.expr] = ()
    own_name: str | None = None  # a global name to write as `OWN_NAME`
    has_walrus: bool = True  # there may be a ``:=`` in it
    counts_annotations: bool = False  # something asks for annotations, so that all count

    # What is found; the numbers are lines.
    written: list[str] = field(default_factory=list)
    references: dict[Reference, int] = field(default_factory=dict)
    imports: list[ImportNode] = field(default_factory=list)
    unknown_imports: dict[str, int] = field(default_factory=dict)  # beginnings of made-up names
    literal_imports: set[Chain] = field(default_factory=set)  # calls that import what is known
    is_by_name: bool = False  # it asks functions or classes for their names
    reads_annotations: bool = False
    literals: set[str] = field(default_factory=set)  # texts that may be paths
    calls: list[ast.Call] = field(default_factory=list)

    @functools.cached_property
    def text(self) -> str:
        """The normal form of what was read."""
        return "".join(self.written)

    def node(self, node: ast.AST, scopes: Scopes = ()) -> None:
        """Write a node; a kind of node with a writer of its own is left to that."""
        _WRITERS.get(node.__class__, Reading.fields)(self, node, scopes)

    def fields(self, node: ast.AST, scopes: Scopes) -> None:
        """Write a node as most are: all fields that say something."""
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
            value = [item for item in value if not says_nothing(item)]
        if not value:
            return
        write, writers = self.written.append, _WRITERS.get
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


Writer = Callable[[Reading, Any, Scopes], None]


@functools.cache
def _form(kind: type[ast.AST]) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return how nodes of a kind are written, and the fields that count."""
    names = tuple((name, f"{name}=") for name in kind._fields if name not in _LEFT_OUT_FIELDS)
    return f"{kind.__name__}(", names


# What says under which name something was defined.
_NAMES = frozenset({"__name__", "__qualname__", "__code__", "co_name", "co_qualname", "getsource"})

# What says how something was annotated.
_ANNOTATION_READERS = frozenset({
    "__annotations__", "annotation", "get_annotations", "get_overloads", "get_type_hints",
    "getfullargspec",
})  # fmt: skip

# All globals of whatever it is asked of; as a rule that is the module it stands in.
_GLOBALS = frozenset({"__globals__", "f_globals", "f_locals"})


def _augmented(walk: Reading, node: ast.AugAssign, scopes: Scopes) -> None:
    """Write ``x += 1``, which reads ``x``: in a class that may be the global one."""
    if isinstance(node.target, ast.Name):
        walk.refer((node.target.id,), scopes, node.lineno)
    walk.fields(node, scopes)


def _operator(walk: Reading, node: ast.AST, scopes: Scopes) -> None:
    walk.written.append(node.__class__.__name__)


def _constant(walk: Reading, node: ast.Constant, scopes: Scopes) -> None:
    value = node.value
    if value.__class__ is str:
        walk.literals.add(value)
    # Hexadecimal: decimals of long integers are refused by Python.
    text = f"{type(value).__name__}:{value:x};" if type(value) is int else f"{value!r};"
    walk.written.append(text)


def _importing(walk: Reading, node: ImportNode, scopes: Scopes) -> None:
    walk.imports.append(node)
    walk.fields(node, scopes)


def _subscript(walk: Reading, node: ast.Subscript, scopes: Scopes) -> None:
    """Write ``a[b]``; ``sys.modules["a"]`` uses that module."""
    if literal := literal_import(node):
        walk.references.setdefault(literal, node.lineno)
    walk.fields(node, scopes)


def _name(walk: Reading, node: ast.Name, scopes: Scopes) -> None:
    if node.id in _ANNOTATION_READERS:
        walk.reads_annotations = True
    is_own = node.id == walk.own_name and scope_of(node.id, scopes) is None
    walk.written.append(OWN_NAME if is_own else node.id)
    if node.ctx.__class__ is ast.Load or (scopes and node.id in scopes[-1].globals):
        walk.refer((node.id,), scopes, node.lineno)


def _attribute(walk: Reading, node: ast.Attribute, scopes: Scopes) -> None:
    if node.attr in _NAMES:
        walk.is_by_name = True
    if node.attr in _ANNOTATION_READERS:
        walk.reads_annotations = True
    if node.attr in _GLOBALS:
        walk.refer(("globals",), scopes, node.lineno)
    if not (chain := chain_of(node)):
        walk.fields(node, scopes)
        return
    is_own = chain[0] == walk.own_name and scope_of(chain[0], scopes) is None
    walk.written.append(".".join((OWN_NAME, *chain[1:]) if is_own else chain))
    walk.refer(chain, scopes, node.lineno)


def _call(walk: Reading, node: ast.Call, scopes: Scopes) -> None:
    """Write a call; one that imports may name its module."""
    chain = chain_of(node)
    if chain == ("vars",) and node.args:  # of some object: reaches no global
        walk.written.append("vars")
        walk.item("args", node.args, scopes)
        return
    if chain and chain[-1] in ("import_module", "__import__"):
        _importing_call(walk, node, chain)
    walk.literals.update(joined(node.args))  # as of os.path.join
    walk.calls.append(node)
    walk.fields(node, scopes)


def _division(walk: Reading, node: ast.BinOp, scopes: Scopes) -> None:
    """Write an operation; ``folder / "bin" / "solver"`` may be a path."""
    if node.op.__class__ is ast.Div:
        steps: list[ast.expr] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp) and left.op.__class__ is ast.Div:
            steps.append(left.right)
            left = left.left
        walk.literals.update(joined([left, *reversed(steps)]))
    walk.fields(node, scopes)


def _importing_call(walk: Reading, node: ast.Call, chain: Chain) -> None:
    name = next(iter([*node.args, *(k.value for k in node.keywords)]), None)
    if literal := literal_import(node):
        walk.references.setdefault(literal, node.lineno)
        walk.literal_imports.add(chain)
        has_more = len(node.args) + len(node.keywords) > 1
        if chain[-1] == "__import__" and has_more:  # of ``fromlist``
            walk.unknown_imports.setdefault(".".join((*literal[1], "")), node.lineno)
    elif isinstance(name, ast.Name) and name.id == "__name__":
        walk.literal_imports.add(chain)
    elif name is not None and beginning(name):
        walk.literal_imports.add(chain)
        walk.unknown_imports.setdefault(beginning(name), node.lineno)


def _formatted(walk: Reading, node: ast.JoinedStr, scopes: Scopes) -> None:
    """Join the texts between the values of a formatted string, as not all Pythons do."""
    walk.written.append("JoinedStr(")
    text = ""
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += str(part.value)
            walk.literals.add(str(part.value))
            continue
        walk.written.append(f"{text!r},")
        text = ""
        walk.node(part, scopes)
    walk.written.append(f"{text!r})")


def _comprehension(
    walk: Reading,
    node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp,
    scopes: Scopes,
) -> None:
    """Write a comprehension: its first iterable is evaluated outside of it, all else inside."""
    inner = Scope()
    inner.bind_all_in(generator.target for generator in node.generators)
    inside = (*(scope for scope in scopes if not scope.is_class), inner)
    walk.written.append(f"{type(node).__name__}(")
    for position, generator in enumerate(node.generators):
        walk.node(generator.iter, inside if position else scopes)
        walk.written.append(f" async={generator.is_async} for ")
        walk.node(generator.target, inside)
        walk.item("if", generator.ifs, inside)
    parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    walk.item("of", parts, inside)
    walk.written.append(")")


def _function(walk: Reading, node: Function | ast.Lambda, scopes: Scopes) -> None:
    walk.written.append(type(node).__name__ + "(")
    annotated = False
    if not isinstance(node, ast.Lambda):
        is_own = node.name == walk.own_name and not scopes
        walk.written.append(OWN_NAME if is_own else node.name)
        annotated = not _decorators(walk, node, scopes) or walk.counts_annotations
    for kind, parameter, default in parameters(node.args):
        walk.written.append(f" {kind}:{parameter.arg}")
        if default and default not in walk.without:
            walk.item("", default, scopes)
        if annotated:
            walk.item(":", parameter.annotation, scopes)
    if annotated and not isinstance(node, ast.Lambda):
        walk.item("->", node.returns, scopes)
    inner = function_scope(node, has_walrus=walk.has_walrus)
    visible = tuple(scope for scope in scopes if not scope.is_class)
    walk.item("body", node.body, (*visible, inner))
    walk.written.append(")")


def _decorators(walk: Reading, node: Function | ast.ClassDef, scopes: Scopes) -> bool:
    """Write the decorators that count; say whether all ignore annotations."""
    counting = [d for d in node.decorator_list if not walk.ignores_decorator(node, d)]
    walk.item("decorators", counting, scopes)
    return all(
        last_name(d) in DECORATORS_BLIND_TO_ANNOTATIONS or not walk.looks_at_annotations(d)
        for d in counting
    )


def _variable(walk: Reading, node: ast.AnnAssign, scopes: Scopes) -> None:
    """Write ``x: int = 1`` as ``x = 1``: outside of classes hardly anything reads annotations."""
    if walk.counts_annotations:
        walk.fields(node, scopes)
    elif node.value is not None:
        walk.fields(ast.Assign(targets=[node.target], value=node.value), scopes)


def _class(walk: Reading, node: ast.ClassDef, scopes: Scopes) -> None:
    walk.written.append(f"ClassDef({node.name} ")
    blind = _decorators(walk, node, scopes) and all(
        last_name(base) in BASES_BLIND_TO_ANNOTATIONS or not walk.looks_at_annotations(base)
        for base in (*node.bases, *(k.value for k in node.keywords if k.arg == "metaclass"))
    )
    blind = blind and not walk.counts_annotations
    is_plain = blind and not (node.decorator_list or node.bases or node.keywords)
    generic = Scope()
    generic.bind(*type_parameters(node))
    scopes = (*scopes, generic)
    walk.item("bases", node.bases, scopes)
    walk.item("keywords", node.keywords, scopes)
    # A name is global until the class has bound it.
    own = Scope(is_class=True)
    for statement in node.body:
        if isinstance(statement, ImportNode):  # the module can be reached through the class
            bound = ((bound_name(statement, alias),) for alias in statement.names)
            walk.references |= {(statement, chain): statement.lineno for chain in bound}
        if isinstance(statement, ast.AnnAssign) and is_plain:
            _variable(walk, statement, (*scopes, own))
        elif isinstance(statement, ast.AnnAssign):
            _annotated_field(walk, statement, blind, (*scopes, own))
        elif not says_nothing(statement):
            walk.node(statement, (*scopes, own))
        if not hasattr(statement, "orelse") and not isinstance(statement, ast.Match | ast.With):
            own.bind_all_in([statement])
    walk.written.append(")")


def _annotated_field(walk: Reading, node: ast.AnnAssign, blind: bool, scopes: Scopes) -> None:
    walk.written.append("Field(")
    walk.node(node.target, scopes)
    if blind:
        walk.written.append(field_marker(node.annotation))
    else:
        walk.item(":", node.annotation, scopes)
    walk.item("value", node.value, scopes)
    walk.written.append(")")


def digest(*texts: str) -> str:
    """Return 32 hexadecimal digits of some texts."""
    state = hashlib.blake2b(digest_size=16)
    for raw in (text.encode("utf-8", "surrogatepass") for text in texts):
        state.update(b"%d:" % len(raw) + raw)
    return state.hexdigest()


_WRITERS: dict[type, Writer] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Call: _call,
    **dict.fromkeys((ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda), _function),
    ast.ClassDef: _class,
    **dict.fromkeys((ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp), _comprehension),
    **dict.fromkeys((ast.Import, ast.ImportFrom), _importing),
    ast.JoinedStr: _formatted,
    ast.Subscript: _subscript,
    ast.AnnAssign: _variable,
    ast.AugAssign: _augmented,
    ast.BinOp: _division,
    ast.Compare: Reading.fields,
    **dict.fromkeys(ast.operator.__subclasses__() + ast.unaryop.__subclasses__(), _operator),
    **dict.fromkeys(ast.cmpop.__subclasses__() + ast.boolop.__subclasses__(), _operator),
}
