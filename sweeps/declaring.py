"""Experiments: a function, its space, and what must be known to run and label it."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sweeps import fingerprint, h5, values
from sweeps.errors import DeclarationError, unknown
from sweeps.space import ABSENT, Space, axis, grid

if TYPE_CHECKING:
    import xarray

_NAME = re.compile(r"\w[\w-]*")
_RESERVED = frozenset({"rng"})


@dataclasses.dataclass(frozen=True, eq=False)
class Experiment:
    """A function and its space; made by `experiment`, and still called like the function.

    Attributes
    ----------
    constants : mapping of str to Values
        Arguments that the space does not sweep, one value each: part of every point's key.
    """

    function: Callable[..., Any]
    space: Space
    name: str
    units: Mapping[str, str]
    dims: Mapping[str, tuple[str, ...]]
    constants: Mapping[str, values.Values]
    version: str | int | None = None
    depends_on: tuple[str, ...] = ()
    timeout: float | None = None

    def __post_init__(self) -> None:
        for attribute in functools.WRAPPER_ASSIGNMENTS:
            if hasattr(self.function, attribute):
                object.__setattr__(self, attribute, getattr(self.function, attribute))
        object.__setattr__(self, "__wrapped__", self.function)  # for inspect.signature

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself."""
        return self.function(*args, **kwargs)

    @property
    def module(self) -> str:
        """Name of the module that the function is from."""
        return getattr(self.function, "__module__", "") or ""

    @property
    def summary(self) -> str:
        """First line of the function's docstring, or else of its module's."""
        module = sys.modules.get(self.module)
        text = getattr(self.function, "__doc__", "") or getattr(module, "__doc__", "") or ""
        return text.strip().partition("\n")[0]

    def identify(self) -> fingerprint.Fingerprint:
        """Find the identity of the code; the space and the constants are not part of it."""
        return fingerprint.fingerprint(
            self.function, version=self.version, depends_on=self.depends_on
        )

    def label_tokens(self, table: values.Values) -> dict[str, str]:
        """Find the identity of the code behind labels, so that changing it makes new points."""
        return {
            element.label: fingerprint.fingerprint(element.object).digest
            for element in table.objects or ()
            if isinstance(element, values.Labelled) and callable(element.object)
        }

    def with_space(self, space: Space) -> Experiment:
        """Sweep another space; what it does not sweep is a constant again."""
        made = dataclasses.replace(self, space=space, constants=_constants(self.function, space))
        _check_parameters(made)
        return made

    def without_space(self) -> Experiment:
        """Leave out what a worker does not need: it gets its points in blocks."""
        return dataclasses.replace(self, space=Space(()), constants={})

    def with_axes(self, axes: Mapping[str, Any]) -> Experiment:
        """Replace axes of the grid, set constants, or sweep what was a constant.

        Raises
        ------
        UnknownNameError
            For a name that is no parameter.
        DeclarationError
            For values that cannot be an axis, and for a parameter that varies with others.
        """
        dimensions = list(self.space.dimensions)
        constants = dict(self.constants)
        for name, raw in axes.items():
            where = [d.name for d in dimensions if any(c.name == name for c in d.columns)]
            if where == [name]:
                index = self.space.dims.index(name) if name in self.space.dims else -1
                table = _like(self.space.columns[name].table, name, raw)
                dimensions[index] = axis(name, table)
            elif where:
                raise DeclarationError(
                    f"{name!r} varies together with others along {where[0]!r}: only the axes of a "
                    "grid and constants can be given otherwise"
                )
            elif name in _arguments(self.function):
                like = constants.pop(name, None)
                table = _like(like, name, raw)
                if len(table) == 1:
                    constants[name] = table
                else:
                    dimensions.append(axis(name, table))
            else:
                known = (*self.space.parameters, *self.constants)
                raise unknown("axis", name, known, f"of {self.name}")
        space = Space(tuple(dimensions), self.space.predicates)
        return dataclasses.replace(self, space=space, constants=constants)

    def run(self, **options: Any) -> xarray.Dataset:
        """Compute what is missing and load the results; takes what `sweeps.run` takes."""
        import sweeps

        return sweeps.run(self, **options)

    def load(self, **options: Any) -> xarray.Dataset:
        """Load the results; takes what `sweeps.load` takes."""
        import sweeps

        return sweeps.load(self.name, **options)

    def __repr__(self) -> str:
        return f"<Experiment {self.name!r}: {len(self.space.dims)} dimensions>"


def experiment(
    space: Space | Mapping[str, Any],
    *,
    name: str | None = None,
    units: Mapping[str, str] | None = None,
    dims: Mapping[str, str | Sequence[str]] | None = None,
    version: str | int | None = None,
    depends_on: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    timeout: float | None = None,
) -> Callable[[Callable[..., Any]], Experiment]:
    """Declare that a function is to be computed over a space.

    Parameters
    ----------
    space : Space
        Made by `grid`, `zipped` and `points`.
    name : str, optional
        Name of the experiment and its results file; by default the function's.
    units : mapping of str to str, optional
        Units of parameters and outputs.
    dims : mapping of str to str or sequence of str, optional
        Names of the dimensions of array outputs.
    version : str or int, optional
        Changing it makes all earlier results stale.
    depends_on : path or sequence of paths, optional
        Data files whose content belongs to the code, relative to the module's folder.
    timeout : float, optional
        Seconds after which a point is stopped and counts as failed.

    Raises
    ------
    DeclarationError
        For everything that cannot mean anything, when it is declared.

    Examples
    --------
    >>> @experiment(grid(length=[0.1, 0.2]), units={"length": "m"})
    ... def stretch(length, factor=2.0):
    ...     return length * factor
    >>> stretch(length=3.0)
    6.0
    >>> stretch.space.sizes, list(stretch.constants)
    ({'length': 2}, ['factor'])
    """
    if callable(space) and not isinstance(space, Space):
        raise DeclarationError("@experiment needs a space: @experiment(grid(length=[0.1, 0.2]))")
    if isinstance(space, Mapping):
        space = grid(**space)
    if not isinstance(space, Space):
        raise DeclarationError(
            f"@experiment takes a space, not {space!r}: make one by grid(...), zipped(...) or "
            "points([...])"
        )
    files = [depends_on] if isinstance(depends_on, (str, os.PathLike)) else list(depends_on)
    declared = space

    def declare(function: Callable[..., Any]) -> Experiment:
        _check_function(function)
        made = Experiment(
            function,
            declared,
            _checked_name(name, function),
            _checked_units(units),
            _checked_dims(dims, declared),
            _constants(function, declared),
            version,
            tuple(os.fspath(path) for path in files),
            _checked_timeout(timeout),
        )
        _check_parameters(made)
        return made

    return declare


def _check_function(function: Any) -> None:
    if not callable(function):
        raise DeclarationError(f"@experiment takes a function, not {function!r}")
    if isinstance(function, Experiment):
        raise DeclarationError(f"{function.name!r} is an experiment already: declare it once")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise DeclarationError(
            f"{function.__name__}() is a coroutine or generator function: return the values of a "
            "point with a plain def"
        )


def _checked_name(name: str | None, function: Callable[..., Any]) -> str:
    chosen = name if name is not None else getattr(function, "__name__", "")
    if not isinstance(chosen, str) or not _NAME.fullmatch(chosen) or len(chosen) > 100:
        raise DeclarationError(
            f"{chosen!r} cannot name an experiment: use letters, digits, '_' and '-', "
            "@experiment(..., name='pendulum')"
        )
    return chosen


def _checked_units(units: Any) -> dict[str, str]:
    checked = dict(units or {})
    for key, unit in checked.items():
        if not isinstance(key, str) or not isinstance(unit, str):
            raise DeclarationError(f"units map names to strings, not {key!r} to {unit!r}")
    return checked


def _checked_dims(dims: Any, space: Space) -> dict[str, tuple[str, ...]]:
    checked = {}
    for output, names in dict(dims or {}).items():
        own = (names,) if isinstance(names, str) else tuple(names)
        for dim in own:
            if not isinstance(dim, str) or not dim.isidentifier() or own.count(dim) > 1:
                raise DeclarationError(
                    f"dims of {output!r}: {dim!r} cannot name a dimension: give different names, "
                    "such as 'time'"
                )
            if dim in space.dims or dim in space.parameters:
                raise DeclarationError(
                    f"dims of {output!r}: {dim!r} is a dimension or parameter of the space already"
                )
        checked[output] = own
    return checked


def _checked_timeout(timeout: Any) -> float | None:
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
        raise DeclarationError(f"timeout is {timeout!r}: give seconds, a number above 0")
    return float(timeout)


@functools.lru_cache(maxsize=64)
def _arguments(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Arguments of a function that can be given by name."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise DeclarationError(f"{function!r} does not tell its arguments: {error}") from error
    return {p.name: p for p in signature.parameters.values() if p.kind is not p.VAR_POSITIONAL}


def _constants(function: Callable[..., Any], space: Space) -> dict[str, values.Values]:
    constants = {}
    for name, argument in _arguments(function).items():
        always = name in space.parameters and not _may_be_absent(space, name)
        if argument.default is not argument.empty and not always:
            try:
                constants[name] = values.canonical(name, [argument.default])
            except DeclarationError:
                continue  # a function, an object: known by its code, as part of the fingerprint
    return constants


def _may_be_absent(space: Space, name: str) -> bool:
    codes = space.columns[name].codes
    return codes is not None and bool((codes == ABSENT).any())


def _check_parameters(made: Experiment) -> None:
    """Refuse parameters that do not fit the function, and names that do not fit each other."""
    space, arguments = made.space, _arguments(made.function)
    called = f"{getattr(made.function, '__name__', made.name)}()"
    takes_any = any(p.kind is p.VAR_KEYWORD for p in arguments.values())
    named = {n: p for n, p in arguments.items() if p.kind is not p.VAR_KEYWORD}
    for name, argument in named.items():
        if argument.kind is argument.POSITIONAL_ONLY:
            raise DeclarationError(f"{called} takes {name!r} by position only: remove the '/'")
        given = name in space.parameters and not _may_be_absent(space, name)
        if argument.default is argument.empty and not given:
            raise DeclarationError(
                f"{called} needs {name!r}, and "
                f"{'some points do not have it' if name in space.parameters else 'nobody gives it'}"
                ": add it to the space or give it a default"
            )
    for name in space.parameters:
        if name not in named and not takes_any:
            raise unknown("parameter", name, named, f"of {called}")
    names = [*space.parameters, *(n for n in made.constants if n not in space.parameters)]
    _check_names([*names, *(d for d in space.dims if d not in space.parameters)])


def _check_names(names: Iterable[str]) -> None:
    listed = list(names)
    for name in listed:
        if name in _RESERVED or name.startswith("_"):
            raise DeclarationError(
                f"the name {name!r} is reserved for the framework: call the parameter otherwise"
            )
    for clash in h5.clashing(listed):
        raise DeclarationError(
            f"the names {' and '.join(map(repr, clash))} differ only in case or form, which some "
            "readers of the results cannot tell apart: rename one"
        )


def _like(like: values.Values | None, name: str, raw: Any) -> values.Values:
    """Make a table of given values, of the kind of the declared ones where that is no loss."""
    single = isinstance(raw, (str, bytes)) or not hasattr(raw, "__iter__")
    table = values.canonical(name, [raw] if single else raw)
    if like is None or like.kind == table.kind != "label":
        return table
    if like.kind in ("float", "complex") and table.kind in ("int", "float"):
        return values.canonical(
            name, [complex(e) if like.kind == "complex" else float(e) for e in table.elements()]
        )
    if like.kind == "label" and table.kind == "str":
        known = {values.label(element): element for element in like.elements()}
        for text in table.elements():
            if text not in known:
                raise unknown("value", text, known, f"on the axis {name!r}")
        return values.canonical(name, [known[text] for text in table.elements()])
    return table
