"""A Dask cluster of real processes on this machine, for tests: a scheduler, and workers at will."""

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time

from sweeps.signals import SIGNALS

HAS_DASK = importlib.util.find_spec("distributed") is not None

_UP_S = 60


class Cluster:
    """A scheduler and its workers.

    Attributes
    ----------
    file : Path
        The scheduler file.
    """

    def __init__(self, folder):
        self.file = folder / "scheduler.json"
        self.log = folder / "dask.log"
        self.workers = []
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0")
        deadline = time.monotonic() + _UP_S
        while not self.file.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.address = json.loads(self.file.read_text())["address"]

    def _start(self, kind, *options, before=()):
        command = [*before, sys.executable, "-m", "distributed.cli.dask_" + kind, *options]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*command, "--scheduler-file", str(self.file), "--no-dashboard"],
                stdout=log,
                stderr=log,
                cwd=self.file.parent,
                start_new_session=True,
                preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS),
            )

    def add_worker(self, *options, before=()):
        """Start a worker of one thread, without a nanny that would start it again."""
        own = ("--nthreads", "1", "--no-nanny", "--host", "127.0.0.1", *options)
        worker = self._start("worker", *own, before=before)
        self.workers.append(worker)
        return worker

    def close(self):
        for each in (*self.workers, self.scheduler):
            with contextlib.suppress(OSError):
                os.killpg(each.pid, signal.SIGCONT)
                os.killpg(each.pid, signal.SIGKILL)
            each.wait()


@contextlib.contextmanager
def cluster(folder, n_workers):
    """Bring a cluster up in a folder, and take it down."""
    made = Cluster(folder)
    try:
        for _ in range(n_workers):
            made.add_worker()
        yield made
    finally:
        made.close()
