"""What a run tells its workers: the code, read once and held on to, and how to evaluate blocks.

Workers that share this process get it from `here`; `sweeps.execution.send` sends it to others.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sweeps.code import fingerprint, loaded, pins, reads
from sweeps.engines import Block, Outcome
from sweeps.errors import SweepsError
from sweeps.execution import scheduler
from sweeps.project.sweep import Sweep
from sweeps.spaces import values
from sweeps.storage import files
from sweeps.worker import capture, evaluate, scratch
from sweeps.worker.isolation import undo
from sweeps.worker.isolation.surroundings import Surroundings

CHECKPOINTS = ".checkpoints"
"""Folder in the memo; see `sweeps.worker.checkpoints`, which few runs need."""

Work = functools.partial[Outcome]


def here(
    sweep: Sweep,
    folder: Path,
    clock_ns: int = 0,
    take: capture.Take | None = None,
    checkpoints: Path | None = None,
) -> Work:
    """Make the work of workers that share this process; `take` gets what points print.

    Raises what `task_here` does.
    """
    task, pinned = task_here(sweep, folder, clock_ns, checkpoints)
    return functools.partial(_work_here, task, pinned, take, threading.local())


def task_here(
    sweep: Sweep, folder: Path, clock_ns: int = 0, checkpoints: Path | None = None
) -> tuple[evaluate.Task, pins.Pins]:
    """Make an experiment ready in this process, and return what its code was read from.

    Raises
    ------
    SweepsError
        If the code on disk, which the fingerprint is of, is newer than the code in memory, or if
        data is that the code may have read.
    """
    frozen, since_ns = freeze(sweep), sweep.experiment.declared_ns
    refuse_older(frozen.modules, frozen, since_ns, "restart Python, or use the engine loky")
    if sweep.location is not None:  # what ``__main__`` holds counts by its own content
        _refuse_newer_data(frozen, sweep)
    told = dataclasses.replace(
        settings(sweep, folder, clock_ns),
        behind_values=frozen.behind_values,
        data=frozen.data,
        checkpoints=checkpoints,
    )
    task = evaluate.task(sweep.experiment, told, scratch.Recorder(None), surroundings(sweep))
    return task, dataclasses.replace(frozen.pins, scratch=folder / scratch.COMPILED)


def _work_here(
    task: evaluate.Task,
    pinned: pins.Pins,
    take: capture.Take | None,
    own: threading.local,
    block: Block,
) -> Outcome:
    """Evaluate a block; what it is the first to import is as the run began.

    Each thread has a record of its own.
    """
    if not hasattr(own, "task"):
        recorder = scratch.Recorder(task.settings.folder, is_process=False, take=take)
        own.task = dataclasses.replace(task, recorder=recorder)
    with pins.held(pinned):
        return evaluate.evaluate(own.task, block)


def own_name(folder: Path) -> str:
    """Name of what the run with a temporary folder has in its memo while it goes on."""
    return f"{files.TEMPORARY_PREFIX}{folder.name}"  # `clean` removes those of killed runs


def checkpoints(memo: Path, own: str, *, recompute: bool) -> Path:
    """Return where points have checkpoints: a folder of the run's own, if it begins afresh.

    Workers elsewhere make those of one run there, too.
    """
    return memo / CHECKPOINTS / own if recompute else memo / CHECKPOINTS


def settings(sweep: Sweep, folder: Path, clock_ns: int = 0) -> evaluate.Settings:
    """Return how blocks of an experiment are evaluated.

    Parameters
    ----------
    folder : Path
        Temporary folder of the run.
    """
    experiment = sweep.experiment
    constants = {
        name: values.unlabel(table.element(0)) for name, table in experiment.constants.items()
    }
    return evaluate.Settings(
        keys=sweep.keys.settled(),
        passed=experiment.passed,
        constants=constants,
        taken=experiment.taken,
        memo=sweep.memo,
        folder=folder,
        block_s=scheduler.block_s(experiment.concurrency),
        seed=experiment.seed,
        results=sweep.results,
        clock_ns=clock_ns,
        reads=sweep.reads,
        is_random=_mentions_random(sweep.fingerprint),
        state=undo.told(),
        modules=sweep.fingerprint.modules,
        services=experiment.services,
    )


def surroundings(sweep: Sweep) -> Surroundings:
    """Keep the state of this process, which serves not only points, as it is now."""
    return Surroundings(is_worker=False, is_random=_mentions_random(sweep.fingerprint))


def _mentions_random(code: fingerprint.Fingerprint) -> bool:
    """Whether code mentions random numbers, and so may draw some."""
    return any("random" in text for _, text in code.files.values())


# ---- the code of a run, and that behind values of parameters


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


def freeze(sweep: Sweep) -> Frozen:
    """Take the code that a sweep's fingerprint and keys are of, to be held on to."""
    behind = [(thing, code) for thing, code in sweep.behind.found.values() if code is not None]
    codes = [sweep.fingerprint, *(code for _, code in behind)]
    is_carried = sweep.location is None  # of an imported experiment, the worker's own counts
    carried = _carried(sweep.fingerprint) | {sweep.experiment.module} if is_carried else set()
    return Frozen(
        sweep.behind.pins,
        tuple((t, code.digest) for t, code in behind if callable(t) and not _carried(code)),
        {path: state for code in reversed(codes) for path, state in code.data.items()},
        frozenset(module for code in codes for module in code.modules),
        frozenset(carried.union(*(_carried(code) for _, code in behind))),
    )


def _carried(code: fingerprint.Fingerprint) -> set[str]:
    """Name the modules of inner functions, lambdas and what stands in ``__main__``."""
    names = (part.partition(":")[::2] for part in code.parts)
    inner = {module for module, name in names if "<locals>" in name or "<lambda>" in name}
    main = getattr(getattr(sys.modules.get("__main__"), "__spec__", None), "name", "__main__")
    return inner | {main, "__main__"} & {*code.modules}


# ---- what is in memory


def refuse_older(modules: Iterable[str], frozen: Frozen, since_ns: int, advice: str) -> None:
    """Refuse where the code of a module in memory is not that which was read from its file.

    Raises
    ------
    SweepsError
        Naming the file.
    """
    with pins.held(frozen.pins):
        file = loaded.edited_since(sorted(modules), since_ns)
    if file is not None:
        raise SweepsError(
            f"{file} was edited since it was imported here, and this process still has the old "
            f"code: {advice}"
        )


def _refuse_newer_data(frozen: Frozen, sweep: Sweep) -> None:
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
            f"{read} was changed since {module} was imported here and loaded it: run the "
            "experiment by its name, restart Python, or use the engine loky"
        )
    path = loaded.data_since(frozen.modules, frozen.data, since_ns)
    if path is not None:
        raise SweepsError(
            f"{path} was changed since {module} was imported here, which may have read it: "
            "run it again by its name, restart Python, or use the engine loky"
        )
