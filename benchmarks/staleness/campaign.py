"""A project in many states -> in which of them a run serves what the code does not give."""

from __future__ import annotations

import compileall
import dataclasses
import functools
import py_compile
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.staleness import trying
from benchmarks.staleness.cosmetics import Edit
from benchmarks.staleness.mutating import Mutant
from sweeps.code.source.module import read_source

PROJECT = Path(__file__).parent / "project"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a mutant did.

    Attributes
    ----------
    is_broken
        Nothing could be imported any more, or it ran for ever.
    changed
        Experiments whose values differ from those of the original.
    stale
        Those of them for which a run gave something else than the code.
    """

    mutant: Mutant
    is_broken: bool = False
    changed: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()


class Copy:
    """A copy of the project with a memo that its original code filled.

    Parameters
    ----------
    is_thorough
        Whether to run what changed even where the plan says that nothing of it is known.
    """

    def __init__(self, place: Path, project: Path = PROJECT, *, is_thorough: bool = False) -> None:
        self.is_thorough = is_thorough
        self.root, self.results = place / "project", place / "results"
        self._trial = place / "trial"
        shutil.copytree(project, self.root, ignore=shutil.ignore_patterns("__pycache__"))
        _load_what_runs_need(place / "warm")
        # Children find all files compiled and parsed but the one that was edited.
        mode = py_compile.PycInvalidationMode.CHECKED_HASH
        compileall.compile_dir(self.root, quiet=2, invalidation_mode=mode)
        self._parsed = [read_source(path) for path in self.root.rglob("*.py")]
        self.values: dict[str, trying.Values] = trying.in_child(
            functools.partial(trying.direct, self.root), timeout_s=120
        )
        names = [*self.values]
        served = trying.in_child(
            functools.partial(trying.served, self.root, self.results, names), timeout_s=120
        )
        wrong = [n for n in names if any(trying.stale_points(self.values[n], served[n]))]
        assert not wrong, f"the unchanged project is served wrong: {wrong}"
        self.identities = self.identify()

    def identify(self) -> dict[str, trying.Identity]:
        """Find out fingerprints, keys and plans of all experiments as the files are now."""
        return trying.in_child(  # type: ignore[no-any-return]
            functools.partial(trying.identities, self.root, self.results), timeout_s=120
        )

    def spoiled(self, *edits: Edit) -> list[str]:
        """Make cosmetic edits: return the experiments that something would be computed of."""
        originals = {path: _read(path) for path in (self.root / edit.file for edit in edits)}
        for edit in edits:
            _write(self.root / edit.file, edit.raw)
        try:
            found = self.identify()
        except trying.ChildError as error:
            return [str(error)]
        finally:
            for path, original in originals.items():
                _write(path, original)
        more = {_module(edit.file) for edit in edits if edit.adds_code}
        return [
            name
            for name, known in self.identities.items()
            if more.isdisjoint(known.whole_modules) and not _is_all_reused(found.get(name), known)
        ]

    def outcome(self, mutant: Mutant) -> Outcome:
        """Try a mutant: call all experiments, and run those that give other values."""
        path = self.root / mutant.file
        original = path.read_bytes()
        path.write_text(mutant.text)
        try:
            return self._outcome(mutant)
        finally:
            path.write_bytes(original)
            shutil.rmtree(self.root / "nothing_kept", ignore_errors=True)

    def _outcome(self, mutant: Mutant) -> Outcome:
        question = functools.partial(trying.direct_and_known, self.root, self.results, self.values)
        try:
            values, known = trying.in_child(question, timeout_s=3)
        except trying.ChildError:
            return Outcome(mutant, is_broken=True)
        changed = [n for n, found in values.items() if not trying.is_same(found, self.values[n])]
        if not changed:
            return Outcome(mutant, is_broken=values.keys() != self.values.keys())
        asked = changed if self.is_thorough else known
        served = self._serve(asked) if asked else {}
        stale = tuple(n for n in asked if any(trying.stale_points(values[n], served[n])))
        return Outcome(mutant, changed=tuple(changed), stale=stale)

    def _serve(self, names: list[str]) -> dict[str, dict[str, Any]]:
        shutil.rmtree(self._trial, ignore_errors=True)
        shutil.copytree(self.results, self._trial)
        question = functools.partial(trying.served, self.root, self._trial, names)
        return trying.in_child(question, timeout_s=60)  # type: ignore[no-any-return]


def _module(file: str) -> str:
    """Return the name of the module that a file of the project is imported as."""
    place = file.removeprefix("editable/").removesuffix(".py").removesuffix("/__init__")
    return place.replace("/", ".")


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _write(path: Path, raw: bytes | None) -> None:
    if raw is None:
        path.unlink()
    else:
        path.write_bytes(raw)


def _is_all_reused(found: trying.Identity | None, known: trying.Identity) -> bool:
    return found == known and known.n_reused == known.n_points


@functools.cache
def _load_what_runs_need(place: Path) -> None:
    """Run something here, so that children find all of sweeps imported."""
    import sweeps

    made = sweeps.experiment(sweeps.grid(x=[1]), name="warm")(lambda x: x)
    sweeps.run(made, engine="serial", results=place)


def spoiling(copy: Copy, edits: Sequence[Edit]) -> list[tuple[Edit, list[str]]]:
    """Try cosmetic edits: as many together as are in different files, alone what is not well."""
    found: list[tuple[Edit, list[str]]] = []
    pending = list(edits)
    while pending:
        together = {edit.file: edit for edit in pending}
        tried = {id(edit) for edit in together.values()}
        pending = [edit for edit in pending if id(edit) not in tried]
        is_well = not copy.spoiled(*together.values())
        found += [(e, [] if is_well else copy.spoiled(e)) for e in together.values()]
    return found


def table(found: Sequence[Outcome]) -> str:
    """Write a table of outcomes by kind, in Markdown."""
    lines = ["| kind | mutants | broken | observable | served stale |", "|---|---|---|---|---|"]
    kinds = sorted({outcome.mutant.kind for outcome in found})
    for kind in [*kinds, "all"]:
        own = [o for o in found if kind in (o.mutant.kind, "all")]
        counts = [
            len(own),
            sum(o.is_broken for o in own),
            sum(bool(o.changed) for o in own),
            sum(bool(o.stale) for o in own),
        ]
        lines.append(f"| {kind} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def cosmetic_table(found: Sequence[tuple[Edit, list[str]]]) -> str:
    """Write a table of cosmetic edits by kind, in Markdown."""
    lines = ["| kind | edits | something computed again |", "|---|---|---|"]
    for kind in [*dict.fromkeys(edit.kind for edit, _ in found), "all"]:
        own = [spoiled for edit, spoiled in found if kind in (edit.kind, "all")]
        lines.append(f"| {kind} | {len(own)} | {sum(map(bool, own))} |")
    return "\n".join(lines)
