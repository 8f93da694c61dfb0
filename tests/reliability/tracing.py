"""A run of the command line under strace, which fails or kills it at a system call.

strace's own filter of paths knows exact ones only, and temporary names are random. So a first run
says which calls touch results, by their number within the process; a later one is hit at that
number, and its trace says what that was.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.sizes import source

CHANGES = ("openat", "write", "ftruncate", "fsync", "rename", "link", "unlink", "mkdir", "rmdir")
CHANGES += ("fchmod", "pwrite64")
READS = ("read", "pread64")
SLEEP_S = 0.02
N_POINTS = 20
SOURCE = f"""
import os, time
from sweeps import experiment, grid

@experiment(grid(x=[float(i) for i in range({N_POINTS})]), keep="KEEP")
def cube(x):
    time.sleep({SLEEP_S})
    with open(os.environ["CALLS"], "a") as file:
        file.write(f"{{x}}\\n")
    return {{"cube": x**3, "text": f"{{x}}"}}
"""
MERGING = """
import sys
from sweeps.cli.main import main
from sweeps.memo import merge

merge.N_SMALL = 2
sys.argv[0] = "sweeps"
main()
"""
_LINE = re.compile(r"(?P<pid>\d+) +(?P<call>[a-z0-9]+)\((?P<rest>.*)")


class Touch(NamedTuple):
    """A system call that touches results: which one of its kind in its process."""

    call: str
    number: int
    is_parent: bool
    place: str
    was_hit: bool


class Traced:
    """A project with one experiment, run under strace; its segments are merged at the end."""

    def __init__(self, folder, engine, keep, *calls):
        if shutil.which("strace") is None:
            pytest.skip("strace is not installed")
        self.folder, self.engine, self.keep, self._calls = folder, engine, keep, calls
        self.results, self._evaluated = folder / "results", folder / "evaluated"
        (folder / "experiments").mkdir(parents=True)
        (folder / "experiments" / "cube.py").write_text(source(SOURCE, keep))

    def forget(self):
        shutil.rmtree(self.results, ignore_errors=True)
        self._evaluated.unlink(missing_ok=True)

    @property
    def n_evaluated(self):
        return len(self._evaluated.read_text().splitlines()) if self._evaluated.exists() else 0

    def run(self, *strace):
        """Run the experiment; what it said and, under strace, what it touched."""
        options = ["run", "cube", f"--engine={self.engine}", "-j2"]
        command = [sys.executable, "-c", MERGING, *options]  # few segments are merged, too
        log = self.folder / "trace"
        if strace:
            tracing = ["strace", "-f", "-y", "-qq", f"-o{log}", f"-etrace={','.join(self._calls)}"]
            command = [*tracing, *strace, *command]
        said = subprocess.run(
            command,
            cwd=self.folder,
            env={
                **os.environ,
                "CALLS": str(self._evaluated),
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONHASHSEED": "0",
                "PYTHONPATH": str(Path(__file__).parents[2]),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return said, list(self._touches(log.read_text())) if strace else []

    def touches(self):
        """What an undisturbed run touches, each kind of it once."""
        self.forget()
        said, touches = self.run("-e", "signal=none")
        assert said.returncode == 0, said.stderr
        return list(dict.fromkeys(touches))

    def hit(self, touch, what):
        """Run from nothing, hit at a touch: by ``error=EIO`` or ``signal=SIGKILL``."""
        self.forget()
        return self.run(f"-einject={touch.call}:{what}:when={touch.number}")

    def _touches(self, log):
        counts, parent, unfinished = {}, None, {}
        for line in log.splitlines():
            was_hit = "(INJECTED)" in line or line.endswith("= ?")
            pid = line.split()[0]
            if "resumed>" in line and pid in unfinished:
                yield unfinished.pop(pid)._replace(was_hit=was_hit)
            match = _LINE.match(line)
            if match is None:
                continue
            call, rest = match["call"], match["rest"]
            parent = parent or pid
            counts[pid, call] = number = counts.get((pid, call), 0) + 1
            if f"{self.results}" in rest:
                touch = Touch(call, number, pid == parent, self._place(rest), was_hit)
                if "<unfinished" in rest:
                    unfinished[pid] = touch
                else:
                    yield touch

    def _place(self, rest):
        inside = rest.partition(f"{self.results}")[2]
        if ".draft" in inside:
            return "a draft"
        if inside.startswith("/.memo"):
            is_file = ".seg" in inside or ".tmp-" in inside or ".json" in inside
            return "a file of the memo" if is_file else "a folder of the memo"
        return "the results file" if ".h5" in inside or ".tmp-" in inside else "the results folder"
