"""A statement -> what running it may change and what it calls, as names of the module around it.

It does not follow names to other modules: `changes` does. Of ``a.b["x"].c()`` it keeps the chain
``a.b`` and the number of steps behind it. A local name of a function stands for what it was bound
to: after ``row = TABLE["x"]``, ``row["y"] = 1`` changes `TABLE`.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from sweeps.code.source.scopes import (
    Chain,
    Function,
    ImportNode,
    Reference,
    Scope,
    chain_of,
    function_scope,
    is_summary_of,
    literal_import,
    parameters,
    scope_of,
)

# Builtins that as a statement of their own change none of their arguments.
_HARMLESS_CALLS = frozenset({"print", "repr", "len", "isinstance", "help", "breakpoint"})

# Methods that change nothing of what they are called on, as far as numpy's, pandas' and Python's
# own objects go. Any other may: ``TABLE.pop("a")``, ``registry.register(f)``.
HARMLESS_METHODS = frozenset({
    "get", "keys", "values", "items", "copy", "index", "count", "format", "join", "split", "strip",
    "lower", "upper", "title", "startswith", "endswith", "replace", "encode", "decode", "union",
    "intersection", "difference", "mean", "sum", "min", "max", "std", "var", "prod", "dot",
    "astype", "reshape", "ravel", "flatten", "tolist", "item", "transpose", "cumsum", "argmax",
    "argmin", "round", "conj", "any", "all", "with_name", "with_suffix", "joinpath", "resolve",
    "exists", "read_text", "read_bytes", "as_posix", "isoformat", "total_seconds",
})  # fmt: skip

_ACT = frozenset({"setattr", "delattr", "next", "islice"})

_UNBOUND = frozenset({"list", "dict", "set", "object", "bytearray", "deque"})


@dataclass
class Effects:
    """What running a piece of source does to the names of its module.

    Attributes
    ----------
    changed
        What it changes, and whether that may go deeper than the thing itself:
        ``TABLE["x"] = 1`` changes the table, ``TABLE["x"]["y"] = 1`` something in it.
    called
        What it calls, and whether a call is a statement of its own.
    passed
        What it calls within an expression, and what it passes there.
    bases
        Bases and metaclasses of the classes that it makes.
    imports
        Its import statements.
    changes_parameters
        Whether a function in it changes something that was passed to it.
    """

    changed: dict[tuple[Reference, bool], None] = field(default_factory=dict)
    called: dict[Reference, bool] = field(default_factory=dict)
    passed: list[tuple[Reference, list[Reference]]] = field(default_factory=list)
    bases: list[list[Reference]] = field(default_factory=list)
    imports: list[ImportNode] = field(default_factory=list)
    changes_parameters: bool = False


def effects(
    node: ast.AST, experiments: Collection[str] = (), *, inside_functions: bool = False
) -> Effects:
    """Find what running a statement does; with `inside_functions`, what calling all in it does.

    Examples
    --------
    >>> found = effects(ast.parse("register(TABLE.sub)").body[0])
    >>> [chain for (_, chain), _ in found.changed], [chain for _, chain in found.called]
    ([('TABLE', 'sub')], [('register',)])
    """
    walk = _Walk(experiments, inside_functions)
    walk.node(node, ())
    return walk.found


# ---- what a name stands for


@dataclass
class _Local(Scope):
    """A scope that knows what its names may stand for."""

    aliases: dict[str, list[tuple[ast.expr, bool]]] = field(default_factory=dict)
    passed: frozenset[str] = frozenset()

    def add_aliases(self, target: ast.AST, value: ast.expr, *, deep: bool) -> None:
        """Note that the names in a target stand for a value, or with `deep` for what is in it."""
        for name in ast.walk(target):
            if isinstance(name, ast.Name) and not isinstance(name.ctx, ast.Load):
                is_part = deep or name is not target
                self.aliases.setdefault(name.id, []).append((value, is_part))


_Scopes = tuple[_Local, ...]


def _local_scope(node: Function | ast.Lambda, *, is_method: bool = False) -> _Local:
    """Return what is local to a function, and what its names may stand for."""
    plain = function_scope(node)
    passed = [argument.arg for _, argument, _ in parameters(node.args)]
    own = {passed[0]} if is_method and passed else set()  # ``self`` is not passed by who calls
    scope = _Local(names=plain.names, globals=plain.globals, passed=frozenset(passed) - own)
    scope.aliases |= {name: [] for name in own}
    for inner in ast.walk(node) if not isinstance(node, ast.Lambda) else ():
        for target, value, deep in bindings(inner):
            scope.add_aliases(target, value, deep=deep)
    return scope


def bindings(node: ast.AST) -> Iterator[tuple[ast.AST, ast.expr, bool]]:
    """Return (target, value, whether the target is only a part of the value)."""
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from ((target, value, False) for target in targets)
        case (
            ast.AnnAssign(target=target, value=ast.expr() as value)
            | ast.NamedExpr(target=target, value=value)
        ):
            yield target, value, False
        case ast.For(target=target, iter=value) | ast.AsyncFor(target=target, iter=value):
            yield target, value, True
        case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
            yield target, value, True


def chains_in(value: ast.expr, *, deep: bool) -> Iterator[Chain]:
    """Return the chains that a value may be, or with `deep` that may be in it.

    Of a call it is what is called: a method may return a part of its object, and what a function
    returns can be looked at.

    Examples
    --------
    >>> value = ast.parse("registry.TABLE if big else {'a': other}", mode="eval").body
    >>> [*chains_in(value, deep=False)], [*chains_in(value, deep=True)]
    ([('registry', 'TABLE')], [('registry', 'TABLE'), ('other',)])
    """
    inner: list[ast.expr] = []
    match value:
        case ast.Name() | ast.Attribute() | ast.Subscript() | ast.Starred() | ast.Await():
            yield from filter(None, [_root(value)[0]])
        case ast.Call():
            yield from filter(None, [_root(value)[0]])
            inner = [*value.args, *(keyword.value for keyword in value.keywords)] if deep else []
        case ast.IfExp():
            inner = [value.body, value.orelse]
        case ast.BoolOp():
            inner = value.values
        case ast.NamedExpr():
            inner = [value.value]
        case ast.Tuple() | ast.List() | ast.Set() if deep:
            inner = value.elts
        case ast.Dict() if deep:
            inner = value.values
    for each in inner:
        yield from chains_in(each, deep=deep)


def _root(node: ast.AST) -> tuple[Chain, int]:
    """Return the chain that ``a.b["x"].c()[0]`` starts with, and how many steps lead on from it."""
    steps: list[str] = []
    n_steps = 0
    while True:
        match node:
            case ast.Attribute(value=inner, attr=name):
                steps.append(name)
            case ast.Call(func=ast.Name(id="vars"), args=[inner]):  # of a module it is all
                steps = []
            case ast.Subscript(value=inner) | ast.Call(func=inner):
                n_steps += len(steps) + 1
                steps = []
            case ast.Starred(value=inner) | ast.Await(value=inner):
                pass
            case ast.Name(id=name):
                return (name, *reversed(steps)), n_steps
            case _:
                return (), 0
        node = inner


def _is_local(name: str, scopes: _Scopes) -> bool:
    """Say whether a name is a local one, and not that of a local import."""
    scope = scope_of(name, scopes)
    return scope is not None and not scope.names[name]


def _in_module(chain: Chain, scopes: _Scopes) -> list[Reference]:
    """Return a chain as a name of the module or of an import; nothing where it is local."""
    scope = scope_of(chain[0], scopes)
    return [(None, chain)] if scope is None else [(node, chain) for node in scope.names[chain[0]]]


# ---- what is done


def _acts_anyway(chain: Chain) -> bool:
    """Say whether a call changes something though its value is used.

    ``next(counter)``, ``dict.update(TABLE, a=1)``, and ``np.random.rand()``, which takes numbers
    from a state that all share.
    """
    match chain:
        case (*_, name) if name in _ACT:
            return True
        case (name, method) if name in _UNBOUND and method not in HARMLESS_METHODS:
            return True
        case (*_, "random", name):
            return name.islower() and name not in ("default_rng", "get_state", "getstate")
    return False


class _Walk:
    """Goes down a piece of source in the order in which Python runs it."""

    def __init__(self, experiments: Collection[str], inside_functions: bool) -> None:
        self.found = Effects()
        self.experiments = experiments
        self.inside_functions = inside_functions

    def node(self, node: ast.AST, scopes: _Scopes) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.decorators(node, scopes)
                self.all([*node.args.defaults, *filter(None, node.args.kw_defaults)], scopes)
                if self.inside_functions:
                    is_method = bool(scopes) and scopes[-1].is_class
                    self.all(node.body, (*scopes, _local_scope(node, is_method=is_method)))
            case ast.Lambda():
                if self.inside_functions:
                    self.node(node.body, (*scopes, _local_scope(node)))
            case ast.ClassDef():
                self.class_(node, scopes)
            case ast.Import() | ast.ImportFrom():
                self.found.imports.append(node)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                inner = _Local()
                inner.bind_all_in(generator.target for generator in node.generators)
                for generator in node.generators:
                    inner.add_aliases(generator.target, generator.iter, deep=True)
                self.all(ast.iter_child_nodes(node), (*scopes, inner))
            case ast.Expr(value=ast.Call() as call):
                if not is_summary_of(call.func, self.experiments):
                    self.call(call, scopes, is_statement=True)
            case ast.Assign(targets=[ast.Name(id="_")], value=ast.Call() as call):
                self.call(call, scopes, is_statement=True)  # what it gives is thrown away
            case ast.Call():
                self.call(node, scopes)
            case ast.Attribute(ctx=ast.Store() | ast.Del()) if chain := chain_of(node):
                # ``settings.TABLE = ...`` binds a name of a module, or changes an object.
                bound = chain[:-1] if _is_local(chain[0], scopes) else chain
                self.change(bound, scopes, deep=False)
                self.all(ast.iter_child_nodes(node), scopes)
            case (
                ast.Attribute(ctx=ast.Store() | ast.Del())
                | ast.Subscript(ctx=ast.Store() | ast.Del())
            ):
                chain, n_steps = _root(node)
                self.change(chain, scopes, deep=n_steps > 1)
                self.all(ast.iter_child_nodes(node), scopes)
            case ast.AugAssign(target=ast.Name(id=name)):
                self.change((name,), scopes, deep=False)  # in place, also of what is imported
                self.all(ast.iter_child_nodes(node), scopes)
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                if scopes and name in scopes[-1].globals:
                    self.found.changed[(None, (name,)), False] = None
            case _:
                self.all(ast.iter_child_nodes(node), scopes)

    def all(self, nodes: Iterable[ast.AST], scopes: _Scopes) -> None:
        for node in nodes:
            self.node(node, scopes)

    def decorators(self, node: Function | ast.ClassDef, scopes: _Scopes) -> None:
        for decorator in node.decorator_list:
            if is_summary_of(decorator, self.experiments):
                continue
            if isinstance(decorator, ast.Call):
                self.call(decorator, scopes)
            if chain := chain_of(decorator):
                self.called(chain, scopes)

    def class_(self, node: ast.ClassDef, scopes: _Scopes) -> None:
        self.decorators(node, scopes)
        above = [*node.bases, *(k.value for k in node.keywords if k.arg == "metaclass")]
        self.derive(above, scopes)
        own = _Local(is_class=True)
        own.bind_all_in(node.body)
        self.all([*node.bases, *node.keywords], scopes)
        self.all(node.body, (*scopes, own))

    def derive(self, bases: Iterable[ast.expr], scopes: _Scopes) -> None:
        """Note a class that is made of others; of ``Generic[T]`` that is ``Generic``."""
        chains = (_root(base)[0] for base in bases)
        self.found.bases.append([r for chain in chains if chain for r in _in_module(chain, scopes)])

    def call(self, node: ast.Call, scopes: _Scopes, *, is_statement: bool = False) -> None:
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        chain = chain_of(node.func)
        is_statement = is_statement or _acts_anyway(chain)
        passed = [] if chain and chain[-1] in _HARMLESS_CALLS else [_root(g)[0] for g in given]
        outs = [_root(k.value)[0] for k in node.keywords if k.arg in ("out", "inplace")]
        for each in passed if is_statement else outs:
            self.change(each, scopes, deep=True)
        if literal := literal_import(node):
            self.found.imports.append(literal[0])
        match node:
            case ast.Call(
                func=ast.Name(id="type") | ast.Attribute(attr="new_class"),
                args=[_, ast.Tuple(elts=above), *_],
            ):
                self.derive(above, scopes)
        if chain:
            references = [r for each in passed for r in self.stands_for(each, scopes)]
            if references:
                self.found.passed.extend((r, references) for r in _in_module(chain, scopes))
            self.called(chain, scopes, is_statement=is_statement)
        elif isinstance(node.func, ast.Attribute) and node.func.attr not in HARMLESS_METHODS:
            inner, n_steps = _root(node.func.value)
            self.change(inner, scopes, deep=n_steps > 0)
        self.all([node.func, *given], scopes)

    def called(self, chain: Chain, scopes: _Scopes, *, is_statement: bool = False) -> None:
        for reference in _in_module(chain, scopes):
            self.found.called[reference] = is_statement or self.found.called.get(reference, False)
        if "__dict__" in chain[1:]:
            self.change(chain[: chain.index("__dict__", 1)], scopes, deep=True)
        if len(chain) > 1 and chain[-1] not in HARMLESS_METHODS and _is_local(chain[0], scopes):
            self.change(chain[:-1], scopes, deep=False)

    def change(self, chain: Chain, scopes: _Scopes, *, deep: bool) -> None:
        for reference in self.stands_for(chain, scopes):
            self.found.changed[reference, deep] = None

    def stands_for(self, chain: Chain, scopes: _Scopes) -> list[Reference]:
        """Return the names of the module, or imports, that a chain may stand for."""
        found: list[Reference] = []
        pending, seen = [chain] if chain else [], {chain}
        while pending:
            chain = pending.pop()
            found += _in_module(chain, scopes)
            scope = scope_of(chain[0], scopes)
            if scope is None or scope.names[chain[0]]:
                continue
            self.found.changes_parameters |= chain[0] in scope.passed
            for value, deep in scope.aliases.get(chain[0], ()):
                new = {*chains_in(value, deep=deep)} - seen
                seen |= new
                pending += new
        return found
