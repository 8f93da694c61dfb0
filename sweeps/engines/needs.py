"""Needs: what worker processes take of a machine, and what is missing where they cannot start."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

from sweeps.errors import SweepsError

_INSTEAD = (
    "or compute in this process with --engine serial, where no time or memory limit holds, and a "
    "crash ends the run"
)

_THREADS = ("can't start new thread", "unable to start watchdog thread")


def check(*, processes: bool) -> None:
    """Refuse where joblib would compute in this process, in one thread, and say it at most.

    Parameters
    ----------
    processes : bool
        Whether workers are processes. joblib declines to start threads, too, without semaphores.

    Raises
    ------
    SweepsError
        With what is missing.
    """
    if os.environ.get("JOBLIB_MULTIPROCESSING", "1").strip() == "0":
        raise SweepsError(f"JOBLIB_MULTIPROCESSING=0 forbids workers: unset it, {_INSTEAD}")
    if not processes:
        # They set KMP_* in the environment when they are imported, which is no point's doing.
        import joblib  # noqa: F401
        import threadpoolctl  # noqa: F401

    import multiprocessing

    if processes and multiprocessing.current_process().daemon:
        raise SweepsError(
            "this process is a worker of multiprocessing, which may start no processes of its own: "
            f"run outside of its pool, {_INSTEAD}"
        )
    try:
        from _multiprocessing import SemLock

        # One is made and let go: joblib finds out too, when it is imported, and warns only.
        SemLock(0, 0, 1, name=f"/sweeps-{os.getpid()}", unlink=True)
    except FileExistsError:  # of a process of that number that was killed in between
        pass
    except ImportError as error:
        raise SweepsError(f"this Python has no semaphores ({error}): {_INSTEAD}") from error
    except OSError as error:
        raise _without_semaphores(error) from error


@contextlib.contextmanager
def told(*, is_start: bool = True) -> Iterator[None]:
    """Say which of its needs a start of processes lacks.

    Parameters
    ----------
    is_start : bool
        Whether nothing else goes on, so that what is missing may be semaphores, too.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        number = next(filter(None, map(_limit, _chain(error))), 0)
        if number:
            raise _beyond_limit(number) from error
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
    errno.EAGAIN: "the limit to processes and threads is reached (ulimit -u, or that of the "
    "container): raise it, use fewer workers with -j",
    errno.EMFILE: "the limit to open files is reached (ulimit -n): raise it, use fewer workers "
    "with -j",
    errno.ENFILE: "the machine has too many files open: use fewer workers with -j",
    errno.ENOMEM: "there is not enough memory for a process: use fewer workers with -j",
}


def _beyond_limit(number: int) -> SweepsError:
    return SweepsError(f"cannot start workers: {_LIMITS[number]}, {_INSTEAD}")


def _without_semaphores(error: OSError) -> SweepsError:
    return SweepsError(
        f"cannot start workers: no semaphore can be made ({error.strerror or error}); "
        "Linux keeps them in /dev/shm, which must be there, be writable and have some kB free: "
        f"see to that, {_INSTEAD}"
    )
