"""Find the experiments in a folder: one by its name, or all of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweeps.declaration.experiment import Experiment
from sweeps.errors import DeclarationError, SweepsError, UnknownNameError, unknown
from sweeps.project.imports import (
    forget_changed_modules,
    import_location,
    is_project_file,
    refuse_imported_above,
)
from sweeps.project.locations import ModuleLocation, default_folder, locate, source_file
from sweeps.text import printed_to_stderr


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
    """Import all modules of experiments and list what they define.

    Parameters
    ----------
    where : path or str, optional
        As for `sweeps.project.locations.locate`.

    Returns
    -------
    found : list of Found
        Sorted by module, then in the order of definition.
    broken : list of Broken
        Modules that raised an exception or called ``sys.exit``.
    """
    locations = locate(where)
    forget_changed_modules()
    found, failures = _import_all(locations)
    return found, [Broken(at, _one_line(error)) for at, error in failures.items()]


def find(name: str, where: str | os.PathLike[str] | None = None) -> Found:
    """Find one experiment, importing no more modules than needed.

    Imported are the module of that name and those whose text defines or quotes it, which a scan
    finds (20 files in less than 1 ms); all others only if it is in none of these.

    Parameters
    ----------
    name : str
        Name of the experiment, or ``module.name`` where two modules define it.
    where : path or str, optional
        As for `sweeps.project.locations.locate`.
    """
    module, _, short_name = name.rpartition(".")
    locations = locate(where)
    forget_changed_modules()
    likely = [at for at in locations if _is_likely(at, module, short_name)]
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
    source = source_file(location)
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
        f"{source_file(location) or location.module} cannot be imported: {_one_line(error)}"
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
