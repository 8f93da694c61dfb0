"""Move stored results and results file of an experiment to its new name.

First the memo is moved, in one step; then the results file. A renamed folder records its earlier
names in a file. So a rename that was killed can be repeated, and a later one can move what a run of
the old name has stored since.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from pathlib import Path

from sweeps.code import provenance
from sweeps.errors import DeclarationError, StorageError, UnknownNameError, unknown
from sweeps.memo import claims
from sweeps.memo import index as memo
from sweeps.memo.listing import SUFFIX
from sweeps.project import discovery
from sweeps.project.sweep import Sweep, resolve
from sweeps.results import update
from sweeps.results.state import held_attributes
from sweeps.storage import disk, files

_HISTORY = "renamed.json"


@dataclasses.dataclass(frozen=True)
class Renamed:
    """What a rename did.

    Attributes
    ----------
    is_landed : bool
        Whether the results file was written again, with the new name inside.
    left : tuple of Path
        What is still under the old name.
    warnings : tuple of str
    """

    old: str
    new: str
    results: Path
    is_landed: bool
    left: tuple[Path, ...]
    warnings: tuple[str, ...] = ()


def find(
    old: str,
    new: str,
    *,
    results: str | os.PathLike[str] | None = None,
    experiments: str | os.PathLike[str] | None = None,
) -> Sweep:
    """Find the experiment under its new name, and refuse what cannot be renamed.

    Raises
    ------
    SweepsError
        If the new name is not declared, the old one still is, the old name has no results, or the
        new one already has some.
    """
    _check_name(old)
    try:
        renamed = resolve(new, results=results, experiments=experiments)
    except UnknownNameError as error:
        raise UnknownNameError(
            f"{error} First rename the function, or its name= option; then move its results"
        ) from error
    _refuse_declared(old, renamed.experiment.name, experiments)
    _refuse_missing(old, renamed)
    _refuse_taken(old, renamed)
    return renamed


def _check_name(old: str) -> None:
    """Refuse a path."""
    if not files.is_name(old):
        raise DeclarationError(
            f"{old!r} is not the name of an experiment: give its name, not a path"
        )


def _refuse_declared(old: str, new: str, experiments: str | os.PathLike[str] | None) -> None:
    if old == new:
        raise DeclarationError(f"the experiment is called {new!r} already: give its earlier name")
    found, broken = discovery.find_all(experiments)
    for each in found:
        if each.experiment.name == old:
            raise DeclarationError(
                f"{old!r} and {new!r} are both declared, {old!r} in {each.location.module}: "
                "these are two experiments; you can only rename one that is no longer declared"
            )
    for module in broken:
        if module.location.name == old:
            raise DeclarationError(
                f"{old!r} may still be declared in {module.location.module}, which cannot be "
                f"imported: {module.error}"
            )


def _refuse_missing(old: str, renamed: Sweep) -> None:
    results = renamed.results
    if _memo(results, old).is_dir() or _landed(results, old).is_file():
        return
    if old in _history(_memo(results, renamed.experiment.name)):
        return  # a repeated rename
    kept = {path.stem for path in results.glob("*.h5")}
    kept |= {path.name for path in _memo(results, old).parent.glob("*") if path.is_dir()}
    raise unknown("results of an experiment", old, kept, f"in {results}")


def _refuse_taken(old: str, renamed: Sweep) -> None:
    """Refuse to mix two experiments; results of an earlier rename belong to the same one."""
    new, results = renamed.experiment.name, renamed.results
    if old in _history(_memo(results, new)):
        return
    taken = [path for path in (_landed(results, new),) if os.path.lexists(path)]
    taken += [p.parent.parent for p in _memo(results, new).glob(f"*/*{SUFFIX}")][:1]
    if taken:
        raise StorageError(
            f"{new!r} already has results, {taken[0]}: to use the results of {old!r} "
            "instead, move these away"
        )


def rename(old: str, renamed: Sweep) -> Renamed:
    """Move memo and results file, and write the file again if its code is the present one.

    Nothing is computed, and nothing overwritten.

    Raises
    ------
    StorageError
        If a file or folder cannot be moved; repeat the rename then.
    """
    new, results = renamed.experiment.name, renamed.results
    _move_memo(results, old, new)
    warnings = _move_landed(results, old, new)
    is_landed, told = _land(renamed)
    left = tuple(p for p in (_memo(results, old), _landed(results, old)) if p.exists())
    if _memo(results, old) in left:
        again = f"{left[0]} exists again, because a run of {old!r} is still going on: rename again"
        warnings += (f"{again} when it ends",)
    return Renamed(old, new, renamed.landed, is_landed, left, (*warnings, *told))


def _memo(results: Path, name: str) -> Path:
    return files.memo_folder(results, name, "")  # of all versions of the code


def _landed(results: Path, name: str) -> Path:
    return results / f"{name}.h5"


def _history(folder: Path) -> list[str]:
    """Earlier names of an experiment, as renames recorded them in its folder."""
    try:
        names = json.loads(disk.content(folder / _HISTORY))
    except (OSError, ValueError, RecursionError):
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _move_memo(results: Path, old: str, new: str) -> None:
    source, target = _memo(results, old), _memo(results, new)
    names = dict.fromkeys([*_history(target), *_history(source), old])
    if not source.is_dir():
        if not target.is_dir():  # a results file alone; record the name for a repeated rename
            files.make_folder(target)
        files.commit(target / _HISTORY, [json.dumps(list(names)).encode()])
        return
    place = source if not target.exists() else target
    files.commit(place / _HISTORY, [json.dumps(list(names)).encode()])
    if place is source:
        with files.told(target):
            disk.replace(source, target)
            disk.flush_folder(target.parent)
    else:
        _merge(source, target)


def _merge(source: Path, target: Path) -> None:
    """Move the files of a folder into another one; segments are named after their content."""
    for path in sorted(source.rglob("*"), key=lambda p: (p.is_dir(), -len(p.parts))):
        place = target / path.relative_to(source)
        with files.told(place):
            if path.is_dir():
                with contextlib.suppress(OSError):  # a run is still writing to it
                    disk.remove_folder(path)
            elif path.parent.name == claims.FOLDER:
                disk.unlink(path)  # at worst two runs compute a point twice
            elif _is_being_written(path):
                continue
            elif path.suffix == SUFFIX or not place.exists():
                files.make_folder(place.parent)
                disk.replace(path, place)
                disk.flush_folder(place.parent)
            elif path.suffix == ".json":  # both say the same
                disk.unlink(path)
    with contextlib.suppress(OSError):
        disk.remove_folder(source)


def _is_being_written(path: Path) -> bool:
    return path.name.startswith(files.TEMPORARY_PREFIX) and not files.is_abandoned(path)


def _move_landed(results: Path, old: str, new: str) -> tuple[str, ...]:
    """Move the results file, unless the new name already has one; return warnings."""
    source, target = _landed(results, old), _landed(results, new)
    if not source.is_file():
        return ()
    with files.told(target):
        try:
            disk.link(source, target)  # a link overwrites nothing, unlike a rename
        except FileExistsError:
            if not source.samefile(target):
                return (
                    f"{target} exists already, so {source} stays; its points are also stored: "
                    "delete it when you no longer need it",
                )
        except OSError:  # a filesystem without links
            if target.exists():
                raise
            disk.replace(source, target)
        with contextlib.suppress(FileNotFoundError):
            disk.unlink(source)
        disk.flush_folder(results)
    return ()


def _land(renamed: Sweep) -> tuple[bool, tuple[str, ...]]:
    """Write the results file, if it shows the present space and code."""
    held = held_attributes(renamed.landed)
    is_shown = (held.get("fingerprint"), held.get("n_points")) == (
        renamed.fingerprint.digest,
        len(renamed.experiment.space),
    )
    index = memo.scan(renamed.memo, sets_aside=True)
    told = tuple(f"set aside the damaged file {p}: run to recompute its points" for p in index.bad)
    has_any = bool(index.parts or index.failures)
    if not has_any or (renamed.landed.exists() and not is_shown):
        return False, told
    refreshed = update.refresh(renamed, index, provenance.now(), is_last=True)
    return True, (*told, *refreshed.warnings)
