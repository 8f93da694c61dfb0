"""Expressions and imports -> their normal form, and the names that they use."""

from __future__ import annotations

import ast

from sweeps.code.source.reader import OWN_NAME, Reader, Scopes
from sweeps.code.source.scopes import Chain, ImportNode, Scope, chain_of, literal_import, scope_of

# What says under which name something was defined.
_NAMES = frozenset({"__name__", "__qualname__", "__code__", "co_name", "co_qualname", "getsource"})


# What says how something was annotated.
_ANNOTATION_READERS = frozenset({
    "__annotations__", "annotation", "get_annotations", "get_overloads", "get_type_hints",
    "getfullargspec",
})  # fmt: skip

# All globals of whatever it is asked of; as a rule that is the module it stands in.
_GLOBALS = frozenset({"__globals__", "f_globals", "f_locals"})


def augmented(reader: Reader, node: ast.AugAssign, scopes: Scopes) -> None:
    """Write ``x += 1``, which reads ``x``: in a class that may be the global one."""
    if isinstance(node.target, ast.Name):
        reader.refer((node.target.id,), scopes, node.lineno)
    reader.fields(node, scopes)


def operator(reader: Reader, node: ast.AST, scopes: Scopes) -> None:
    """Write an operator by its name alone."""
    reader.written.append(node.__class__.__name__)


def constant(reader: Reader, node: ast.Constant, scopes: Scopes) -> None:
    """Write a constant; its type shows."""
    value = node.value
    if value.__class__ is str:
        reader.literals.add(value)
    reader.written.append(_constant(value))


def importing(reader: Reader, node: ImportNode, scopes: Scopes) -> None:
    """Write an import statement, and note it."""
    reader.imports.append(node)
    reader.fields(node, scopes)


def subscript(reader: Reader, node: ast.Subscript, scopes: Scopes) -> None:
    """Write ``a[b]``; ``sys.modules["a"]`` uses that module."""
    if literal := literal_import(node):
        reader.references.setdefault(literal, node.lineno)
    reader.fields(node, scopes)


def name(reader: Reader, node: ast.Name, scopes: Scopes) -> None:
    """Write a name, and note it where it is used and not bound."""
    if node.id in _ANNOTATION_READERS:
        reader.reads_annotations = True
    is_own = node.id == reader.own_name and scope_of(node.id, scopes) is None
    reader.written.append(OWN_NAME if is_own else node.id)
    if node.ctx.__class__ is ast.Load or (scopes and node.id in scopes[-1].globals):
        reader.refer((node.id,), scopes, node.lineno)


def attribute(reader: Reader, node: ast.Attribute, scopes: Scopes) -> None:
    """Write ``a.b.c``, and note it as a whole."""
    if node.attr in _NAMES:
        reader.is_by_name = True
    if node.attr in _ANNOTATION_READERS:
        reader.reads_annotations = True
    if node.attr in _GLOBALS:
        reader.refer(("globals",), scopes, node.lineno)
    chain = chain_of(node)
    if not chain:
        reader.fields(node, scopes)
        return
    is_own = chain[0] == reader.own_name and scope_of(chain[0], scopes) is None
    reader.written.append(".".join((OWN_NAME, *chain[1:]) if is_own else chain))
    reader.refer(chain, scopes, node.lineno)


def call(reader: Reader, node: ast.Call, scopes: Scopes) -> None:
    """Write a call; one that imports may name its module."""
    chain = chain_of(node)
    if chain == ("vars",) and node.args:  # of some object: reaches no global
        reader.written.append("vars")
        reader.item("args", node.args, scopes)
        return
    if chain and chain[-1] in ("import_module", "__import__"):
        _importing_call(reader, node, chain)
    reader.literals.update(_joined(node.args))  # as of os.path.join
    reader.fields(node, scopes)


def division(reader: Reader, node: ast.BinOp, scopes: Scopes) -> None:
    """Write an operation; ``folder / "bin" / "solver"`` may be a path."""
    if node.op.__class__ is ast.Div:
        steps: list[ast.expr] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp) and left.op.__class__ is ast.Div:
            steps.append(left.right)
            left = left.left
        reader.literals.update(_joined([left, *reversed(steps)]))
    reader.fields(node, scopes)


def _joined(parts: list[ast.expr]) -> list[str]:
    """Return the path that the last of some parts make, if they are texts."""
    texts: list[str] = []
    for part in reversed(parts):
        if not (isinstance(part, ast.Constant) and isinstance(part.value, str)):
            break
        texts.append(part.value)
    return ["/".join(reversed(texts))] if len(texts) > 1 else []


def _importing_call(reader: Reader, node: ast.Call, chain: Chain) -> None:
    """Note what is imported by a call, or how its made-up name begins."""
    name = next(iter([*node.args, *(k.value for k in node.keywords)]), None)
    if literal := literal_import(node):
        reader.references.setdefault(literal, node.lineno)
        reader.literal_imports.add(chain)
        has_more = len(node.args) + len(node.keywords) > 1
        if chain[-1] == "__import__" and has_more:  # of ``fromlist``
            reader.unknown_imports.setdefault(".".join((*literal[1], "")), node.lineno)
    elif isinstance(name, ast.Name) and name.id == "__name__":
        reader.literal_imports.add(chain)
    elif name is not None and _beginning(name):
        reader.literal_imports.add(chain)
        reader.unknown_imports.setdefault(_beginning(name), node.lineno)


def formatted(reader: Reader, node: ast.JoinedStr, scopes: Scopes) -> None:
    """Join the texts between the values of a formatted string, as not all Pythons do."""
    reader.written.append("JoinedStr(")
    text = ""
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += str(part.value)
            reader.literals.add(str(part.value))
            continue
        reader.written.append(f"{text!r},")
        text = ""
        reader.node(part, scopes)
    reader.written.append(f"{text!r})")


def comprehension(
    reader: Reader,
    node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp,
    scopes: Scopes,
) -> None:
    """Write a comprehension: its first iterable is evaluated outside of it, all else inside."""
    inner = Scope()
    inner.bind_all_in(generator.target for generator in node.generators)
    inside = (*(scope for scope in scopes if not scope.is_class), inner)
    reader.written.append(f"{type(node).__name__}(")
    for position, generator in enumerate(node.generators):
        reader.node(generator.iter, inside if position else scopes)
        reader.written.append(f" async={generator.is_async} for ")
        reader.node(generator.target, inside)
        reader.item("if", generator.ifs, inside)
    parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    reader.item("of", parts, inside)
    reader.written.append(")")


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
