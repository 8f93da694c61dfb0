"""The engine that hands blocks to the workers of a Dask cluster, which someone else has started."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from sweeps.engines.executor import Executor
from sweeps.errors import SweepsError

_ADDRESS = "DASK_SCHEDULER_ADDRESS"

_CONNECT_S = 10.0

_COUNT_S = 1.0

_LATE_S = 30.0

_HOW = (
    "start one with `dask scheduler --scheduler-file FILE`, and on each machine `dask worker "
    "--scheduler-file FILE`; then give --address FILE"
)


class Dask(Executor):
    """Shares the blocks among the threads of workers, which may come and go.

    Parameters
    ----------
    address : str, optional
        Of the scheduler, or a scheduler file; by default what DASK_SCHEDULER_ADDRESS says.
    """

    def __init__(self, address: str | None = None) -> None:
        super().__init__(self._connect)
        self._address = address or os.environ.get(_ADDRESS, "")
        self._client: Any = None
        self._asked: int | None = None
        self._n = 0
        self._counted_s = self._seen_s = 0.0

    def _connect(self) -> Any:
        try:
            from distributed import Client
        except ImportError as error:
            raise SweepsError(
                f"the engine dask needs the package distributed ({error}): "
                "pip install 'sweeps[dask]'"
            ) from error
        if not self._address:
            raise SweepsError(f"the engine dask needs a scheduler: {_HOW}")
        is_file = Path(self._address).is_file()
        where = {"scheduler_file" if is_file else "address": self._address}
        try:
            self._client = Client(**where, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise SweepsError(
                f"no scheduler of Dask answers at {self._address} ({error}): {_HOW}"
            ) from error
        self._seen_s = time.monotonic()
        # A block that is lost is not tried again behind our back: the memo may have some of it.
        return self._client.get_executor(pure=False, retries=0)

    def n_workers(self, given: int | None) -> int:
        """Return as many as given, or the threads of all workers; they may come later."""
        self._asked = given
        return given or max(1, self.n_present())

    def n_present(self) -> int:
        """Return how many threads all workers have now."""
        now = time.monotonic()
        if now - self._counted_s > _COUNT_S:
            workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
            self._n, self._counted_s = sum(each["nthreads"] for each in workers), now
        if self._n:
            self._seen_s = now
        return self._n

    def n_now(self, n_workers: int) -> int:
        """Return how many workers there are, up to as many as the user has asked for."""
        return max(1, min(self.n_present(), self._asked or self._n))

    def trouble(self) -> str:
        """Say that the scheduler is lost: tasks do not go on, even if another one takes over."""
        if self._client.status == "running":
            return ""
        return f"lost the scheduler of Dask at {self._address}: run again when there is one"

    def notice(self) -> str:
        """Say that no worker has been there for long."""
        if self._client is None or time.monotonic() - self._seen_s < _LATE_S:
            return ""
        return f"the scheduler of Dask at {self._address} has no workers: points wait for one"

    def close(self, *, wait: bool = True) -> None:
        """Leave the cluster; its workers go on."""
        self._made = None
        if self._client is not None:
            self._client.close()
            self._client = None
