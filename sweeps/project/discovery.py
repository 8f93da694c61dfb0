"""Find experiments in a folder, a file or a package: one by its name, or all of them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from sweeps.declaration.experiment import Experiment
from sweeps.errors import (
    DeclarationError,
    StorageError,
    SweepsError,
    UnknownNameError,
    unknown,
)
from sweeps.project.imports import (
    forget_changed_modules,
    import_location,
    in_turn,
    is_project_file,
    refuse_imported_above,
)
from sweeps.text import printed_to_stderr


def default_folder() -> str:
    """Return the folder of experiments that is used by default."""
    return os.environ.get("SWEEPS_EXPERIMENTS") or "experiments"


@dataclass(frozen=True)
class ModuleLocation:
    """Where a module of experiments is.

    Attributes
    ----------
    package : str
        Name under which its folder is a package, "" for a module that is importable by itself.
    folder : str
        Absolute folder of the package; without one, the folder that is put on ``sys.path``.
    module : str
        Full name of the module, "experiments.pendulum".
    """

    package: str
    folder: str
    module: str

    @property
    def name(self) -> str:
        """Last part of the module's name: that of its file."""
        if self.package:
            return self.module.removeprefix(self.package + ".")
        return self.module.rpartition(".")[2]

    @property
    def root(self) -> str:
        """The project root, which stands first on ``sys.path``."""
        return str(Path(self.folder).parent) if self.package else self.folder

    def source_file(self) -> Path | None:
        """Python source of the module; None if it has none. Nothing is imported."""
        if self.package:
            return Path(self.folder, f"{self.name}.py")
        spec = _find_spec(self.module)
        return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


@dataclass(frozen=True)
class Found:
    """An experiment and the module that defines it."""

    experiment: Experiment
    location: ModuleLocation

    @property
    def full_name(self) -> str:
        """``module.name``, which is unique where the name alone is not."""
        return f"{self.location.name}.{self.experiment.name}"


@dataclass(frozen=True)
class Broken:
    """A module that cannot be imported, and why, in one line."""

    location: ModuleLocation
    error: str


_Failures = dict[ModuleLocation, BaseException]


def find_all(where: str | os.PathLike[str] | None = None) -> tuple[list[Found], list[Broken]]:
    """Import all modules of experiments, as `locate` finds them, and list what they define.

    They are sorted by module, then in the order of definition. Modules that raised an exception or
    called ``sys.exit`` are listed as broken.
    """
    locations = locate(where)
    with in_turn():
        forget_changed_modules()
        found, failures = _import_all(locations)
    return found, [Broken(at, _one_line(error)) for at, error in failures.items()]


def find(name: str, where: str | os.PathLike[str] | None = None) -> Found:
    """Find one experiment, importing no more modules than needed.

    Imported are the module of that name and those whose text defines or quotes it, which a scan
    finds (20 files in less than 1 ms); all others only if it is in none of these.

    Where two modules define the name, it is ``module.name``.
    """
    module, _, short_name = name.rpartition(".")
    locations = locate(where)
    likely = [at for at in locations if _is_likely(at, module, short_name)]
    with in_turn():
        forget_changed_modules()
        found, failures = _import_all(likely)
    matches = [each for each in found if _is_match(each, module, short_name)]
    for location, error in failures.items():
        if location.name == (module or short_name):
            raise _not_importable(location, error) from error
    if not matches:
        others = _import_all([at for at in locations if at not in likely])
        found, failures = [*found, *others[0]], failures | others[1]
        matches = [each for each in found if _is_match(each, module, short_name)]
    if not matches:
        raise _unknown(name, found, failures, where)
    if len(matches) > 1:
        names = ", ".join(each.full_name for each in matches)
        raise UnknownNameError(f"{len(matches)} modules define {name!r}: choose one of {names}")
    return matches[0]


def _is_likely(location: ModuleLocation, module: str, name: str) -> bool:
    if module:
        return _is_module(location, module)
    if location.name == name:
        return True
    source = location.source_file()
    try:
        text = source.read_text("utf-8", errors="replace") if source else ""
    except OSError:
        return True  # the import will say what is wrong with it
    return (
        name in text
        and re.search(rf"\bdef\s+{re.escape(name)}\b|(['\"]){re.escape(name)}\1", text) is not None
    )


def _is_module(location: ModuleLocation, module: str) -> bool:
    return f".{location.module}".endswith(f".{module}")


def _is_match(found: Found, module: str, name: str) -> bool:
    is_in_module = not module or _is_module(found.location, module)
    return found.experiment.name == name and is_in_module


def _import_all(locations: Iterable[ModuleLocation]) -> tuple[list[Found], _Failures]:
    found: list[Found] = []
    failures: _Failures = {}
    for location in locations:
        try:
            refuse_imported_above(location)
            # What a module prints is not the answer to the question that made us import it.
            with printed_to_stderr():
                module = import_location(location)
            found += [Found(experiment, location) for experiment in _defined_in(module)]
        except (Exception, SystemExit) as error:
            failures[location] = error
    return found, failures


def _defined_in(module: object) -> list[Experiment]:
    """Experiments of a module, each once, without those that it imports from others."""
    own: dict[str, Experiment] = {}
    for value in list(vars(module).values()):
        # type(), as isinstance() would have a lazy object load itself
        if not issubclass(type(value), Experiment) or value.module != vars(module)["__name__"]:
            continue
        if own.setdefault(value.name, value) is not value:
            raise DeclarationError(f"two experiments of one module are named {value.name!r}")
    return list(own.values())


def _unknown(
    name: str,
    found: Sequence[Found],
    failures: _Failures,
    where: str | os.PathLike[str] | None,
) -> UnknownNameError:
    place = str(where if where is not None else default_folder())
    folder = place.rstrip("/") + "/" if Path(place).is_dir() else place
    names = {each.full_name if "." in name else each.experiment.name for each in found}
    message = str(unknown("experiment", name, names, f"in {folder}"))
    if not found and not failures:
        message += " Write one: python -m sweeps new NAME"
    for location, error in failures.items():
        message += f"\n{location.name} cannot be imported: {_one_line(error)}"
    return UnknownNameError(message)


def _not_importable(location: ModuleLocation, error: BaseException) -> SweepsError:
    """Say in which file and line it happened; a mistake that `sweeps` found keeps its type."""
    if isinstance(error, SweepsError):
        place = _place(error)
        return type(error)(f"{place or location.module}: {error}")
    return SweepsError(
        f"{location.source_file() or location.module} cannot be imported: {_one_line(error)}"
    )


def _one_line(error: BaseException) -> str:
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    text = ": ".join(filter(None, [type(error).__name__, " ".join(message.split())]))
    place = _place(error)
    return f"{text} ({place})" if place else text


def _place(error: BaseException) -> str:
    """Where in the user's files it happened: "bad.py, line 3"."""
    if isinstance(error, SyntaxError) and is_project_file(error.filename):
        return f"{Path(str(error.filename)).name}, line {error.lineno}"
    place = ""
    traceback = error.__traceback__
    while traceback is not None:
        filename = traceback.tb_frame.f_code.co_filename
        if is_project_file(filename):
            place = f"{Path(filename).name}, line {traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place


# ---- where modules are


def locate(where: str | os.PathLike[str] | None = None) -> tuple[ModuleLocation, ...]:
    """Find modules of experiments without importing them.

    Parameters
    ----------
    where : path or str, optional
        A folder, whose ``*.py`` count except those that start with ``_``; a single ``.py`` file;
        a dotted module, or a package for the modules in it. By default the environment variable
        SWEEPS_EXPERIMENTS, else the folder ``experiments``.

    Returns
    -------
    tuple of ModuleLocation
        Sorted by name.
    """
    given = where if where is not None else default_folder()
    path = Path(os.path.abspath(given))  # noqa: PTH100 - resolve() would rename a linked folder
    if path.is_dir():
        return _in_folder(path)
    if path.is_file() and path.suffix == ".py":
        return (_in_package(path),)
    locations = _dotted(given) if isinstance(given, str) else ()
    if not locations:
        raise UnknownNameError(
            f"no experiments at {str(given)!r} (seen from {Path.cwd()}): give a folder, a "
            ".py file or a dotted module, or create the folder: python -m sweeps new NAME"
        )
    return locations


def _in_folder(folder: Path) -> tuple[ModuleLocation, ...]:
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".py" and path.is_file())
    except OSError as error:
        raise StorageError(f"{folder} cannot be read: {error.strerror}") from error
    return tuple(_in_package(path) for path in files if not path.name.startswith(("_", ".")))


def _in_package(path: Path) -> ModuleLocation:
    package = _package_name(path.parent.name)
    return ModuleLocation(package, str(path.parent), f"{package}.{path.stem}")


def _package_name(folder_name: str) -> str:
    """Name of the folder, changed where it would hide an installed package: ``scipy_``."""
    name = folder_name.replace(".", "_") or "experiments"
    installed_at = [
        place for place in sys.path if place.endswith(("site-packages", "dist-packages"))
    ]
    installed = PathFinder.find_spec(name, installed_at)
    is_taken = (
        name in sys.stdlib_module_names
        or name in ("sweeps", "__main__")
        or (installed is not None and installed.origin is not None)
    )
    return f"{name}_" if is_taken else name


def _dotted(name: str) -> tuple[ModuleLocation, ...]:
    """Locate a module, or the modules of a package, by a name that Python can import."""
    spec = _find_spec(name) if all(map(str.isidentifier, name.split("."))) else None
    if spec is None:
        return ()
    here = str(Path.cwd())
    if spec.submodule_search_locations is None:
        return (ModuleLocation("", here, name),)
    import pkgutil

    modules = pkgutil.iter_modules(list(spec.submodule_search_locations))
    names = sorted(m.name for m in modules if not m.ispkg and not m.name.startswith("_"))
    return tuple(ModuleLocation("", here, f"{name}.{submodule}") for submodule in names)


def _find_spec(name: str) -> ModuleSpec | None:
    """`importlib.util.find_spec` that does not import the parent packages."""
    spec: ModuleSpec | None = None
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        if end > 1 and (spec is None or spec.submodule_search_locations is None):
            return None
        inside = None if spec is None else list(spec.submodule_search_locations or ())
        spec = _ask_finders(".".join(parts[:end]), inside)
    return spec


def _ask_finders(name: str, inside: list[str] | None) -> ModuleSpec | None:
    spec = PathFinder.find_spec(name, [str(Path.cwd()), *sys.path] if inside is None else inside)
    others = (finder.find_spec(name, inside) for finder in sys.meta_path)  # editable installs
    return spec or next(filter(None, others), None)
