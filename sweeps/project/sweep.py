"""A sweep: an experiment with its code, its keys and its places on disk."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sweeps.code import loaded, reads
from sweeps.code.fingerprint import Behind, Fingerprint
from sweeps.declaration.experiment import Experiment
from sweeps.errors import DeclarationError, SweepsError
from sweeps.project import discovery, imports
from sweeps.project.discovery import ModuleLocation
from sweeps.spaces.keys import KeyMaker, key_maker
from sweeps.spaces.space import Space
from sweeps.storage import files
from sweeps.storage.files import results_folder

FORMAT = 3
"""Of the results file; another one lands it anew."""


@dataclasses.dataclass(frozen=True, eq=False)
class Sweep:
    """An experiment with everything that a run or a question about it needs to know.

    Attributes
    ----------
    location, attribute : ModuleLocation or None, str
        Where a worker can import the experiment from; None where it is in ``__main__`` or made
        inside a function.
    behind : Behind
        The code behind values of parameters, which the keys name.
    summary : Fingerprint or None
        Of the code of the experiment's summary.
    reads : tuple of Read
        What its modules have read of results when they were imported, and of files that they name.
    edited : str or None
        A file of that code which was edited since it was imported here.
    segments : Path or None
        Folder of the segments where it is not that of the present code: a temporary one, or that
        of earlier code.
    output : Path or None
        Where to land, instead of in the folder of results.
    """

    experiment: Experiment
    location: ModuleLocation | None
    attribute: str
    fingerprint: Fingerprint
    keys: KeyMaker
    behind: Behind
    results: Path
    summary: Fingerprint | None = None
    edited: str | None = None
    segments: Path | None = None
    output: Path | None = None
    reads: tuple[reads.Read, ...] = ()

    @property
    def memo(self) -> Path:
        """Folder of the segments."""
        if self.segments is not None:
            return self.segments
        return files.memo_folder(self.results, self.experiment.name, self.fingerprint.digest)

    @property
    def unwatched(self) -> tuple[str, ...]:
        """What can change without making results stale, in words."""
        name, code = repr(self.experiment.name), self.fingerprint
        programs = (
            f"{name} starts a program with {starter} at {place}; its files cannot be found in the "
            "source, so changes of them go unnoticed: name them in depends_on"
            for starter, place in sorted(code.unwatched.items())
        )
        files = (
            f"{name} reads a file with {reader} at {place} that is not watched, because the "
            "source does not name it, or a program may write it: if results depend on it, name it "
            "in depends_on, or give a version"
            for reader, place in sorted(code.unread.items())
        )
        return *programs, *files

    @property
    def landed(self) -> Path:
        """The results file."""
        return self.output or self.results / f"{self.experiment.name}.h5"

    @property
    def layout(self) -> str:
        """Digest of which point stands where."""
        return self._layout.hexdigest()

    @property
    def is_only_copy(self) -> bool:
        """Whether the results file becomes the only copy of the values."""
        return self.experiment.keep == "results" and self.output is None

    @property
    def can_land_in_place(self) -> bool:
        """Whether the results file may become the only copy of large values."""
        return self.output is None

    @functools.cached_property
    def _layout(self) -> hashlib.blake2b:
        """Hash of it; long axes take a while, and a run asks thrice."""
        return hashlib.blake2b(self.keys.layout(), digest_size=16)

    def over(self, experiment: Experiment) -> Sweep:
        """Make the sweep of the same code over another space."""
        keys = key_maker(experiment, self.behind.identify)
        return dataclasses.replace(self, experiment=experiment, keys=keys)

    def state(self, segments: Iterable[str], *, is_summarized: bool = True) -> str:
        """Digest of everything that a results file is made from: equal states give equal files.

        A file without the summary that belongs to it has another one.
        """
        made = self.experiment
        digest = self._layout.copy()
        said = [FORMAT, made.name, made.about, self.fingerprint.digest]
        said += [sorted(made.units.items()), sorted(made.dims.items())]
        said += [sorted(made.constants), sorted(segments)]
        said += [self.summary.digest] if self.summary is not None and is_summarized else []
        said += [made.keep] if made.keep != "both" else []
        if made.long_name or made.attrs:  # earlier versions had none, and their files stay as new
            said += [{"long_name": dict(made.long_name), "attrs": dict(made.attrs)}]
        digest.update(json.dumps(said, sort_keys=True).encode())
        return digest.hexdigest()


def resolve(
    wanted: str | Experiment,
    *,
    results: str | os.PathLike[str] | None = None,
    experiments: str | os.PathLike[str] | None = None,
    axes: Mapping[str, Any] | None = None,
    space: Space | None = None,
    only: str | None = None,
) -> Sweep:
    """Make the sweep of an experiment, which is given by its name or as an object.

    If data that its modules may have read is newer, they are imported again.
    """

    def as_it_is_now() -> Sweep:
        declared, location = _declared(wanted, experiments)
        return _resolve(declared, location, results_folder(results), axes, space, only)

    found = as_it_is_now()
    if isinstance(wanted, str) and _is_of_older_data(found):
        with imports.in_turn():
            imports.forget_loaded_modules()
            found = as_it_is_now()
    return found


def _declared(
    wanted: str | Experiment, experiments: str | os.PathLike[str] | None
) -> tuple[Experiment, ModuleLocation | None]:
    if isinstance(wanted, Experiment):
        return wanted, _location_of(wanted.module)
    if isinstance(wanted, str):
        found = discovery.find(wanted, experiments)
        return found.experiment, found.location
    raise DeclarationError(f"{wanted!r} is not an experiment: give an experiment or its name")


def _is_of_older_data(found: Sweep) -> bool:
    code = found.fingerprint
    if reads.outdated(code, found.results) is not None:
        return True
    return loaded.data_since(code.modules, code.data, found.experiment.declared_ns) is not None


def _resolve(
    declared: Experiment,
    location: ModuleLocation | None,
    results: Path,
    axes: Mapping[str, Any] | None,
    space: Space | None,
    only: str | None,
) -> Sweep:
    attribute = _attribute_of(declared) if location is not None else ""
    experiment = declared if space is None else declared.with_space(space)
    if axes:
        from sweeps.declaration.resweep import resweep  # few runs need it, and 5 ms are seen

        experiment = resweep(experiment, axes)
    if only is not None:
        from sweeps.declaration.only import restrict

        experiment = restrict(experiment, only)
    _refuse_clash(results, experiment.name)
    code = experiment.identify()
    behind = Behind(code)
    looks = reads.Looks(results, functools.partial(_given, results))
    summary, since_ns = experiment.identify_summary(), experiment.registered.declared_ns
    folder = files.memo_folder(results, experiment.name, "")
    identity = reads.settled(code.digest, folder, looks)
    return Sweep(
        experiment,
        location if attribute else None,
        attribute,
        dataclasses.replace(code, digest=identity),
        key_maker(experiment, behind.identify),
        behind,
        results,
        summary,
        loaded.edited_since(summary.modules, since_ns) if summary is not None else None,
        reads=(*reads.at_import(code, results), *reads.named(code, results, experiment.name)),
    )


def changed_reads(sweep: Sweep, folder: Path) -> dict[str, str]:
    """Return what the points in a folder have read of results and has changed since."""
    return reads.changes(
        folder, reads.Looks(sweep.results, functools.partial(_given, sweep.results))
    )


def given(sweep: Sweep, *, has_space: bool) -> str:
    """Return the identity of what a run of a sweep computes, with its space if that counts."""
    made, keys = sweep.experiment, sweep.keys
    tables = [*(c.table for c in made.space.columns.values()), *made.constants.values()]
    counts = has_space or any(table.objects for table in tables)  # there is code behind labels
    said = keys.layout() if counts else keys.constant.tobytes()
    return hashlib.blake2b(sweep.fingerprint.digest.encode() + said, digest_size=16).hexdigest()


def _given(results: Path, name: str, has_space: bool) -> str:
    """Return `given` of an experiment as it is now; empty if there is no such experiment."""
    module, _, short = name.rpartition(".")
    living = getattr(sys.modules.get(module), "__dict__", {}).copy().values()
    found = [each for each in living if type(each) is Experiment and each.name == short]
    try:
        made = found[0] if found else discovery.find(name).experiment
        return given(_resolve(made, None, results, None, None, None), has_space=has_space)
    except SweepsError:
        return ""


def _refuse_clash(results: Path, name: str) -> None:
    """Refuse a name that the filesystem cannot tell from that of another experiment.

    Some know no difference between upper and lower case; what is there bears the other name.
    """
    for path in (results / f"{name}.h5", files.memo_folder(results, name, "")):
        if not os.path.lexists(path):
            continue
        with contextlib.suppress(OSError):  # who reads it will say why it cannot be read
            names = [unicodedata.normalize("NFC", each) for each in os.listdir(path.parent)]  # noqa: PTH208
            if path.name not in names:
                folded = path.name.casefold()
                others = [each for each in names if each.casefold() == folded]
                raise DeclarationError(
                    f"{path} is the same name to this filesystem as {' or '.join(others)}, which "
                    f"belongs to another experiment: give {name!r} a name that differs "
                    "in more than case"
                )


def _location_of(module: str) -> ModuleLocation | None:
    """Return from where other processes can import a module that is imported here."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if module == "__main__" or file is None:
        return None
    package, _, _ = module.rpartition(".")
    folder = Path(file).parent
    if package and "." not in package and not (folder / "__init__.py").exists():
        return ModuleLocation(package, str(folder), module)
    is_package = Path(file).name == "__init__.py"
    root = [folder, *folder.parents][module.count(".") + is_package]
    return ModuleLocation("", str(root), module)


def _attribute_of(experiment: Experiment) -> str:
    """Return the variable of its module that holds an experiment; empty if none does."""
    module = sys.modules.get(experiment.module)
    variables = vars(module) if module is not None else {}
    return next((name for name, value in variables.copy().items() if value is experiment), "")
