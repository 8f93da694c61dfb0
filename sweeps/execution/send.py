"""Send an experiment to workers that are processes of their own."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import io
import linecache
import multiprocessing
import os
import pickle
import sys
import time
import types
from collections import ChainMap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from sweeps.code import pins
from sweeps.code.reach.follow import IN_MEMORY
from sweeps.engines import Engine, Lost, Receipt, Refusal
from sweeps.errors import SweepsError
from sweeps.execution import blame, brief
from sweeps.execution.brief import Work
from sweeps.project.sweep import Sweep
from sweeps.spaces import values
from sweeps.spaces.product import Places
from sweeps.worker import evaluate, resources, scratch
from sweeps.worker.isolation import undo
from sweeps.worker.job import Job, ready, work

_LONGEST_S = 60.0  # a worker that is not there by then has died, or is very slow to import

_LOOK_S = 0.002

_LEAST_OF_ALL = 64
"""Workers get a part of the space if this part of it, or less, is to be computed."""


@dataclasses.dataclass(frozen=True)
class Parcel:
    """What worker processes must know of a run, wherever they are.

    Attributes
    ----------
    job : Job
        Its settings have no place yet.
    settings : bytes
    """

    job: Job
    settings: bytes


def send(
    sweep: Sweep,
    folder: Path,
    memory_bytes: int | None = None,
    clock_ns: int = 0,
    checkpoints: Path | None = None,
    todo: Sequence[Places] = (),
) -> Work:
    """Make the work of worker processes of this machine, for all points or those that are to do.

    Raises what `pack` does.
    """
    own = {"clock_ns": clock_ns, "checkpoints": checkpoints}
    return unpack(pack(sweep, memory_bytes, todo), folder, **own)


def unpack(parcel: Parcel, folder: Path, **own: Any) -> Work:
    """Make the work of worker processes of this machine, in the temporary folder of a run."""
    file = folder / scratch.SETTINGS
    file.write_bytes(parcel.settings)
    job = dataclasses.replace(parcel.job, settings=str(file), own=tuple(own.items()))
    return functools.partial(work, job)


def pack(sweep: Sweep, memory_bytes: int | None = None, todo: Sequence[Places] = ()) -> Parcel:
    """Make a parcel of what worker processes must know, who import the experiment or unpickle it.

    Of a long space they may get only what concerns the points that are `todo`, if these are given.

    Raises
    ------
    SweepsError
        If something cannot be pickled, or is older than the code on disk.
    """
    experiment = sweep.experiment
    _refuse_patched(sweep)
    frozen = brief.freeze(sweep)
    brief.refuse_older(frozen.carried, frozen, experiment.declared_ns, "restart Python")
    with pins.held(frozen.pins):  # cached helpers are sent with their identity
        told = dataclasses.replace(
            brief.settings(sweep, Path()),
            behind_values=frozen.behind_values,
            data=frozen.data,
            memory_bytes=memory_bytes,
        )
        if 0 < sum(map(len, todo)) < len(sweep.experiment.space) // _LEAST_OF_ALL:
            from sweeps.spaces.window import window  # which few runs need

            told = dataclasses.replace(told, keys=window(told.keys, todo))
        by_value = set[str]()
        try:
            said = _pickle(told, by_value)
        except SweepsError:
            _refuse_given(told)
            raise
        is_imported = sweep.location is not None
        own = b"" if is_imported else _pickle(experiment.without_space(), by_value)
        settings = _pickle(undo.environment())
        settings += _pickle({**frozen.pins.files, **_cells(by_value)}) + said
    job = Job(
        experiment=experiment.name,
        fingerprint=sweep.fingerprint.code,
        location=sweep.location,
        attribute=sweep.attribute,
        pickled=own,
        settings="",
        digest=hashlib.sha256(settings).hexdigest(),
        path=tuple(sys.path),
        folder=os.getcwd(),  # noqa: PTH109
        start_method=multiprocessing.get_start_method(allow_none=True),
    )
    return Parcel(job, settings)


def _refuse_given(told: evaluate.Settings) -> None:
    """Name what points are given that cannot be pickled."""
    tables = {name: column.table for name, column in told.keys.space.columns.items()}
    labelled = [(name, each) for name, table in tables.items() for each in table.objects or ()]
    for name, thing in [*told.constants.items(), *labelled]:
        _pickle(values.unlabel(thing), what=f"{name!r} (a {type(values.unlabel(thing)).__name__})")


def _refuse_patched(sweep: Sweep) -> None:
    """Refuse what was set in the memory of this process, where workers import a module anew."""
    own = sweep.experiment.module if sweep.location is None else None
    for part in sweep.fingerprint.parts:
        module, _, name = part.removesuffix(IN_MEMORY).partition(":")
        if part.endswith(IN_MEMORY) and module != own:
            raise SweepsError(
                f"{module}.{name} was changed in the memory of this process, which worker "
                "processes do not see: use the engine serial or threads, or change its file"
            )


def _cells(files: Iterable[str]) -> pins.Files:
    """Return the texts of code that no file holds, as of notebooks: tracebacks show its lines."""
    cells = {file: "".join(linecache.getlines(file)) for file in files if not Path(file).exists()}
    return {file: (Path(file), text) for file, text in cells.items() if text}


def _pickle(thing: Any, by_value: set[str] | None = None, what: str = "") -> bytes:
    """Pickle for a worker; pickle definitions of ``__main__`` by value.

    Parameters
    ----------
    by_value : set of str, optional
        Gets the files that code which is pickled by value is from.
    what : str, optional
        What to call the thing where it cannot be pickled.
    """
    import cloudpickle

    files = set[str]() if by_value is None else by_value

    def reduced(code: types.CodeType) -> tuple[Any, ...]:
        files.add(code.co_filename)
        make, given, *_ = cloudpickle.Pickler.dispatch_table[types.CodeType](code)
        return _code_of_file, (make, given, code.co_filename)

    base = cloudpickle.Pickler  # looks for the table once, at its class
    table = ChainMap({types.CodeType: reduced}, base.dispatch_table)
    pickler = type("Pickler", (base,), {"dispatch_table": table})
    packed = io.BytesIO()
    try:
        pickler(packed, pickle.HIGHEST_PROTOCOL).dump(thing)
    except Exception as error:
        raise SweepsError(
            f"cannot send {what or type(thing).__name__} to a worker process: {error}; "
            "use --engine serial or threads, or objects that can be pickled"
        ) from error
    return packed.getvalue()


def _code_of_file(make: Callable[..., types.CodeType], given: Any, file: str) -> types.CodeType:
    """Make code that knows its file, which cloudpickle leaves out: tracebacks show its lines."""
    return make(*given).replace(co_filename=file)


def muster(engine: Engine, job: Job, n_workers: int) -> str:
    """Have all workers ready; return why they cannot be, else an empty text."""
    meet = functools.partial(_meet, job, n_workers)
    with contextlib.closing(engine.carry(meet, iter(range(n_workers)), n_workers)) as said:
        for outcome in said:
            if isinstance(outcome, Lost):
                cause = blame.exit_code(outcome.cause)
                return f"workers die before they compute anything: {cause}"
            if isinstance(outcome, Refusal):
                return outcome.reason
    return ""


def _meet(job: Job, n_processes: int, number: int) -> Receipt | Refusal:
    """Make this process ready, resources and all, and wait until so many are."""
    task = ready(job)
    if isinstance(task, Refusal):
        return task
    try:
        with evaluate.caller(task):
            pass
    except resources.CannotOpenError as refused:
        return Refusal(str(refused))
    folder = Path(job.settings).parent
    (folder / f"{os.getpid()}{scratch.READY}").touch()
    deadline = time.monotonic() + _LONGEST_S
    while len(list(folder.glob(f"*{scratch.READY}"))) < n_processes and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
    return Receipt(number, 0, 0, 0, 0.0)
