"""What the engines that use joblib share: how blocks go to its workers, and what these need."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
import time
import warnings
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from sweeps.engines import Outcome, Work, lean
from sweeps.errors import SweepsError

if TYPE_CHECKING:
    from joblib.parallel import ParallelBackendBase

INSTEAD = (
    "or use --engine serial, which computes in this process without time or memory "
    "limits; there, a crash ends the run"
)

_PROMPT_S, _LOOK_S = 0.5, 0.0005

_THREADS = ("can't start new thread", "unable to start watchdog thread")


_COUNT = re.compile("[1-9][0-9]{0,5}")


def n_workers(given: int | None) -> int:
    """Return as many workers as given, or one for each core that this process may use.

    Many batch systems say how many cores a task has, but do not bind it to them.
    """
    if given is None:
        lean.load()
        from joblib.parallel import cpu_count  # which knows affinity and cgroups

        given = min([int(cpu_count()), *_allocated()])
    return given


def _allocated() -> Iterator[int]:
    """Give what batch systems say; nonsense is ignored."""
    is_on_one_node = os.environ.get("SLURM_JOB_NUM_NODES") == "1"
    slurm = ("SLURM_CPUS_PER_TASK", *["SLURM_CPUS_ON_NODE"] * is_on_one_node)
    for names in (slurm, ("NSLOTS",), ("PBS_NP", "NCPUS"), ("LSB_DJOB_NUMPROC",)):
        said = (os.environ.get(name, "").strip() for name in names)
        yield from [int(each) for each in said if _COUNT.fullmatch(each)][:1]


def carry(
    backend: str | ParallelBackendBase,
    work: Work,
    blocks: Iterator[Any],
    n_workers: int,
    starting: AbstractContextManager[None] | None = None,
) -> Generator[Outcome]:
    """Share blocks among the workers of a backend of joblib.

    Parameters
    ----------
    starting : context manager, optional
        Holds while workers start.
    """
    from joblib.parallel import delayed

    # With n_jobs=1 joblib leaves the backend out and calls the function here, where a crash would
    # be ours. Two threads that get one block at a time are one worker.
    parallel = _parallel()(
        n_jobs=max(2, n_workers),
        backend=backend,
        return_as="generator_unordered",
        batch_size=1,
        pre_dispatch=1 if n_workers == 1 else 2 * n_workers,
    )
    with starting or contextlib.nullcontext(), explained():
        outcomes = parallel(delayed(work)(block) for block in blocks)
    try:
        for outcome in outcomes:  # noqa: UP028 - `yield from` would close it outside of here
            yield outcome
    finally:
        with warnings.catch_warnings():  # joblib advises not to leave blocks under way
            warnings.simplefilter("ignore", UserWarning)
            outcomes.close()


@functools.cache
def _parallel() -> Any:
    """Make the class of what hands blocks out, which looks for outcomes more often at first.

    joblib looks every 10 ms, and the outcomes of a small run come within some of them.
    """
    from joblib.parallel import Parallel

    class Prompt(Parallel):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self._until_s = time.monotonic() + _PROMPT_S

        def _wait_retrieval(self) -> bool:
            while (is_more := super()._wait_retrieval()) and not (self._jobs or self._aborting):
                if time.monotonic() > self._until_s:
                    break
                time.sleep(_LOOK_S)
            return bool(is_more)

    return Prompt


def check() -> None:
    """Refuse if joblib would start no workers, and compute in this thread instead.

    It needs semaphores for threads, too, and looks for them once, when it is imported.

    Raises
    ------
    SweepsError
        Saying what is missing.
    """
    if os.environ.get("JOBLIB_MULTIPROCESSING", "1").strip() == "0":
        raise SweepsError(f"JOBLIB_MULTIPROCESSING=0 forbids workers: unset it, {INSTEAD}")
    try:
        from _multiprocessing import SemLock

        # Make one and drop it: joblib finds out too, when it is imported, but only warns.
        SemLock(0, 0, 1, name=f"/sweeps-{os.getpid()}", unlink=True)
    except FileExistsError:  # of a process of that number that was killed in between
        pass
    except ImportError as error:
        raise SweepsError(f"this Python has no semaphores ({error}): {INSTEAD}") from error
    except OSError as error:
        raise _without_semaphores(error) from error
    lean.load()
    from joblib._multiprocessing_helpers import mp

    if mp is None:
        raise SweepsError(
            "joblib was imported while no semaphore could be made, and starts no workers since "
            f"then: start Python again, {INSTEAD}"
        )


@contextlib.contextmanager
def explained(*, is_start: bool = True) -> Iterator[None]:
    """Raise what the machine lacks, if workers cannot start.

    Parameters
    ----------
    is_start : bool
        Whether workers are only starting, so that semaphores may be what is missing.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        number = next(filter(None, map(_limit, _chain(error))), 0)
        if number:
            said = f"cannot start workers: {_LIMITS[number]}, {INSTEAD}"
            raise SweepsError(said) from error
        if not is_start or not isinstance(error, OSError) or error.filename is not None:
            raise
        raise _without_semaphores(error) from error


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _limit(error: BaseException) -> int:
    """Which limit an error is of, as an errno, or 0."""
    if isinstance(error, OSError):
        return error.errno if error.errno in _LIMITS and error.filename is None else 0
    return errno.EAGAIN if any(text in str(error) for text in _THREADS) else 0


_LIMITS = {
    errno.EAGAIN: (
        "the limit of processes and threads is reached (ulimit -u, or the container's "
        "limit): raise it, use fewer workers with -j"
    ),
    errno.EMFILE: (
        "the limit of open files is reached (ulimit -n): raise it, use fewer workers with -j"
    ),
    errno.ENFILE: "the machine has too many files open: use fewer workers with -j",
    errno.ENOMEM: "there is not enough memory for a process: use fewer workers with -j",
}


def _without_semaphores(error: OSError) -> SweepsError:
    return SweepsError(
        f"cannot start workers: no semaphore can be made ({error.strerror or error}); "
        "Linux keeps them in /dev/shm: check that it exists, is writable and has free "
        f"space, {INSTEAD}"
    )
