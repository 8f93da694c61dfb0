"""Who is measured: sweeps, the floors, and the peers, all asked in the same way."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import ours


@dataclass(frozen=True)
class Contender:
    """One that does jobs. Those it does not do are named in `cannot`, with the reason.

    A floor may be a line of Python instead of a module.
    """

    name: str
    module: str = ""
    code: str = ""
    package: str = ""
    cannot: Mapping[str, str] = field(default_factory=dict, hash=False)

    def command(self, folder: Path, job: str, arguments: Mapping[str, float]) -> list[str]:
        """Return the command that does a job in a folder."""
        if self.code:
            return [sys.executable, "-c", self.code]
        if not self.module:
            return ours.command(folder, job, arguments)
        return [sys.executable, "-m", "benchmarks.job", self.module, job, json.dumps(arguments)]

    def absent(self, job: str) -> str:
        """Say why it does not do a job here, if it does not."""
        if self.package and importlib.util.find_spec(self.package) is None:
            return "not installed"
        return self.cannot.get(job, "")


def _peer(name: str, package: str, cannot: Mapping[str, str] | None = None) -> Contender:
    module = f"benchmarks.peers.{package}_peer"
    return Contender(name, module, package=package, cannot=cannot or {})


SWEEPS = Contender("sweeps")
UNFLUSHED = Contender("sweeps without fsync")
STARTED = Contender("sweeps, 300 arrays of one number")
LOOP = Contender("bare loop + h5py", "benchmarks.floors.loop")
POOL = Contender("Pool.map + h5py", "benchmarks.floors.pool")
PLAIN = Contender("plain h5py", "benchmarks.floors.plain")
IMPORTS = Contender("import numpy, h5py", code="import numpy, h5py")
PROMISED = Contender("the same promises, by hand", "benchmarks.floors.promised")
PLACED = Contender("in place, by hand", "benchmarks.floors.placed")
UNPROMISED = Contender("by hand, without fsync", "benchmarks.floors.promised")
KEEPING = Contender("sweeps, keep='stdout'")
SPAWNED = Contender("posix_spawn alone", "benchmarks.floors.programs")
FSYNCED = Contender("plain h5py, fsync", "benchmarks.floors.fsynced")

PEERS = (
    _peer("joblib.Memory + Parallel", "joblib"),
    _peer(
        "pipefunc, file storage",
        "pipefunc",
        {"extend": "a run folder belongs to one set of inputs"},
    ),
    _peer("xyzpy crops", "xyzpy"),
    _peer("xsweep", "xsweep", {"extend": "a store refuses an axis of another length"}),
    _peer("diskcache", "diskcache"),
    _peer("signac", "signac"),
)


def peers(only: str | None) -> tuple[Contender, ...]:
    """Return those peers whose packages are named, with commas between; all of them for None."""
    if only is None:
        return PEERS
    names = [name.strip() for name in only.split(",") if name.strip()]
    known = {peer.package: peer for peer in PEERS}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no peer {', '.join(unknown)}; there are {', '.join(known)}")
    return tuple(known[name] for name in names)


def version(package: str) -> str:
    """Return the version of a package, or "not installed"."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
