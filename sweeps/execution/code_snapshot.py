"""The code of a run, read once and held on to, with that behind values of parameters."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sweeps.code import fingerprint, loaded, pins, reads
from sweeps.errors import DeclarationError, SweepsError
from sweeps.project.sweep import Sweep
from sweeps.spaces import keys
from sweeps.spaces.keys import key_maker
from sweeps.spaces.space import Space


@dataclasses.dataclass(frozen=True, eq=False)
class Frozen:
    """The code of a run.

    Attributes
    ----------
    pins
        The text of every module that was looked at.
    behind_values
        Functions and classes behind values of parameters that workers import, and their identity.
    data
        Files that the results depend on, and how they were when they were read.
    modules
        Names of the modules with code that the function or such values reach.
    carried
        Names of those with code that no import can give: inner functions, lambdas, `__main__`.
        To workers it goes as it is in memory.
    """

    pins: pins.Pins
    behind_values: tuple[tuple[Any, str], ...]
    data: Mapping[Path, fingerprint.State]
    modules: frozenset[str]
    carried: frozenset[str]


class _Reading:
    """Fingerprints, one after the other, that see a file as the first of them saw it."""

    def __init__(self, first: fingerprint.Fingerprint) -> None:
        self.pins = pins.Pins(first.files)
        self.data = dict(first.data)
        self.modules = {*first.modules}
        self.carried = set[str]()
        self.found: dict[int, tuple[Any, str]] = {}
        self.imported: list[tuple[Any, str]] = []

    def identify(self, thing: Any) -> str:
        """Find the identity of what is behind a value, as `experiment.identity` does."""
        if id(thing) not in self.found:
            self.found[id(thing)] = thing, self._identify(thing)
        return self.found[id(thing)][1]

    def _identify(self, thing: Any) -> str:
        try:
            with pins.held(self.pins):
                code = fingerprint.fingerprint(thing)
        except (DeclarationError, RecursionError):
            return ""
        if code.files.keys() - self.pins.files.keys():
            self.pins = pins.Pins({**code.files, **self.pins.files})
        self.data = {**code.data, **self.data}
        self.modules |= {*code.modules}
        own = carried(code)
        self.carried |= own
        if callable(thing) and not own:
            self.imported.append((thing, code.digest))
        return code.digest


def freeze(sweep: Sweep) -> Frozen:
    """Take the code that a sweep's fingerprint and keys are of, to be held on to.

    Raises
    ------
    SweepsError
        Where code or data behind values was edited between the two.
    """
    reading = _Reading(sweep.fingerprint)
    if not _are_keys_of(reading, sweep):
        raise SweepsError(
            f"code or data behind values of {sweep.experiment.name!r} was edited as the run "
            "began: run it again"
        )
    is_carried = sweep.location is None  # of an imported experiment, the worker's own counts
    own = carried(sweep.fingerprint) | {sweep.experiment.module} if is_carried else set()
    return Frozen(
        reading.pins,
        tuple(reading.imported),
        reading.data,
        frozenset(reading.modules),
        frozenset(reading.carried | own),
    )


def carried(code: fingerprint.Fingerprint) -> set[str]:
    """Name the modules of inner functions, lambdas and what stands in ``__main__``."""
    names = (part.partition(":")[::2] for part in code.parts)
    inner = {module for module, name in names if "<locals>" in name or "<lambda>" in name}
    main = getattr(getattr(sys.modules.get("__main__"), "__spec__", None), "name", "__main__")
    return inner | {main, "__main__"} & {*code.modules}


def _are_keys_of(reading: _Reading, sweep: Sweep) -> bool:
    """Whether the sweep's keys name the code behind values that is now read."""
    experiment, made = sweep.experiment, sweep.keys
    columns = {name: column.table for name, column in experiment.space.columns.items()}
    known = {**made.shown, **made.hashes}
    pairs = [(name, table, known[name][:-1]) for name, table in columns.items()]
    rest = {}
    for name, table in experiment.constants.items():
        if name in columns:
            pairs.append((name, table, known[name][-1:]))
        else:
            rest[name] = table
    for name, table, hashes in pairs:
        if table.objects:
            tokens = experiment.label_tokens(table, reading.identify)
            if not np.array_equal(keys.hash_values(name, table, tokens), hashes):
                return False
    if not any(table.objects for table in rest.values()):
        return True
    for table in rest.values():
        experiment.label_tokens(table, reading.identify)
    alone = dataclasses.replace(experiment, space=Space(()), constants=rest)
    with pins.held(reading.pins):
        return np.array_equal(key_maker(alone).constant, made.constant)


# ---- what is in memory


def refuse_older(modules: Iterable[str], frozen: Frozen, since_ns: int, advice: str) -> None:
    """Refuse where the code of a module in memory is not that which was read from its file.

    Raises
    ------
    SweepsError
        Naming the file.
    """
    with pins.held(frozen.pins):
        file = fingerprint.edited_since(sorted(modules), since_ns)
    if file is not None:
        raise SweepsError(
            f"{file} was edited since it was imported here, and this process still has the old "
            f"code: {advice}"
        )


def refuse_newer_data(frozen: Frozen, sweep: Sweep) -> None:
    """Refuse where a file was changed that a module in memory may have read when imported.

    Raises
    ------
    SweepsError
        Naming the file.
    """
    since_ns, module = sweep.experiment.declared_ns, sweep.experiment.module
    outdated = reads.outdated(sweep.fingerprint, sweep.results, is_counting=True)
    if outdated is not None:
        module, read = outdated
        raise SweepsError(
            f"{read} was changed since {module} was imported here, which has loaded it: "
            "run it again by its name, start Python anew, or use the engine loky"
        )
    path = loaded.data_since(frozen.modules, frozen.data, since_ns)
    if path is not None:
        raise SweepsError(
            f"{path} was changed since {module} was imported here, which may have read it: "
            "run it again by its name, start Python anew, or use the engine loky"
        )
