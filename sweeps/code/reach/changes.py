"""What importing modules changes: in their own names, in other modules', and outside of all.

`Changes` records which statements, of all modules that are imported, change a name. `_Follower`
finds what one statement changes, from its `effects`: it follows names to other modules and to what
they stand for, and looks into the functions that the statement calls, with all that these reach: a
decorator that fills a table of its own module, the ``__init_subclass__`` of a base, a method.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field

from sweeps.code.reach.effects import HARMLESS_METHODS, Effects, bindings, chains_in, effects
from sweeps.code.source.module import Module
from sweeps.code.source.names import ALL, Place, Resolver, imports_by_name
from sweeps.code.source.scopes import Function, ImportNode, Reference, chain_of

# A function of a library that is called within an expression changes something, if so named.
_SETTERS = ("set", "seed", "enable", "disable", "register", "patch", "install", "configure", "use")

# These give what is there already; others, as ``pd.DataFrame``, make something new.
_GETTERS = ("get", "current", "default", "instance")

# A top-level ``jax.config.update(...)`` or ``mpmath.mp.dps = 50`` changes results from afar, so it
# counts if its module is imported; what is done to these packages changes no result.
_NO_EFFECT_ON_RESULTS = frozenset({"sys", "logging", "warnings", "matplotlib", "sweeps"})

_Global = tuple[Module, str]

_Noted = dict[Module, dict[str, dict[Module, list[ast.stmt]]]]
"""Module -> its name -> module -> statements there that change it."""


@dataclass
class Changed:
    """What a statement changes when its module is imported.

    Attributes
    ----------
    places
        Globals of the project; the name `ALL` is a module with whatever it has.
    derived
        Classes of the project that it makes subclasses of.
    outside
        Qualified names of other things.
    imports
        Import statements of functions that it calls.
    """

    places: dict[tuple[Module, str], None] = field(default_factory=dict)
    derived: dict[tuple[Module, str], None] = field(default_factory=dict)
    outside: dict[str, None] = field(default_factory=dict)
    imports: dict[tuple[Module, ImportNode], None] = field(default_factory=dict)


class Changes:
    """Knows which statements of the modules that are imported change what.

    Attributes
    ----------
    entered
        Modules that are sure to be imported.
    counts_subclasses
        Whether making a subclass changes a class, as something asks for these.
    """

    def __init__(
        self,
        names: Resolver,
        references: Callable[[Module, ast.stmt], Iterable[Reference]],
    ) -> None:
        self.entered: set[Module] = set()
        self.counts_subclasses = False
        self._names = names
        self._follower = _Follower(names, references)
        self._changing: _Noted = {}
        self._deriving: _Noted = {}

    def enter(self, module: Module) -> Iterator[tuple[Module, ast.stmt]]:
        """Note what a module, and those that it imports, change when imported.

        Return statements that change something outside of the project, each before the next is
        looked at: what is read of it may enter more modules.
        """
        pending = [module]
        while pending:
            module = pending.pop()
            if module not in self.entered:
                self.entered.add(module)
                imports = [node for nodes in module.space.imports.values() for node in nodes]
                pending += self._names.imported(module, [*imports, *module.space.stars])
                for statement in module.space.body:
                    if not _changes_nothing(statement):
                        pending += yield from self._note(module, statement)

    def of(self, module: Module, name: str) -> Iterator[tuple[Module, list[ast.stmt]]]:
        """Return the statements that change a name from elsewhere, by their modules."""
        for noted in (self._changing, *([self._deriving] if self.counts_subclasses else ())):
            by_name = noted.get(module, {})
            for key in (name, ALL):
                # A copy: what is read of a statement may enter modules that change the name too.
                yield from [*by_name.get(key, {}).items()]

    def makers(self, module: Module, name: str) -> set[ast.stmt]:
        """Return the statements of a module that make or change a name of its own."""
        changers = self._changing.get(module, {}).get(name, {}).get(module, ())
        return {*module.space.statements.get(name, ()), *changers}

    def names(self, module: Module) -> list[str]:
        """Return the names of a module that anything changes or derives from."""
        return sorted({*self._changing.get(module, ()), *self._deriving.get(module, ())})

    def _note(
        self, module: Module, statement: ast.stmt
    ) -> Generator[tuple[Module, ast.stmt], None, list[Module]]:
        """Note what a statement changes; return the modules that running it imports."""
        changed, done = self._follower.follow(module, statement)
        brought = self._names.imported(module, done.imports)
        for owner, node in changed.imports:
            brought += self._names.imported(owner, [node])
        for places, noted in (
            (changed.places, self._changing),
            (changed.derived, self._deriving),
        ):
            for owner, name in places:
                if owner is module and statement in module.space.statements.get(name, ()):
                    continue
                by = noted.setdefault(owner, {}).setdefault(name, {})
                by.setdefault(module, []).append(statement)
        if any(name.partition(".")[0] not in _NO_EFFECT_ON_RESULTS for name in changed.outside):
            yield module, statement
        if any(
            imports_by_name(place.name)
            for reference in done.called
            for place in self._names.places(module, reference)
            if place.module is None
        ):
            brought += self._names.neighbours(module)
        return brought


class _Follower:
    """Finds what a statement changes, wherever that is."""

    def __init__(
        self,
        names: Resolver,
        references: Callable[[Module, ast.stmt], Iterable[Reference]],
    ) -> None:
        self._names = names
        self._references = references
        self._written: dict[_Global, Changed] = {}
        self._writing: dict[_Global, tuple[Changed, list[_Global]]] = {}

    def follow(self, module: Module, statement: ast.stmt) -> tuple[Changed, Effects]:
        """Find what a top-level statement of a module changes when it runs."""
        found = Changed()
        done = effects(statement, module.space.experiments)
        for reference, deep in done.changed:
            self._spread(module, reference, deep, found)
        for reference, is_statement in done.called.items():
            self._call(module, reference, found, is_statement)
        for callee, passed in done.passed:
            if any(self._changes_parameters(place) for place in self._places(module, callee)):
                for reference in passed:
                    self._spread(module, reference, True, found)
        for above in done.bases:
            self._derive(module, above, found)
        return found, done

    # ---- kinds of effects

    def _spread(self, module: Module, reference: Reference, deep: bool, found: Changed) -> None:
        """Note what is changed, and what it may be another name of."""
        pending = [(module, reference)]
        seen = set(pending)
        is_itself = not deep  # seldom is a function changed by being passed
        while pending:
            module, reference = pending.pop()
            if reference == (None, ("globals",)):
                found.places[module, ALL] = None
            for place in self._places(module, reference):
                if place.module is None:
                    found.outside[place.name] = None
                    continue
                is_function, aliases = self._aliases(place, deep)
                if not is_function or is_itself or place.attributes:
                    found.places[place.module, place.name] = None
                new = [a for a in aliases if a not in seen]
                seen.update(new)
                pending += [a for a in new if not self._is_made_anew(*a)]
            is_itself = False

    def _aliases(self, place: Place, deep: bool) -> tuple[bool, list[tuple[Module, Reference]]]:
        """Return whether a place is a function, and other names of what it is, or is in it."""
        module, name, _ = place
        assert module is not None
        found: list[tuple[Module, Reference]] = []
        statements = module.space.statements.get(name, [])
        is_function = bool(statements) and all(isinstance(s, Function) for s in statements)
        for statement in statements:
            if isinstance(statement, Function):
                gives = ast.Return | ast.Yield
                returned = [n.value for n in ast.walk(statement) if isinstance(n, gives)]
                chains = {c for v in returned if v for c in chains_in(v, deep=deep)}
                found += [(module, (None, chain)) for chain in sorted(chains)]
                continue
            for node in ast.walk(statement):
                for target, value, is_part in bindings(node):
                    names = [n.id for n in ast.walk(target) if isinstance(n, ast.Name)]
                    if name in names:
                        part = deep or is_part or len(names) > 1 or self._is_own_call(module, value)
                        chains = {*chains_in(value, deep=part)}
                        found += [(module, (None, chain)) for chain in sorted(chains)]
                        # Two names for what one call made may share something.
                        if isinstance(value, ast.Call):
                            found += [(module, (None, (n,))) for n in names if n != name]
        return is_function, found

    def _is_own_call(self, module: Module, value: ast.expr) -> bool:
        """Say whether the project makes a value, which may then keep what was passed to it."""
        chain = chain_of(value) if isinstance(value, ast.Call) else ()
        return bool(chain) and any(p.module for p in self._places(module, (None, chain)))

    def _is_made_anew(self, module: Module, reference: Reference) -> bool:
        """Say whether a name is a function of a library that makes something new."""
        places = [*self._places(module, reference)]
        last = reference[1][-1]
        return all(p.module is None for p in places) and not last.startswith(_GETTERS)

    def _call(
        self, module: Module, reference: Reference, found: Changed, is_statement: bool
    ) -> None:
        last = reference[1][-1]
        for place in self._places(module, reference):
            if place.module is None:
                if is_statement or last.startswith(_SETTERS):
                    found.outside[place.name] = None
                continue
            if place.name == ALL:
                continue
            made = place.module.space.statements.get(place.name, [])
            is_defined = all(isinstance(s, Function | ast.ClassDef) for s in made) and made
            is_object = not is_defined or place.attributes
            if is_object and last not in HARMLESS_METHODS:
                deep = len(place.attributes) > 1
                self._spread(place.module, (None, (place.name,)), deep, found)
                found.places[place.module, place.name] = None
            written = self._written_by(place.module, place.name)
            found.places |= written.places
            found.outside |= written.outside
            found.imports |= written.imports

    def _derive(self, module: Module, above: list[Reference], found: Changed) -> None:
        """Note what making a subclass changes: the classes above, where one takes notice."""
        classes = self._hierarchy(module, above)
        found.derived |= dict.fromkeys((m, name) for m, name, _ in classes)
        if any(_takes_notice(node) for _, _, node in classes):
            for owner, name, _ in classes:
                found.places[owner, name] = None
                found.places |= self._written_by(owner, name).places

    def _hierarchy(
        self, module: Module, above: list[Reference]
    ) -> list[tuple[Module, str, ast.ClassDef]]:
        """Return the project's classes among these, with their bases and metaclasses."""
        found: dict[tuple[Module, str], ast.ClassDef] = {}
        pending = [(module, reference) for reference in above]
        while pending:
            module, reference = pending.pop()
            for place in self._places(module, reference):
                owner = place.module
                if owner is None or (owner, place.name) in found:
                    continue
                for node in owner.space.statements.get(place.name, []):
                    if isinstance(node, ast.ClassDef):
                        found[owner, place.name] = node
                        values = [*node.bases, *(k.value for k in node.keywords)]
                        chains = filter(None, map(chain_of, values))
                        pending += [(owner, (None, chain)) for chain in chains]
        return [(owner, name, node) for (owner, name), node in found.items()]

    def _changes_parameters(self, place: Place) -> bool:
        nodes = place.module.space.statements.get(place.name, []) if place.module else []
        return any(
            isinstance(node, Function | ast.ClassDef)
            and effects(node, inside_functions=True).changes_parameters
            for node in nodes
        )

    # ---- what functions write

    def _written_by(self, module: Module, name: str) -> Changed:
        """Find all that is changed by what a name stands for, and by all that this reaches."""
        if (module, name) not in self._written:
            found = self._written[module, name] = Changed()
            pending, seen = [(module, name)], {(module, name)}
            while pending:
                own, referred = self._writes(*pending.pop())
                found.places |= own.places
                found.outside |= own.outside
                found.imports |= own.imports
                new = [each for each in referred if each not in seen]
                seen.update(new)
                pending += new
        return self._written[module, name]

    def _writes(self, module: Module, name: str) -> tuple[Changed, list[_Global]]:
        """Find what the definition of a name writes when called, and what it refers to.

        Kept, since most of a project is reached from many of the functions that it calls.
        """
        if (module, name) not in self._writing:
            found, referred = Changed(), dict[_Global, None]()
            for statement in module.space.statements.get(name, ()):
                done = effects(statement, module.space.experiments, inside_functions=True)
                found.imports |= dict.fromkeys((module, node) for node in done.imports)
                for reference, deep in done.changed:
                    self._spread(module, reference, deep, found)
                for reference, is_statement in done.called.items():
                    self._call_inside(module, reference, found, is_statement)
                for reference in self._references(module, statement):
                    places = self._places(module, reference)
                    referred |= dict.fromkeys((p.module, p.name) for p in places if p.module)
            self._writing[module, name] = found, [*referred]
        return self._writing[module, name]

    def _call_inside(
        self, module: Module, reference: Reference, found: Changed, is_statement: bool
    ) -> None:
        """Note the object whose method a function calls."""
        node, chain = reference
        if len(chain) == 1 or chain[-1] in HARMLESS_METHODS:
            return
        for place in self._places(module, reference):
            if place.module and place.attributes:
                self._spread(module, (node, chain[:-1]), len(place.attributes) > 1, found)
            elif place.module is None and is_statement:
                found.outside[place.name] = None

    def _places(self, module: Module, reference: Reference) -> Iterator[Place]:
        return self._names.places(module, reference)


def _takes_notice(node: ast.ClassDef) -> bool:
    """Say whether a class is told of its subclasses, or makes classes."""
    hooks = ("__init_subclass__", "__new__", "__init__", "__prepare__", "__call__")
    own = {item.name for item in node.body if isinstance(item, Function)}
    bases = {name for base in node.bases for name in chain_of(base)[-1:]}
    is_metaclass = not bases.isdisjoint({"type", "ABCMeta", "EnumMeta", "EnumType"})
    return "__init_subclass__" in own or (is_metaclass and not own.isdisjoint(hooks))


def _changes_nothing(statement: ast.stmt) -> bool:
    """Say whether a statement is sure to change nothing but the name that it binds."""
    match statement:
        case ast.FunctionDef(decorator_list=[], args=arguments):
            defaults = [*arguments.defaults, *arguments.kw_defaults]
            return all(d is None or isinstance(d, ast.Constant | ast.Name) for d in defaults)
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Assign(targets=[ast.Name()], value=ast.Constant() | ast.Name()):
            return True
    return False
