"""What a project's experiments give: called directly, and served by a run; in a process of its own.

A child is forked for each question, with sweeps and numpy loaded and nothing of the project, so
that a question costs as little as importing the project anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import inspect
import linecache
import multiprocessing.connection
import os
import pickle
import signal
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import sweeps
from sweeps.declaration.experiment import Experiment
from sweeps.execution import leaks
from sweeps.operations import status as operations_status
from sweeps.project import discovery, sweep

Values = list[Any]
"""What each point gives: a dict of outputs, or the text of what it raises."""


class ChildError(RuntimeError):
    """A child that hung or died."""


def in_child(question: Callable[[], Any], timeout_s: float = 20) -> Any:
    """Answer a question in a forked process, which dies after so many seconds of its own time."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:  # pragma: no cover
        status = 1
        try:
            os.close(reading)
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            signal.setitimer(signal.ITIMER_PROF, timeout_s)  # of its own, on a busy machine too
            try:
                answer: tuple[bool, Any] = (True, question())
            except BaseException as error:
                answer = (False, f"{type(error).__name__}: {error}")
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(answer, pipe)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        ready = multiprocessing.connection.wait([pipe], 10 * timeout_s)
        raw = pipe.read() if ready else b""
    if not ready:
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    if not raw:
        raise ChildError("it hung or died")
    is_answered, answer = pickle.loads(raw)
    if not is_answered:
        raise ChildError(answer)
    return answer


def experiments_of(root: Path) -> dict[str, Experiment]:
    """Import a project, in this process, and return its experiments by name."""
    warnings.simplefilter("ignore")
    sys.dont_write_bytecode = True
    os.chdir(root)
    sys.path.append(str(root / "editable"))  # as an editable install does by a .pth file
    found, _ = discovery.find_all(root / "experiments")
    return {each.experiment.name: each.experiment for each in found} | _notebook(root)


def _notebook(root: Path) -> dict[str, Experiment]:
    """Run the cells of a notebook in `__main__`, as a kernel does."""
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    try:
        for number, cell in enumerate((root / "notebook.py").read_text().split("# %%\n")):
            name = f"<cell {number}>"
            linecache.cache[name] = (len(cell), None, cell.splitlines(keepends=True), name)
            exec(compile(cell, name, "exec"), vars(main))
    except Exception:
        return {}
    return {e.name: e for e in vars(main).values() if isinstance(e, Experiment)}


def direct(root: Path) -> dict[str, Values]:
    """Call every experiment's function at all of its points."""
    os.environ["SWEEPS_RESULTS"] = str(root / "nothing_kept")
    return {name: _called(each) for name, each in experiments_of(root).items()}


def direct_and_known(
    root: Path, results: Path, before: Mapping[str, Values]
) -> tuple[dict[str, Values], list[str]]:
    """Call every function; say of which that give other values now the memo knows something."""
    os.environ["SWEEPS_RESULTS"] = str(root / "nothing_kept")
    experiments = experiments_of(root)
    values = {name: _called(each) for name, each in experiments.items()}
    os.environ["SWEEPS_RESULTS"] = str(results)
    changed = [n for n in values if not is_same(values[n], before[n])]
    return values, [n for n in changed if _knows_something(experiments[n], results)]


def _knows_something(experiment: Experiment, results: Path) -> bool:
    try:
        return sweeps.plan(experiment, results=results).reused > 0
    except sweeps.SweepsError:
        return False


def is_same(one: Values, other: Values) -> bool:
    """Say whether values are the same; NaN is the same as NaN."""
    return repr(one) == repr(other)


def _called(experiment: Experiment) -> Values:
    return [_outputs(experiment, point) for point in experiment.space]


def _outputs(experiment: Experiment, point: Mapping[str, Any]) -> Any:
    with contextlib.ExitStack() as stack:
        try:
            opened = {n: stack.enter_context(o()) for n, o in experiment.resources.items()}
            value = experiment.function(**point, **opened)
            value = asyncio.run(value) if inspect.iscoroutine(value) else value
            return {name: _plain(output) for name, output in value.items()}
        except Exception as error:
            return f"{type(error).__name__}"


def _plain(output: Any) -> Any:
    array = np.asarray(output)
    return array.tolist() if array.dtype.kind in "biufcU" else repr(output)


def served(root: Path, results: Path, names: list[str]) -> dict[str, dict[str, Any]]:
    """Run some experiments against a memo; return the columns of values that the runs give."""
    os.environ["SWEEPS_RESULTS"] = str(results)
    leaks.warning = lambda *_: ""  # it computes points again, in processes of their own
    known = experiments_of(root)
    found = {}
    for name in names:
        try:
            dataset = sweeps.run(known[name], engine="serial", results=results)
        except sweeps.SweepsError as error:
            found[name] = {"refused": str(error)}
            continue
        found[name] = _columns(dataset, known[name])
    return found


def _columns(dataset: Any, experiment: Experiment) -> dict[str, Any]:
    """Return the outputs of a results file, a row for each point."""
    dims = experiment.space.dims
    outputs = {n: v.values for n, v in dataset.data_vars.items() if v.dims[: len(dims)] == dims}
    n_points = len(experiment.space)
    return {n: v.reshape(n_points, *v.shape[len(dims) :]) for n, v in outputs.items()}


@dataclasses.dataclass(frozen=True)
class Identity:
    """What an experiment is known by, and how many of its points are known."""

    fingerprint: str
    keys: bytes
    whole_modules: frozenset[str]
    n_points: int
    n_reused: int


def identities(root: Path, results: Path) -> dict[str, Identity]:
    """Find out what each experiment is known by, and how much of it is known."""
    os.environ["SWEEPS_RESULTS"] = str(results)
    found = {}
    for name, each in experiments_of(root).items():
        made = sweep.resolve(each, results=results)
        keys = made.keys(np.arange(each.space.n_positions)).tobytes()
        planned = operations_status.planned(made)
        whole = frozenset(made.fingerprint.whole_modules)
        found[name] = Identity(made.fingerprint.digest, keys, whole, planned.points, planned.reused)
    return found


def stale_points(truth: Values, columns: dict[str, Any]) -> Iterator[int]:
    """Find the points at which a run served something that the code does not give."""
    if "refused" in columns:
        return
    for index, values in enumerate(truth):
        for output, column in columns.items():
            got = column[index]
            if isinstance(values, str) or output not in values:
                is_missing = np.asarray(got).dtype.kind == "f" and np.isnan(got).all()
                if not is_missing and (isinstance(values, dict) or output == "value"):
                    yield index
            elif not _is_equal(got, np.asarray(values[output])):
                yield index


def _is_equal(got: Any, expected: Any) -> bool:
    got = np.asarray(got)
    if got.dtype.kind in "OUT" or expected.dtype.kind in "OU":
        return [*map(str, got.ravel())] == [*map(str, expected.ravel())]
    return got.shape == expected.shape and np.array_equal(got, expected, equal_nan=True)
