"""Which names are local to a function, a class or a comprehension."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

ImportNode = ast.Import | ast.ImportFrom
Function = ast.FunctionDef | ast.AsyncFunctionDef
Definer = Function | ast.Lambda | ast.ClassDef
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


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


@dataclass
class Scope:
    """The names that a function, class or comprehension binds; imports with their statements."""

    names: dict[str, list[ImportNode]] = field(default_factory=dict)
    globals: set[str] = field(default_factory=set)
    is_class: bool = False

    def bind(self, *names: str | None) -> None:
        """Make names local, unless a ``global`` statement says otherwise."""
        for name in names:
            if name and name not in self.globals:
                self.names.setdefault(name, [])

    def bind_all_in(self, nodes: Iterable[ast.AST]) -> None:
        """Bind what these nodes bind in their own scope; inner scopes keep theirs."""
        stack = list(nodes)
        everything: list[ast.AST] = []
        while stack:
            node = stack.pop()
            everything.append(node)
            if isinstance(node, ast.Global):
                self.globals.update(node.names)
            if isinstance(node, _COMPREHENSIONS):  # only a walrus looks out of it
                stack += [n.target for n in ast.walk(node) if isinstance(n, ast.NamedExpr)]
            elif not isinstance(node, _SCOPES):
                stack += ast.iter_child_nodes(node)
        for node in everything:
            match node:
                case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                    self.bind(name)
                case ast.Import() | ast.ImportFrom():
                    for name in imported_names(node):
                        self.bind(name)
                        if name in self.names:
                            self.names[name].append(node)
                case (
                    ast.FunctionDef(name=name)
                    | ast.AsyncFunctionDef(name=name)
                    | ast.ClassDef(name=name)
                    | ast.ExceptHandler(name=name)
                    | ast.MatchAs(name=name)
                    | ast.MatchStar(name=name)
                    | ast.MatchMapping(rest=name)
                ):
                    self.bind(name)


def function_scope(node: Function | ast.Lambda) -> Scope:
    """Return what is local to a function."""
    scope = Scope()
    scope.bind_all_in(node.body if isinstance(node.body, list) else [node.body])
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
