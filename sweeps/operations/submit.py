"""Hand a sweep to a batch system: scripts of jobs that work on it together, and one that lands.

What is to be written and submitted is decided first. Nobody looks after jobs from here: they wait,
go back into the queue and end by themselves.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import re
import shlex
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from sweeps.errors import StorageError, SweepsError
from sweeps.execution.options import Options
from sweeps.execution.plan import plan_run
from sweeps.memo import index as memo
from sweeps.operations import job_script
from sweeps.operations.job_script import Job
from sweeps.project.cluster import Profile
from sweeps.project.sweep import Sweep
from sweeps.results import adopt, state
from sweeps.storage import files
from sweeps.text import count

ARRAY, LANDING = "job.sh", "land.sh"

_LIMITS = re.compile(r"MaxArraySize\s*=\s*(\d+)|max_array_tasks=(\d+)", re.ASCII)

_KEPT = ("SLURM_CONF", "SLURM_CLUSTERS")

_PATIENCE_S = 30.0


@dataclasses.dataclass(frozen=True)
class Submission:
    """Scripts that are ready to be written and submitted.

    Attributes
    ----------
    n_todo : int
        Points to compute.
    n_tasks : int
        None of them if there is nothing to compute.
    scripts : mapping of str to str
        By the names of their files.
    by_hand : str
        A line of shell that submits them; empty if only the user knows how.
    notes : tuple of str
        What the user should know.
    """

    experiment: str
    n_todo: int
    n_tasks: int
    folder: Path
    scripts: Mapping[str, str]
    by_hand: str
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Sent:
    """The numbers of jobs that were submitted, empty for one that was not, and what Slurm said."""

    job: str
    landing: str
    said: tuple[str, ...]


class Outlook(NamedTuple):
    """What there is to compute.

    Attributes
    ----------
    n_todo : int
        Number of points.
    since : str
        What fails from this time on, tasks leave as it is: else each would try it again.
    """

    n_todo: int
    since: str


# ---- decide


def look(sweep: Sweep, options: Options) -> Outlook:
    """Look what there is to compute, by some options."""
    index = adopt.scan(sweep, state.held_attributes(sweep.landed))
    todo = plan_run(sweep, index, retry=options.retries, earlier=())
    n_new = 0 if options.failed else todo.n_missing
    now_ns = memo.clock(index) + time.monotonic_ns()  # later than all that is stored
    now = datetime.datetime.fromtimestamp(now_ns / 1e9).astimezone()
    n_again = todo.n_failed - todo.n_left
    return Outlook(n_new + n_again, now.isoformat(timespec="microseconds"))


def decide(
    sweep: Sweep,
    n_todo: int,
    *,
    work: Iterable[str],
    land: Iterable[str],
    n_tasks: int,
    n_at_once: int | None,
    profile: Profile,
    templates: Iterable[Path] = (),
) -> Submission:
    """Decide what to submit; nothing is changed.

    Parameters
    ----------
    n_todo : int
        Points to compute.
    work, land : iterable of str
        The command of each task, and the one that lands.
    n_tasks, n_at_once : int, int or None
        How many tasks are wanted, and how many of them may run at the same time.
    profile : Profile
    templates : iterable of Path
        Files to fill in, instead of the scripts for Slurm.
    """
    name, templates = sweep.experiment.name, tuple(templates)
    if not templates:
        _check_size(n_tasks)
    n_useful = min(n_tasks, n_todo)
    is_limited = n_at_once is not None and n_at_once < n_useful
    stamp = f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}"
    job = Job(
        name,
        n_useful,
        n_at_once if is_limited else None,
        profile,
        Path.cwd(),
        sweep.results / ".jobs" / f"{name}-{stamp}",
        sweep.memo.parent,
        tuple(work),
        tuple(land),
    )
    scripts = dict(_scripts(job, templates)) if n_useful else {}
    notes = _notes(job, n_tasks)
    by_hand = "" if templates else _by_hand(job.folder)
    return Submission(name, n_todo, n_useful, job.folder, scripts, by_hand, tuple(notes))


def _check_size(n_tasks: int) -> None:
    """Refuse more tasks than the cluster takes: they would not begin to run, and not be fewer."""
    most = largest_array()
    if most is not None and n_tasks > most:
        raise SweepsError(
            f"--tasks {n_tasks}: this cluster takes at most {most:,} tasks at once (MaxArraySize): "
            f"give at most --tasks {most}; tasks share the points, so fewer compute the same, and "
            "further ones can be submitted beside them"
        )


def largest_array() -> int | None:
    """Ask Slurm how many tasks an array may have; None if there is no answer."""
    program = shutil.which("scontrol")
    if program is None:
        return None
    command = (program, "show", "config")
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_PATIENCE_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = [int(size or tasks) for size, tasks in _LIMITS.findall(done.stdout)]
    return min(found, default=None)


def _scripts(job: Job, templates: Iterable[Path]) -> Iterator[tuple[str, str]]:
    if not templates:
        yield ARRAY, job_script.array(job)
        yield LANDING, job_script.landing(job)
    for path in templates:
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SweepsError(f"--template {path}: cannot be read: {reason}") from error
        yield path.name, job_script.rendered(text, str(path), job)


def _notes(job: Job, n_wanted: int) -> Iterator[str]:
    if 0 < job.n_tasks < n_wanted:
        yield f"there is work for {count(job.n_tasks, 'task')} only, not for {n_wanted:,}"
    if job.n_tasks and not job.profile.requeue and job.n_at_once is None:
        yield (
            "tasks whose time is over do not go back into the queue (requeue = no): give more "
            f"tasks than run at once, such as --tasks {4 * n_wanted} --at-most {n_wanted}"
        )


def _by_hand(folder: Path) -> str:
    first, second = (shlex.quote(str(folder / name)) for name in (ARRAY, LANDING))
    return f"id=$(sbatch --parsable {first}) && sbatch --dependency=afterany:${{id%%;*}} {second}"


# ---- act


def write(made: Submission) -> None:
    """Write the scripts into a folder of their own."""
    files.make_folder(made.folder)
    for name, text in made.scripts.items():
        files.commit(made.folder / name, [text.encode("utf-8", "surrogateescape")])


def send(made: Submission) -> Sent:
    """Submit the scripts, which are written: the tasks, and the job that lands behind the last one.

    Raises
    ------
    SweepsError
        If Slurm is not here, or takes no tasks; nothing runs then.
    """
    job, said = _sbatch(made.folder / ARRAY)
    try:
        landing, more = _sbatch(made.folder / LANDING, f"--dependency=afterany:{job}")
    except SweepsError as error:
        landing, more = "", str(error)
    return Sent(job, landing, tuple(filter(None, dict.fromkeys([said, more]))))


def is_here() -> bool:
    """Whether jobs can be submitted to Slurm from this machine."""
    return shutil.which("sbatch") is not None


def _sbatch(script: Path, *options: str) -> tuple[str, str]:
    """Submit a script; return the number of the job, and what else Slurm says."""
    program = shutil.which("sbatch")
    if program is None:
        raise SweepsError("there is no sbatch here, with which jobs are submitted to Slurm")
    # A job would take what is said of the one that we are in, if we are, for what it got itself.
    env = {k: v for k, v in os.environ.items() if not k.startswith("SLURM_") or k in _KEPT}
    command = (program, "--parsable", *options, os.fspath(script))
    done = subprocess.run(command, env=env, capture_output=True, text=True, errors="replace")
    *_, last = ("", *done.stdout.split())
    job, said = last.partition(";")[0], " ".join(done.stderr.split())
    if done.returncode or not job.isdecimal():
        why = said or done.stdout.strip() or f"exit code {done.returncode}"
        raise StorageError(f"{script} was not submitted: {why}")
    return job, said
