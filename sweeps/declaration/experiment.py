"""Experiments: a function, its space, and the options to run it and to label its results."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from sweeps.code import fingerprint
from sweeps.declaration import checks
from sweeps.errors import DeclarationError
from sweeps.spaces import keys, values
from sweeps.spaces.product import axis
from sweeps.spaces.space import Space

if TYPE_CHECKING:
    import pandas
    import xarray
    from matplotlib.figure import Figure


@dataclasses.dataclass(eq=False)
class Registered:
    """What is registered with an experiment after it was made; all copies of it share this.

    Attributes
    ----------
    summary : callable or None
        The last one counts: a cell of a notebook is run again.
    declared_ns : int
        When its code was read, in nanoseconds since 1970.
    """

    summary: Callable[[xarray.Dataset], Any] | None = None
    declared_ns: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Experiment:
    """A function and its space; made by `experiment`, and still called like the function.

    Attributes
    ----------
    constants : mapping of str to Values
        Arguments that the space does not sweep, one value each: part of every point's key.
    resources : mapping of str to callable
        What opens the things that a worker makes once, by the argument that gets them.
    declared_ns : int
        When the code in memory was read, in nanoseconds since 1970.
    """

    function: Callable[..., Any]
    space: Space
    name: str
    units: Mapping[str, str]
    dims: Mapping[str, tuple[str, ...]]
    constants: Mapping[str, values.Values]
    version: str | int | None = None
    depends_on: tuple[str, ...] = ()
    depends_on_env: tuple[str, ...] = ()
    timeout: float | None = None
    seed: int = 0
    common_random_numbers: tuple[str, ...] = ()
    vectorized: bool = False
    concurrency: int = 1
    resources: Mapping[str, Callable[..., Any]] = dataclasses.field(default_factory=dict)
    keep: str = "both"
    long_name: Mapping[str, str] = dataclasses.field(default_factory=dict)
    attrs: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    declared_ns: int = dataclasses.field(default_factory=time.time_ns)
    registered: Registered = dataclasses.field(default_factory=Registered)

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

    def summary(self, function: Callable[[xarray.Dataset], Any]) -> Callable[[xarray.Dataset], Any]:
        """Register a function that sums the results up, to be called whenever they are landed.

        Parameters
        ----------
        function : callable
            Gets the loaded results, in which missing points are NaN. What it returns, a Dataset,
            a DataArray or a dict of numbers, strings, arrays and DataArrays, is stored in the
            group ``summary`` of the results file.

        Returns
        -------
        callable
            The function itself.

        Raises
        ------
        DeclarationError
            For what cannot be called with the results alone.

        Examples
        --------
        >>> from sweeps import grid
        >>> @experiment(grid(x=[1.0, 2.0]))
        ... def square(x):
        ...     return x * x
        >>> @square.summary
        ... def extremes(results):
        ...     return {"smallest": results.square.min(), "largest": results.square.max()}
        >>> results = square.run(engine="serial")
        >>> float(square.load(group="summary").largest)
        4.0
        """
        from sweeps.declaration import summary  # few experiments have one

        summary.check(function, self.name)
        self.registered.summary = function
        self.registered.declared_ns = time.time_ns()
        return function

    @property
    def about(self) -> str:
        """First line of the function's docstring, or else of its module's."""
        module = sys.modules.get(self.module)
        text = getattr(self.function, "__doc__", "") or getattr(module, "__doc__", "") or ""
        return text.strip().partition("\n")[0]

    @property
    def taken(self) -> frozenset[str]:
        """Names of parameters, constants and dimensions, which no output can have."""
        return frozenset({*self.space.parameters, *self.space.dims, *self.constants})

    def attributes(self, name: str) -> dict[str, Any]:
        """Return what is declared of a parameter or an output, by the attribute in the file."""
        own = {"units": self.units.get(name), "long_name": self.long_name.get(name)}
        return {key: text for key, text in own.items() if text is not None} | {
            **self.attrs.get(name, {})
        }

    @property
    def passed(self) -> tuple[str, ...]:
        """Parameters of the space that the function takes."""
        return checks.passed(self.function, self.space)

    @property
    def takes_rng(self) -> bool:
        """Whether the function gets a random stream of each point's own."""
        return checks.takes(self.function, keys.RNG)

    @property
    def services(self) -> tuple[str, ...]:
        """Arguments that a worker gives each point: `checkpoint`, `report`."""
        return checks.services(self.function, self.space, self.resources)

    def identify(self) -> fingerprint.Fingerprint:
        """Find the identity of the code; the space and the constants are not part of it."""
        return fingerprint.fingerprint(
            self.function,
            version=self.version,
            depends_on=self.depends_on,
            depends_on_env=self.depends_on_env,
            keyed=checks.keyed(self.function),
            resources=self.resources,
            scratch=self.services,
        )

    def identify_summary(self) -> fingerprint.Fingerprint | None:
        """Find the identity of the summary's code; the experiment's does not include it."""
        summary = self.registered.summary
        return None if summary is None else fingerprint.fingerprint(summary)

    def label_tokens(
        self, table: values.Values, identify: Callable[[Any], str] | None = None
    ) -> dict[str, str]:
        """Find the identity of the code and data behind values, so that other ones make new points.

        Parameters
        ----------
        table : Values
            Of a parameter.
        identify : callable, optional
            Instead of `identity`.

        Returns
        -------
        dict of str to str
            Label to digest, of the values that bring an object or a class with them. An object
            that cannot be told from others of its kind, such as an open file, is its label only.
        """
        digests: dict[int, str] = {}
        tokens = {}
        for element in table.objects or ():
            things = list(values.behind(element))
            for thing in things:
                if id(thing) not in digests:
                    digests[id(thing)] = (identify or fingerprint.identity)(thing)
            if any(digests[id(thing)] for thing in things):
                tokens[values.label(element)] = " ".join(digests[id(thing)] for thing in things)
        return tokens

    def behind_labels(self) -> dict[tuple[str, str], list[fingerprint.Fingerprint]]:
        """Find the code and data behind values, by parameter and label, where there is any."""
        tables = {name: column.table for name, column in self.space.columns.items()}
        found: dict[tuple[str, str], list[fingerprint.Fingerprint]] = {}
        for name, table in {**tables, **self.constants}.items():
            for element in table.objects or ():
                for thing in values.behind(element):
                    with contextlib.suppress(DeclarationError, RecursionError):
                        own = found.setdefault((name, values.label(element)), [])
                        own.append(fingerprint.fingerprint(thing))
        return found

    def with_space(self, space: Space) -> Experiment:
        """Sweep another space; what it does not sweep is a constant again."""
        checks.check(self.function, space, self.dims, self.resources)
        constants = checks.constants(self.function, space, self.resources)
        return dataclasses.replace(self, space=space, constants=constants)

    def without_space(self) -> Experiment:
        """Leave out the space, which a worker does not need: it gets its points in blocks."""
        return dataclasses.replace(self, space=Space(()), constants={}, registered=Registered())

    def run(self, **options: Any) -> xarray.Dataset:
        """Compute what is missing and load the results; takes what `sweeps.run` takes."""
        import sweeps

        return sweeps.run(self, **options)

    def plot(self, **options: Any) -> Figure:
        """Draw the results, for a notebook or a file; takes what `sweeps.plot` takes."""
        import sweeps

        return sweeps.plot(self.name, **options)

    def load(self, **options: Any) -> xarray.Dataset:
        """Load the results; takes what `sweeps.load` takes."""
        import sweeps

        return sweeps.load(self.name, **options)

    def table(self, **options: Any) -> pandas.DataFrame:
        """Load the results as a table of pandas; takes what `sweeps.table` takes."""
        import sweeps

        return sweeps.table(self.name, **options)

    def __repr__(self) -> str:
        return f"<Experiment {self.name!r}: {len(self.space.dims)} dimensions>"

    def _repr_html_(self) -> str:
        from sweeps.declaration import shown

        return shown.html(self)


def experiment(
    space: Space | Mapping[str, Any],
    *,
    name: str | None = None,
    units: Mapping[str, str] | None = None,
    long_name: Mapping[str, str] | None = None,
    attrs: Mapping[str, Mapping[str, Any]] | None = None,
    dims: Mapping[str, str | Sequence[str]] | None = None,
    version: str | int | None = None,
    depends_on: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    depends_on_env: str | Sequence[str] = (),
    timeout: float | None = None,
    seed: int = 0,
    common_random_numbers: str | Sequence[str] = (),
    vectorized: bool = False,
    concurrency: int = 1,
    resources: Mapping[str, Callable[..., Any]] | None = None,
    keep: Literal["both", "results"] = "both",
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
    long_name : mapping of str to str, optional
        What parameters and outputs are, in words: plots show them beside the units.
    attrs : mapping of str to mapping, optional
        Further attributes of parameters and outputs in the results file: text, numbers, or lists
        of numbers. Like units, they are no part of what identifies a result.
    dims : mapping of str to str or sequence of str, optional
        Names of the dimensions of array outputs.
    version : str or int, optional
        Changing it makes all earlier results stale.
    depends_on : path or sequence of paths, optional
        Files and folders whose content belongs to the code, or patterns such as ``"data/*.csv"``,
        relative to the module's folder. Files that the code names itself need not be given.
    depends_on_env : str or sequence of str, optional
        Environment variables whose values belong to the code.
    timeout : float, optional
        Seconds after which a point is stopped and counts as failed.
    seed : int, optional
        Of the random streams: an argument `rng` of the function gets a `numpy.random.Generator`
        of the point's own, made from this seed and the point's parameters and replicate.
    common_random_numbers : str or sequence of str, optional
        Parameters that the streams do not depend on: along these, points draw the same numbers.
    vectorized : bool, optional
        The function takes columns, arrays of shape (n,), and returns arrays of shape (n, ...).
    concurrency : int, optional
        Points of an ``async def`` function that each worker has under way at once.
    resources : mapping of str to callable, optional
        Context managers that each worker enters once, by the argument that gets what they give.
    keep : {"both", "results"}, optional
        Whether values are kept twice, in the memo and in the results file, or in the results file
        alone, which the memo then reads: half the space on disk, and the file can be read only.
        Results with large values, of 64 KiB a point or more, are always kept once.

    Raises
    ------
    DeclarationError
        For everything that cannot mean anything, when it is declared.

    Examples
    --------
    >>> from sweeps import grid
    >>> @experiment(
    ...     grid(length=[0.1, 0.2]),
    ...     units={"length": "m"},
    ...     long_name={"length": "length at rest"},
    ...     attrs={"length": {"standard_error": 0.001}},
    ... )
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
        space = Space(tuple(axis(name, raw) for name, raw in space.items()))
    if not isinstance(space, Space):
        raise DeclarationError(
            f"@experiment takes a space, not {values.short(space)}: make one by grid(...), "
            "zipped(...) or points([...])"
        )
    declared = space
    checked: dict[str, Any] = {
        "units": checks.texts("units", units, "{'length': 'm'}"),
        "long_name": checks.texts("long_name", long_name, "{'length': 'length of the rod'}"),
        "attrs": checks.attrs(attrs) if attrs else {},
        "dims": checks.dims(dims),
        "version": checks.version(version),
        "depends_on": checks.depends_on(depends_on),
        "depends_on_env": checks.depends_on_env(depends_on_env),
        "timeout": checks.timeout(timeout),
        "seed": checks.seed(seed),
        "vectorized": checks.flag("vectorized", vectorized),
        "concurrency": checks.concurrency(concurrency),
        "resources": checks.resources(resources),
        "keep": checks.keep(keep),
    }

    def declare(function: Callable[..., Any]) -> Experiment:
        _check_function(function)
        named = checks.name(name, function)
        provided = checked["resources"]
        checks.check(function, declared, checked["dims"], provided)
        constants = checks.constants(function, declared, provided)
        common = checks.common_random_numbers(
            common_random_numbers, {*declared.parameters, *constants}
        )
        how = {**checked, "common_random_numbers": common}
        checks.refuse_contradictions(function, how, declared)
        return Experiment(function, declared, named, constants=constants, **how)

    return declare


def _check_function(function: Any) -> None:
    if not callable(function):
        raise DeclarationError(f"@experiment takes a function, not {function!r}")
    if isinstance(function, Experiment):
        raise DeclarationError(f"{function.name!r} is already an experiment: declare it once")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        name = getattr(function, "__name__", function)
        raise DeclarationError(f"{name}() is a generator function: return the values of a point")
