"""The engine that hands blocks to the other ranks of an MPI job."""

from __future__ import annotations

from typing import Any

from sweeps.engines.executor import Executor
from sweeps.errors import SweepsError

_HOW = "mpiexec -n 9 python -m mpi4py.futures -m sweeps run NAME --engine mpi"


class MPI(Executor):
    """Shares the blocks among the ranks from 1 on; rank 0 is the run."""

    def __init__(self) -> None:
        super().__init__(_made)


def _made() -> Any:
    try:
        from mpi4py.futures import MPIPoolExecutor
    except (ImportError, RuntimeError) as error:  # the latter where no MPI library is found
        raise SweepsError(
            f"the engine mpi needs mpi4py and an MPI library ({error}): pip install 'sweeps[mpi]'"
        ) from error
    from mpi4py.MPI import COMM_WORLD

    if COMM_WORLD.Get_size() < 2:
        raise SweepsError(f"the engine mpi has no other ranks here: run {_HOW}")
    return MPIPoolExecutor()
