"""A statement -> what running it may change and what it calls, as names of the module around it."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from sweeps.code.reach.aliases import (
    Local,
    Scopes,
    in_module,
    is_local,
    local_scope,
    outside,
    place_of,
)
from sweeps.code.source.scopes import (
    Chain,
    Function,
    ImportNode,
    Reference,
    chain_of,
    is_summary_of,
    literal_import,
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


@dataclass(frozen=True)
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
    found = walk.found
    return Effects(**{**vars(found), "changes_parameters": walk.changes_parameters})


class _Walk:
    def __init__(self, experiments: Collection[str], inside_functions: bool) -> None:
        self.found = Effects()
        self.changes_parameters = False
        self.experiments = experiments
        self.inside_functions = inside_functions

    def node(self, node: ast.AST, scopes: Scopes) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.decorators(node, scopes)
                self.all([*node.args.defaults, *filter(None, node.args.kw_defaults)], scopes)
                if self.inside_functions:
                    is_method = bool(scopes) and scopes[-1].is_class
                    self.all(node.body, (*scopes, local_scope(node, is_method=is_method)))
            case ast.Lambda():
                if self.inside_functions:
                    self.node(node.body, (*scopes, local_scope(node)))
            case ast.ClassDef():
                self.class_(node, scopes)
            case ast.Import() | ast.ImportFrom():
                self.found.imports.append(node)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                inner = Local()
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
            case ast.Attribute(ctx=ast.Store() | ast.Del()):
                # ``settings.TABLE = ...`` binds a name of a module, or changes an object.
                self.change(node, scopes)
                self.all(ast.iter_child_nodes(node), scopes)
            case ast.Subscript(ctx=ast.Store() | ast.Del()):
                self.change(node, scopes)
                self.all(ast.iter_child_nodes(node), scopes)
            case ast.AugAssign(target=ast.Name(id=name)):
                self.change_chain((name,), scopes, deep=False)  # in place, also of what is imported
                self.all(ast.iter_child_nodes(node), scopes)
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                if scopes and name in scopes[-1].globals:
                    self.found.changed[(None, (name,)), False] = None
            case _:
                self.all(ast.iter_child_nodes(node), scopes)

    def all(self, nodes: Iterable[ast.AST], scopes: Scopes) -> None:
        for node in nodes:
            self.node(node, scopes)

    def decorators(self, node: Function | ast.ClassDef, scopes: Scopes) -> None:
        for decorator in node.decorator_list:
            if is_summary_of(decorator, self.experiments):
                continue
            if isinstance(decorator, ast.Call):
                self.call(decorator, scopes)
            if chain := chain_of(decorator):
                self.called(chain, scopes)

    def class_(self, node: ast.ClassDef, scopes: Scopes) -> None:
        self.decorators(node, scopes)
        above = [*node.bases, *(k.value for k in node.keywords if k.arg == "metaclass")]
        self.found.bases.append([r for each in above for r in self.named(each, scopes)])
        own = Local(is_class=True)
        own.bind_all_in(node.body)
        self.all([*node.bases, *node.keywords], scopes)
        self.all(node.body, (*scopes, own))

    def named(self, node: ast.expr, scopes: Scopes) -> list[Reference]:
        """Return what a base of a class refers to; of ``Generic[T]`` it is ``Generic``."""
        chain = place_of(node)[0]
        return in_module(chain, scopes) if chain else []

    def call(self, node: ast.Call, scopes: Scopes, *, is_statement: bool = False) -> None:
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        chain = chain_of(node.func)
        is_statement = is_statement or _acts_anyway(chain)
        passed = [] if chain and chain[-1] in _HARMLESS_CALLS else [*map(place_of, given)]
        if is_statement:
            for place in passed:
                self.change_chain(place[0], scopes, deep=True)
        else:
            outs = [k.value for k in node.keywords if k.arg in ("out", "inplace")]
            for value in outs:
                self.change_chain(place_of(value)[0], scopes, deep=True)
        if literal := literal_import(node):
            self.found.imports.append(literal[0])
        match node:
            case ast.Call(
                func=ast.Name(id="type") | ast.Attribute(attr="new_class"),
                args=[_, ast.Tuple(elts=above), *_],
            ):
                self.found.bases.append([r for each in above for r in self.named(each, scopes)])
        if chain:
            references = [r for p in passed if p[0] for r in self.outside(p[0], scopes)]
            if references:
                self.found.passed.extend((r, references) for r in in_module(chain, scopes))
            self.called(chain, scopes, is_statement=is_statement)
        elif isinstance(node.func, ast.Attribute) and node.func.attr not in HARMLESS_METHODS:
            inner, n_steps = place_of(node.func.value)
            self.change_chain(inner, scopes, deep=n_steps > 0)
        self.all([node.func, *given], scopes)

    def called(self, chain: Chain, scopes: Scopes, *, is_statement: bool = False) -> None:
        for reference in in_module(chain, scopes):
            self.found.called[reference] = is_statement or self.found.called.get(reference, False)
        if "__dict__" in chain[1:]:
            self.change_chain(chain[: chain.index("__dict__", 1)], scopes, deep=True)
        if len(chain) > 1 and chain[-1] not in HARMLESS_METHODS and is_local(chain[0], scopes):
            self.change_chain(chain[:-1], scopes, deep=False)

    def change(self, node: ast.Attribute | ast.Subscript, scopes: Scopes) -> None:
        if isinstance(node, ast.Attribute) and (chain := chain_of(node)):
            self.change_chain(chain, scopes, deep=False, is_bound=True)
        else:
            chain, n_steps = place_of(node)
            self.change_chain(chain, scopes, deep=n_steps > 1)

    def change_chain(
        self,
        chain: Chain,
        scopes: Scopes,
        *,
        deep: bool,
        is_bound: bool = False,
    ) -> None:
        if not chain:
            return
        if is_bound and is_local(chain[0], scopes):
            chain = chain[:-1]
        for reference in self.outside(chain, scopes):
            self.found.changed[reference, deep] = None

    def outside(self, chain: Chain, scopes: Scopes) -> list[Reference]:
        found, is_parameter = outside(chain, scopes)
        self.changes_parameters |= is_parameter
        return found
