"""Functions and classes -> their normal form: which decorators, defaults, annotations count."""

from __future__ import annotations

import ast

from sweeps.code.source.reader import OWN_NAME, Reader, Scopes, says_nothing
from sweeps.code.source.scopes import (
    Function,
    ImportNode,
    Scope,
    bound_name,
    chain_of,
    function_scope,
    parameters,
    type_parameters,
)

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


def function(reader: Reader, node: Function | ast.Lambda, scopes: Scopes) -> None:
    """Write a function: its decorators, its signature, and its body with what is local to it."""
    reader.written.append(type(node).__name__ + "(")
    annotated = False
    if not isinstance(node, ast.Lambda):
        is_own = node.name == reader.own_name and not scopes
        reader.written.append(OWN_NAME if is_own else node.name)
        annotated = not _decorators(reader, node, scopes) or reader.counts_annotations
    for kind, parameter, default in parameters(node.args):
        reader.written.append(f" {kind}:{parameter.arg}")
        if default and default not in reader.without:
            reader.item("", default, scopes)
        if annotated:
            reader.item(":", parameter.annotation, scopes)
    if annotated and not isinstance(node, ast.Lambda):
        reader.item("->", node.returns, scopes)
    inner = function_scope(node, has_walrus=reader.has_walrus)
    visible = tuple(scope for scope in scopes if not scope.is_class)
    reader.item("body", node.body, (*visible, inner))
    reader.written.append(")")


def _decorators(reader: Reader, node: Function | ast.ClassDef, scopes: Scopes) -> bool:
    """Write the decorators that count; return whether all of them ignore annotations."""
    counting = [d for d in node.decorator_list if not reader.ignores_decorator(node, d)]
    reader.item("decorators", counting, scopes)
    return all(
        _last_name(d) in _DECORATORS_BLIND_TO_ANNOTATIONS or not reader.looks_at_annotations(d)
        for d in counting
    )


def variable(reader: Reader, node: ast.AnnAssign, scopes: Scopes) -> None:
    """Write ``x: int = 1`` as ``x = 1``: outside of classes hardly anything reads annotations."""
    if reader.counts_annotations:
        reader.fields(node, scopes)
    elif node.value is not None:
        reader.fields(ast.Assign(targets=[node.target], value=node.value), scopes)


def class_(reader: Reader, node: ast.ClassDef, scopes: Scopes) -> None:
    """Write a class: its decorators, its bases, and its body as it runs downwards."""
    reader.written.append(f"ClassDef({node.name} ")
    blind = _decorators(reader, node, scopes) and all(
        _last_name(base) in _BASES_BLIND_TO_ANNOTATIONS or not reader.looks_at_annotations(base)
        for base in (*node.bases, *(k.value for k in node.keywords if k.arg == "metaclass"))
    )
    blind = blind and not reader.counts_annotations
    is_plain = blind and not (node.decorator_list or node.bases or node.keywords)
    generic = Scope()
    generic.bind(*type_parameters(node))
    scopes = (*scopes, generic)
    reader.item("bases", node.bases, scopes)
    reader.item("keywords", node.keywords, scopes)
    # A name is global until the class has bound it.
    own = Scope(is_class=True)
    for statement in node.body:
        if isinstance(statement, ImportNode):  # the module can be reached through the class
            bound = ((bound_name(statement, alias),) for alias in statement.names)
            reader.references |= {(statement, chain): statement.lineno for chain in bound}
        if isinstance(statement, ast.AnnAssign) and is_plain:
            variable(reader, statement, (*scopes, own))
        elif isinstance(statement, ast.AnnAssign):
            _annotated_field(reader, statement, blind, (*scopes, own))
        elif not says_nothing(statement):
            reader.node(statement, (*scopes, own))
        if not hasattr(statement, "orelse") and not isinstance(statement, ast.Match | ast.With):
            own.bind_all_in([statement])
    reader.written.append(")")


def _annotated_field(reader: Reader, node: ast.AnnAssign, blind: bool, scopes: Scopes) -> None:
    reader.written.append("Field(")
    reader.node(node.target, scopes)
    if blind:
        reader.written.append(_field_marker(node.annotation))
    else:
        reader.item(":", node.annotation, scopes)
    reader.item("value", node.value, scopes)
    reader.written.append(")")


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
