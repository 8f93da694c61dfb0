"""A helper's values on disk, under the identity of its code, shared by all who ask."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import os
import random
import shutil
import sys
import time
import types
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar, overload

from sweeps.code import fingerprint, loaded, reads
from sweeps.declaration import checks
from sweeps.errors import DeclarationError, unknown
from sweeps.spaces.values import short
from sweeps.storage import files

P = ParamSpec("P")

R = TypeVar("R")


class _NotKeptError(Exception):
    """Carries a value that depends on a run of an experiment, so that it cannot be kept."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


@dataclasses.dataclass(frozen=True, eq=False)
class Cached(Generic[P, R]):
    """A function whose values are kept on disk; made by `cached`, and called like the function.

    Attributes
    ----------
    declared_ns : int
        When the code in memory was read, in nanoseconds since 1970.
    told : str, optional
        Identity of the code as another process found it, where this one has no source to look at.
    """

    function: Callable[P, R]
    ignore: frozenset[str] = frozenset()
    depends_on: tuple[str, ...] = ()
    version: str | int | None = None
    folder: str | None = None
    declared_ns: int = dataclasses.field(default_factory=time.time_ns)
    told: str | None = None

    def __post_init__(self) -> None:
        for attribute in functools.WRAPPER_ASSIGNMENTS:
            if hasattr(self.function, attribute):
                object.__setattr__(self, attribute, getattr(self.function, attribute))
        object.__setattr__(self, "__wrapped__", self.function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Get the value for these arguments; compute it where there is none.

        Raises
        ------
        DeclarationError
            For an argument that cannot be told from others of its kind.
        OutputError
            For a value that cannot be pickled.
        """
        compute = functools.partial(self.function, *args, **kwargs)
        arguments = self._identify(args, kwargs)
        if not self.identity or self._is_edited(arguments.modules):
            return compute()
        return self._stored(arguments.digest, compute)

    def _stored(self, key: str, compute: Callable[[], R]) -> R:
        """Get a value from disk, or compute it, and note what it has read of other results."""
        from sweeps.declaration import value_store

        place = self.place()
        results = files.results_folder()
        noted = reads.Recorder(reads.at_import(self._code[0], results) if not self.told else ())

        def noting() -> R:
            with reads.recorded(noted):
                value = compute()
            if any(read.kind == "run" for read in noted.reads):
                raise _NotKeptError(value)
            noted.keep(place)
            return value

        try:
            found: R = value_store.value(place, key, noting)
        except _NotKeptError as error:
            found = error.value
        finally:  # whoever calls may go on though it raised
            if reads.is_of_use():
                for read in {**dict.fromkeys(reads.kept(place)), **noted.reads}:
                    reads.note(read)
        return found

    @property
    def identity(self) -> str:
        """Identity of the code in memory; empty if the code on disk has changed since."""
        if self.told is not None:
            return self.told
        if any(fingerprint.state(path) != seen for path, seen in self._code[0].data.items()):
            self.__dict__.pop("_code", None)
        code, is_edited = self._code
        return "" if is_edited else code.digest

    @functools.cached_property
    def _code(self) -> tuple[fingerprint.Fingerprint, bool]:
        """The code on disk, and whether that is newer than the code in memory."""
        code = fingerprint.fingerprint(
            self.function, version=self.version, depends_on=self.depends_on
        )
        return code, self._is_edited(code.modules)

    @property
    def data(self) -> dict[str, str]:
        """Content of the files that it depends on, by their paths."""
        return {path: fingerprint.content(self._home / path) for path in self.depends_on}

    def place(self, results: str | os.PathLike[str] | None = None) -> Path:
        """Folder of the values that the present code computes."""
        code: Any = self.function
        name = f"{code.__module__}.{code.__qualname__}".replace("<locals>.", "")
        if self.folder is None:
            base = files.results_folder(results) / ".cached"
        else:
            base = Path(os.path.abspath(self._home / Path(self.folder).expanduser()))  # noqa: PTH100
        looks = reads.Looks(files.results_folder(results), lambda *_: "")
        return base / name / reads.settled(self.identity, base / name, looks)

    def clear(self) -> None:
        """Forget the values that the present code has computed.

        Raises
        ------
        StorageError
            Where they cannot be removed.
        """
        place = self.place()
        if self.identity:
            with files.told(place), contextlib.suppress(FileNotFoundError):
                shutil.rmtree(place)

    @functools.cached_property
    def _signature(self) -> inspect.Signature:
        return inspect.signature(self.function)

    @property
    def _home(self) -> Path:
        """Folder of the module, where relative paths start."""
        globals_ = getattr(inspect.unwrap(self.function), "__globals__", {})
        return Path(globals_.get("__file__") or "").parent

    def _identify(self, args: Any, kwargs: Any) -> fingerprint.Fingerprint:
        """Find the identity of the arguments; functions among them count by their code."""
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        counting: Any = {n: each for n, each in bound.arguments.items() if n not in self.ignore}
        for name, argument in counting.items():
            if _is_random(argument):
                raise DeclarationError(
                    f"{self._said}: {name!r} is a random generator, and a stored value would not "
                    "advance it: pass a seed, and create the generator inside the function"
                )
        try:
            return fingerprint.fingerprint(counting)
        except (DeclarationError, RecursionError):
            for name, argument in counting.items():
                self._check_argument(name, argument)
            raise

    def _check_argument(self, name: str, argument: Any) -> None:
        try:
            fingerprint.fingerprint(argument)
        except (DeclarationError, RecursionError) as error:
            raise DeclarationError(
                f"{self._said}: {name!r} is {short(argument)}, which has no stable identity "
                f"({error.__cause__ or error}): pass numbers, text, arrays or objects made of "
                f"them, or ignore it with @cached(ignore=[{name!r}])"
            ) from error

    def _is_edited(self, modules: Iterable[str]) -> bool:
        file = loaded.edited_since(modules, self.declared_ns)
        if file is not None:
            warnings.warn(
                f"{file} was edited since it was imported here, and this process still has the "
                f"old code: values of {self._said} are not stored until you restart Python",
                stacklevel=4,
            )
        return file is not None

    @property
    def _said(self) -> str:
        return f"{getattr(self.function, '__name__', self.function)}()"

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Pickle by name what can be imported, and all else with what is known of its code here."""
        code: Any = self.function
        module = vars(sys.modules.get(code.__module__, types))
        if code.__module__ != "__main__" and module.get(code.__qualname__) is self:
            return str(code.__qualname__)
        kept = (self.function, self.ignore, self.depends_on, self.version, self.folder)
        return type(self), (*kept, self.declared_ns, self.identity)

    def __repr__(self) -> str:
        return f"<Cached {self._said}>"


@overload
def cached(function: Callable[P, R], /) -> Cached[P, R]: ...


@overload
def cached(
    *,
    ignore: str | Iterable[str] = (),
    depends_on: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] = (),
    version: str | int | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> Callable[[Callable[P, R]], Cached[P, R]]: ...


def cached(
    function: Callable[..., Any] | None = None,
    /,
    *,
    ignore: str | Iterable[str] = (),
    depends_on: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] = (),
    version: str | int | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> Any:
    """Keep the values of a function on disk, for all workers and all runs.

    Values belong to the function's code and all project code that it reaches, as results do. When
    several ask for the same value at once, one computes it and the others wait.

    Parameters
    ----------
    function : callable
        A function of a module, or one made by a function; no method.
    ignore : str or iterable of str, optional
        Arguments that do not change the value.
    depends_on : path or iterable of paths, optional
        Data files whose content belongs to the code, relative to the module's folder. Written out
        as text, they count for the experiments that call the function too.
    version : str or int, optional
        Changing it computes everything again.
    folder : path, optional
        Where to keep the values, relative to the module's folder; by default with the results.
        What is in it is unpickled: it must be trusted like the code.

    Raises
    ------
    DeclarationError
        For what is not a plain function, and for options that cannot mean anything.

    Examples
    --------
    >>> @cached(ignore="verbose")
    ... def table(n, verbose=False):
    ...     print("computing")
    ...     return [k * k for k in range(n)]
    >>> table(3)
    computing
    [0, 1, 4]
    >>> table(n=3, verbose=True)
    [0, 1, 4]
    """
    if function is not None:
        return Cached(_checked(function))
    ignored = checks.ignore(ignore)
    paths = checks.depends_on(depends_on)
    said = checks.version(version)
    place = checks.folder(folder)

    def declare(function: Callable[P, R]) -> Cached[P, R]:
        made: Cached[P, R] = Cached(_checked(function), ignored, paths, said, place)
        names = inspect.signature(function).parameters
        for name in ignored - names.keys():
            raise unknown("argument", name, names, f"of {function.__name__}()")
        return made

    return declare


def places(parts: Iterable[str], results: Path) -> list[Path]:
    """Find the folders of the cached functions that a fingerprint has as its parts.

    Only those with the results: a folder elsewhere may be shared with others.
    """
    names = (part.partition(":") for part in parts)
    found = [vars(sys.modules.get(m, types)).get(name) for m, _, name in names]
    ours = (each for each in found if type(each) is Cached and each.folder is None)
    return sorted({each.place(results) for each in ours if each.identity})


def _checked(function: Any) -> Callable[..., Any]:
    """Refuse what has no code of its own, or whose value is not what it returns."""
    code = inspect.unwrap(function) if callable(function) else None
    is_ours = type(function).__module__.partition(".")[0] == "sweeps"
    if not isinstance(code, types.FunctionType) or is_ours:
        raise DeclarationError(
            f"@cached takes a function, not {short(function)}: write @cached, or "
            "@cached(ignore=['verbose']), above its def"
        )
    name = code.__qualname__
    if "." in name.rpartition("<locals>.")[2]:
        raise DeclarationError(
            f"@cached does not take methods, and {name!r} is one: cache a module-level "
            "function that gets what it needs as arguments"
        )
    if code.__name__ == "<lambda>":
        raise DeclarationError("@cached does not take a lambda: define the function with def")
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    if any(is_kind(code) for is_kind in kinds):
        raise DeclarationError(
            f"{name}() is a coroutine or generator function: cache a plain function that "
            "returns its values"
        )
    return function  # type: ignore[no-any-return]


def _is_random(argument: Any) -> bool:
    if isinstance(argument, random.Random):
        return True
    numpy = sys.modules.get("numpy.random")
    return numpy is not None and isinstance(argument, (numpy.Generator, numpy.RandomState))
