"""Workers elsewhere: what a run sends them, and how each has a crew of its own compute its blocks.

A crew (`sweeps.execution.crew`) is a process beside the worker that does what a run does on its own
machine: it has a child process compute, and knows from its flight record which point killed it. So
a point never ends the worker, whose cluster would blame innocent points or give up.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable
from multiprocessing import Pipe
from pathlib import Path

from sweeps.engines import Block, Lost, Outcome, Receipt
from sweeps.errors import StorageError
from sweeps.execution import brief, printed, send
from sweeps.execution.brief import Work
from sweeps.execution.send import Parcel
from sweeps.project.sweep import Sweep
from sweeps.storage import files

_START = (
    "import sys; sys.path[:] = {path!r}; from sweeps.execution import crew; crew.main({descriptor})"
)

_MAX_ENDING_S = 10.0


@dataclasses.dataclass(frozen=True)
class Errand:
    """What a crew must know of a run.

    Attributes
    ----------
    parcel : Parcel
    memo, results : Path
        Folders of the segments and of the results, for crews that see them.
    probe, token : str
        A file in the memo that only this run has made, and what is in it.
    now_ns : int
        Age of values that are computed now.
    recompute : bool
        Whether points are computed that may have values already.
    """

    parcel: Parcel
    memo: Path
    results: Path
    probe: str
    token: str
    now_ns: int
    recompute: bool

    @property
    def is_seen(self) -> bool:
        """Whether this machine sees the memo of the run, and not only a folder of that name."""
        with contextlib.suppress(OSError):
            return (self.memo / self.probe).read_text(encoding="ascii") == self.token
        return False


def pack(
    sweep: Sweep, folder: Path, memory_bytes: int | None, now_ns: int, *, recompute: bool
) -> Work:
    """Make the work of workers elsewhere; leave a probe in the memo, which `forget` removes.

    Raises
    ------
    SweepsError
        If something cannot be pickled, or is older than the code on disk.
    StorageError
        If the memo cannot be written.
    """
    parcel, token = send.pack(sweep, memory_bytes), secrets.token_hex(16)
    probe = brief.own_name(folder)
    files.make_folder(sweep.memo)
    files.commit(sweep.memo / probe, [token.encode()])
    memo, results = sweep.memo.absolute(), sweep.results.absolute()
    errand = Errand(parcel, memo, results, probe, token, now_ns, recompute)
    return functools.partial(compute, errand)


def forget(memo: Path, folder: Path) -> None:
    """Remove the probe of the run with that temporary folder."""
    with contextlib.suppress(OSError):
        (memo / brief.own_name(folder)).unlink(missing_ok=True)


def kept(receipt: Receipt, memo: Path) -> Receipt:
    """Write to the memo what a crew could not; return its receipt, with the error if any."""
    try:
        _keep(receipt.files, memo)
    except StorageError as error:
        return dataclasses.replace(receipt, error=str(error))
    return dataclasses.replace(receipt, files=())


def _keep(sent: Iterable[tuple[str, bytes]], memo: Path) -> None:
    for name, content in sent:
        path = memo / name
        files.make_folder(path.parent)
        if path.name == printed.FILE:
            with contextlib.suppress(OSError), path.open("ab") as file:
                file.write(content)
        else:
            files.commit(path, [content])


# ---- at the far end

_own = threading.local()  # a cluster's worker computes in threads; each has a crew


def compute(errand: Errand, block: Block) -> Outcome:
    """Have the crew of this thread compute a block."""
    lost = Lost(f"the crew on {socket.gethostname()} ends before it computes", (block.number,))
    return _computed(errand, block) or _computed(errand, block) or lost


def _computed(errand: Errand, block: Block) -> Outcome | None:
    """Have a block computed; None if the crew has left just now, since it had waited for long."""
    crew = _present(errand)
    try:
        return crew.compute(block)
    except (EOFError, OSError) as error:
        code = crew.close()
        _own.crew = None
        said = f"the crew on {socket.gethostname()} ended: exit code {code} ({error!r})"
        return Lost(said, (block.number,)) if code else None


def _present(errand: Errand) -> _Crew:
    """Return the crew of this thread; start one if there is none, or one of another run."""
    crew: _Crew | None = getattr(_own, "crew", None)
    if crew is None or crew.errand.token != errand.token or not crew.is_alive:
        if crew is not None:
            crew.close()
        crew = _own.crew = _Crew(errand)
    return crew


class _Crew:
    """A crew, as the worker that has started it sees it."""

    def __init__(self, errand: Errand) -> None:
        self.errand = errand
        self._connection, theirs = Pipe()
        start = _START.format(path=sys.path, descriptor=theirs.fileno())
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", start],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # only the run hears what is typed at the terminal
            )
        self._connection.send(errand)

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def compute(self, block: Block) -> Outcome:
        self._connection.send(block)
        outcome: Outcome = self._connection.recv()
        return outcome

    def close(self) -> int:
        """Have it end, and return how it did."""
        self._connection.close()
        try:
            return self._process.wait(_MAX_ENDING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def __del__(self) -> None:
        """End with the thread of the worker."""
        self._connection.close()
