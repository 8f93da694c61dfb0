"""Kinds of nodes -> how each is written in the normal form, and which names it uses."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from sweeps.code.source.scopes import (
    OWN_NAME,
    Chain,
    Function,
    ImportNode,
    Scope,
    bound_name,
    chain_of,
    function_scope,
    literal_import,
    parameters,
    says_nothing,
    scope_of,
    type_parameters,
)

if TYPE_CHECKING:
    from sweeps.code.source.normal_form import Scopes, Walk

# What says under which name something was defined.
_NAMES = frozenset({"__name__", "__qualname__", "__code__", "co_name", "co_qualname", "getsource"})


# What says how something was annotated.
_ANNOTATION_READERS = frozenset({
    "__annotations__", "annotation", "get_annotations", "get_overloads", "get_type_hints",
    "getfullargspec",
})  # fmt: skip

# All globals of whatever it is asked of; as a rule that is the module it stands in.
_GLOBALS = frozenset({"__globals__", "f_globals", "f_locals"})


def augmented(walk: Walk, node: ast.AugAssign, scopes: Scopes) -> None:
    """Write ``x += 1``, which reads ``x``: in a class that may be the global one."""
    if isinstance(node.target, ast.Name):
        walk.refer((node.target.id,), scopes, node.lineno)
    walk.fields(node, scopes)


def operator(walk: Walk, node: ast.AST, scopes: Scopes) -> None:
    """Write an operator by its name alone."""
    walk.written.append(node.__class__.__name__)


def constant(walk: Walk, node: ast.Constant, scopes: Scopes) -> None:
    """Write a constant; its type shows."""
    value = node.value
    if value.__class__ is str:
        walk.literals.add(value)
    walk.written.append(_constant(value))


def importing(walk: Walk, node: ImportNode, scopes: Scopes) -> None:
    """Write an import statement, and note it."""
    walk.imports.append(node)
    walk.fields(node, scopes)


def subscript(walk: Walk, node: ast.Subscript, scopes: Scopes) -> None:
    """Write ``a[b]``; ``sys.modules["a"]`` uses that module."""
    if literal := literal_import(node):
        walk.references.setdefault(literal, node.lineno)
    walk.fields(node, scopes)


def name(walk: Walk, node: ast.Name, scopes: Scopes) -> None:
    """Write a name, and note it where it is used and not bound."""
    if node.id in _ANNOTATION_READERS:
        walk.reads_annotations = True
    is_own = node.id == walk.own_name and scope_of(node.id, scopes) is None
    walk.written.append(OWN_NAME if is_own else node.id)
    if node.ctx.__class__ is ast.Load or (scopes and node.id in scopes[-1].globals):
        walk.refer((node.id,), scopes, node.lineno)


def attribute(walk: Walk, node: ast.Attribute, scopes: Scopes) -> None:
    """Write ``a.b.c``, and note it as a whole."""
    if node.attr in _NAMES:
        walk.is_by_name = True
    if node.attr in _ANNOTATION_READERS:
        walk.reads_annotations = True
    if node.attr in _GLOBALS:
        walk.refer(("globals",), scopes, node.lineno)
    chain = chain_of(node)
    if not chain:
        walk.fields(node, scopes)
        return
    is_own = chain[0] == walk.own_name and scope_of(chain[0], scopes) is None
    walk.written.append(".".join((OWN_NAME, *chain[1:]) if is_own else chain))
    walk.refer(chain, scopes, node.lineno)


def call(walk: Walk, node: ast.Call, scopes: Scopes) -> None:
    """Write a call; one that imports may name its module."""
    chain = chain_of(node)
    if chain == ("vars",) and node.args:  # of some object: reaches no global
        walk.written.append("vars")
        walk.item("args", node.args, scopes)
        return
    if chain and chain[-1] in ("import_module", "__import__"):
        _importing_call(walk, node, chain)
    walk.literals.update(_joined(node.args))  # as of os.path.join
    walk.fields(node, scopes)


def division(walk: Walk, node: ast.BinOp, scopes: Scopes) -> None:
    """Write an operation; ``folder / "bin" / "solver"`` may be a path."""
    if node.op.__class__ is ast.Div:
        steps: list[ast.expr] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp) and left.op.__class__ is ast.Div:
            steps.append(left.right)
            left = left.left
        walk.literals.update(_joined([left, *reversed(steps)]))
    walk.fields(node, scopes)


def _joined(parts: list[ast.expr]) -> list[str]:
    """Return the path that the last of some parts make, if they are texts."""
    texts: list[str] = []
    for part in reversed(parts):
        if not (isinstance(part, ast.Constant) and isinstance(part.value, str)):
            break
        texts.append(part.value)
    return ["/".join(reversed(texts))] if len(texts) > 1 else []


def _importing_call(walk: Walk, node: ast.Call, chain: Chain) -> None:
    """Note what is imported by a call, or how its made-up name begins."""
    name = next(iter([*node.args, *(k.value for k in node.keywords)]), None)
    if literal := literal_import(node):
        walk.references.setdefault(literal, node.lineno)
        walk.literal_imports.add(chain)
        has_more = len(node.args) + len(node.keywords) > 1
        if chain[-1] == "__import__" and has_more:  # of ``fromlist``
            walk.unknown_imports.setdefault(".".join((*literal[1], "")), node.lineno)
    elif isinstance(name, ast.Name) and name.id == "__name__":
        walk.literal_imports.add(chain)
    elif name is not None and _beginning(name):
        walk.literal_imports.add(chain)
        walk.unknown_imports.setdefault(_beginning(name), node.lineno)


def formatted(walk: Walk, node: ast.JoinedStr, scopes: Scopes) -> None:
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


def comprehension(
    walk: Walk,
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


def _constant(value: object) -> str:
    # Hexadecimal: decimals of long integers are refused by Python.
    return f"{type(value).__name__}:{value:x};" if type(value) is int else f"{value!r};"


# ---- functions and classes

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


def function(walk: Walk, node: Function | ast.Lambda, scopes: Scopes) -> None:
    """Write a function: its decorators, its signature, and its body with what is local to it."""
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


def _decorators(walk: Walk, node: Function | ast.ClassDef, scopes: Scopes) -> bool:
    """Write the decorators that count; return whether all of them ignore annotations."""
    counting = [d for d in node.decorator_list if not walk.ignores_decorator(node, d)]
    walk.item("decorators", counting, scopes)
    return all(
        _last_name(d) in _DECORATORS_BLIND_TO_ANNOTATIONS or not walk.looks_at_annotations(d)
        for d in counting
    )


def variable(walk: Walk, node: ast.AnnAssign, scopes: Scopes) -> None:
    """Write ``x: int = 1`` as ``x = 1``: outside of classes hardly anything reads annotations."""
    if walk.counts_annotations:
        walk.fields(node, scopes)
    elif node.value is not None:
        walk.fields(ast.Assign(targets=[node.target], value=node.value), scopes)


def class_(walk: Walk, node: ast.ClassDef, scopes: Scopes) -> None:
    """Write a class: its decorators, its bases, and its body as it runs downwards."""
    walk.written.append(f"ClassDef({node.name} ")
    blind = _decorators(walk, node, scopes) and all(
        _last_name(base) in _BASES_BLIND_TO_ANNOTATIONS or not walk.looks_at_annotations(base)
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
            variable(walk, statement, (*scopes, own))
        elif isinstance(statement, ast.AnnAssign):
            _annotated_field(walk, statement, blind, (*scopes, own))
        elif not says_nothing(statement):
            walk.node(statement, (*scopes, own))
        if not hasattr(statement, "orelse") and not isinstance(statement, ast.Match | ast.With):
            own.bind_all_in([statement])
    walk.written.append(")")


def _annotated_field(walk: Walk, node: ast.AnnAssign, blind: bool, scopes: Scopes) -> None:
    walk.written.append("Field(")
    walk.node(node.target, scopes)
    if blind:
        walk.written.append(_field_marker(node.annotation))
    else:
        walk.item(":", node.annotation, scopes)
    walk.item("value", node.value, scopes)
    walk.written.append(")")


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
