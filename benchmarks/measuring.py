"""One measured run: a process in a folder, its wall, and the memory and disk that it took."""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

ROOT = Path(__file__).parent.parent
NO_FSYNC = ROOT / "benchmarks" / "nofsync"
SAMPLE_S = 0.1  # a sample takes about 1 ms


@dataclass(frozen=True)
class Run:
    """What a process took; its memory is that of the whole tree, its disk what is allocated."""

    wall_s: float
    peak_bytes: float
    disk_bytes: float
    n_files: float
    said: str = ""


class FailedRunError(Exception):
    """A measured process failed or took too long."""


def median(runs: Sequence[Run]) -> Run:
    """Medians, field by field; what the last one said."""
    numbers = [field.name for field in fields(Run) if field.name != "said"]
    values = {name: statistics.median(getattr(run, name) for run in runs) for name in numbers}
    return Run(**values, said=runs[-1].said)


@contextlib.contextmanager
def fresh_folder() -> Iterator[Path]:
    """Make a folder for one contender, under TMPDIR, and remove it."""
    with tempfile.TemporaryDirectory(prefix="sweeps-benchmark-") as folder:
        yield Path(folder)


def run(
    command: Sequence[str],
    folder: Path,
    *,
    fsync: bool = True,
    limit_s: float = 600,
    account: Path | None = None,
    touched_bytes: int = 0,
) -> Run:
    """Run a command in a folder and measure it.

    What earlier runs wrote does not wait for the disk any more, since their folders are removed.

    Parameters
    ----------
    touched_bytes : int
        Memory to touch and free before. Virtual machines give free memory back to their host, and
        the next one to use it waits for the host: 30 MB are written to a file in 80 to 90 ms
        instead of 8 to 10. So whoever comes after one that needed more would look faster.
    """
    touch(touched_bytes)
    # Caches of the user, in the folder too: else a first run would find what earlier rounds kept.
    cache = {"XDG_CACHE_HOME": str(folder / ".cache")}
    environment = {**os.environ, **cache, "PYTHONPATH": str(ROOT)}
    # pip compiles what it installs, peers therefore too; sweeps compiles itself in its first run.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if not fsync:
        environment["PYTHONPATH"] += os.pathsep + str(NO_FSYNC)
    if account:
        environment["BENCHMARK_ACCOUNT"] = str(account)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=out, stderr=err, start_new_session=True
        )
        with _sampled(process.pid) as sampled, _killed_after(limit_s, process.pid):
            _, status, usage = os.wait4(process.pid, 0)
            wall_s = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            last = err.read().decode(errors="replace").strip().splitlines()[-1:]
            raise FailedRunError(f"{process.returncode} from {command}: {last or 'no word'}")
        said = out.read().decode(errors="replace")
    # Between two samples a single process may have been larger than the tree was in any of them.
    largest = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Run(wall_s, max(largest, *sampled, 0), *disk(folder), said)


TOUCH = """
import mmap, sys
memory = mmap.mmap(-1, int(sys.argv[1]))
for at in range(0, len(memory), mmap.PAGESIZE):
    memory[at] = 1
"""


def touch(n_bytes: int) -> None:
    """Have the host of a virtual machine give so much memory to it, and free it.

    In another process: the largest size of this one would be inherited by those that it measures.
    """
    if n_bytes:
        subprocess.run([sys.executable, "-c", TOUCH, str(n_bytes)], check=True)


def disk(folder: Path) -> tuple[int, int]:
    """Bytes allocated below a folder, those of folders included, and how many files there are."""
    seen: dict[int, int] = {}
    n_files = 0
    for path, _, names in os.walk(folder):
        n_files += len(names)
        for name in (".", *names):
            stat = os.lstat(f"{path}/{name}")
            seen[stat.st_ino] = stat.st_blocks * 512  # a file of two names counts once
    return sum(seen.values()), n_files


@contextlib.contextmanager
def _sampled(pid: int) -> Iterator[list[int]]:
    """Memory of a process and its descendants, sampled until the block ends.

    That is PSS, in which what processes share counts once, unlike in sums of RSS.
    """
    sampled: list[int] = [0]
    done = threading.Event()

    def sample() -> None:
        while not done.wait(SAMPLE_S):
            sampled.append(sum(map(_pss_bytes, _tree(pid))))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield sampled
    finally:
        done.set()
        thread.join()


def _tree(pid: int) -> list[int]:
    found = [pid]
    for each in found:  # grows while it is walked
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{each}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def _pss_bytes(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


@contextlib.contextmanager
def _killed_after(limit_s: float, pid: int) -> Iterator[None]:
    timer = threading.Timer(limit_s, os.killpg, (pid, signal.SIGKILL))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
