"""Scripts of jobs: an array of tasks that share a sweep, and the job that lands.

A task ends in one of four ways. Where nothing is free, it is done. Where its time is nearly over,
Slurm sends USR1 to the shell, which has the command finish what is under way and puts the task back
into the queue; so it does if the command was killed. Where the task is cancelled or preempted,
Slurm sends TERM, and decides by itself what becomes of it: a task that goes back by its own hand
could not be cancelled. Where its node dies, Slurm puts it back.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from sweeps.errors import SweepsError, nearest
from sweeps.project.cluster import Profile

LEAD_S = 90
"""Slurm warns a task so long before its time is over, or up to 60 s earlier."""

_TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", re.ASCII)

_BARE = re.compile(r"[\w@%+=:,./-]+")

_PLACEHOLDER = re.compile(r"(?<!\$)\{\{(\w+)\}\}|(?<!\$)\{([a-z_]+)\}", re.ASCII)

_LISTEN = """
# Slurm sends USR1 when the time is nearly over, and TERM where the task is cancelled or put back.
pid='' why='' again=''
stop() { again=1; [ -z "$pid" ] || kill -TERM "$pid" 2>/dev/null || :; }
trap 'why=${why:-time}; stop' USR1
trap 'why=cancelled; stop' TERM
"""

_WORK = """
cd "$sweeps_project" || exit 2
mark=$sweeps_folder/$SLURM_ARRAY_TASK_ID.idle
touch "$mark"
"${sweeps_command[@]}" &
pid=$!
[ -z "$again" ] || stop
again=1
while [ -n "$again" ]; do  # a signal ends `wait`, not the command
    again='' code=0
    wait "$pid" || code=$?
done
"""

_PUT_BACK = """
# The time was over first, or the command was killed for want of memory: the task goes back into the
# queue, unless that happened three times in a row without a finished point or a newer checkpoint.
if { [ "$why" = time ] && [ "$code" -gt 128 ]; } || [ "$why$code" = 137 ]; then
    if [ -n "$(find "$sweeps_memo" -type f -newer "$mark" \\( -name '*.seg' -o \\
        -path '*/.checkpoints/*/*' \\) -print -quit)" ]; then
        : >"$mark"
    else
        echo >>"$mark"
    fi
    if [ "$(wc -l <"$mark")" -lt 3 ]; then
        scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
    else
        echo 'three times no point was finished: submit it with more --set time= or mem=' >&2
    fi
fi
"""

_LAND = """
cd "$sweeps_project" || exit 2
exec "${sweeps_command[@]}"
"""


@dataclasses.dataclass(frozen=True)
class Job:
    """What scripts are made from.

    Attributes
    ----------
    n_at_once : int or None
        Most tasks that run at the same time.
    project, folder, memo : Path
        Where commands start; where scripts and logs are; where finished points are.
    work, land : tuple of str
        The commands of a task, and of what follows the last one.
    """

    name: str
    n_tasks: int
    n_at_once: int | None
    profile: Profile
    project: Path
    folder: Path
    memo: Path
    work: tuple[str, ...]
    land: tuple[str, ...]


# ---- Slurm


def array(job: Job) -> str:
    """Write the script of all tasks, for sbatch."""
    profile = job.profile
    at_most = "" if job.n_at_once is None else f"%{job.n_at_once}"
    own = {
        "job-name": job.name,
        "array": f"0-{job.n_tasks - 1}{at_most}",
        "output": f"{_pattern(job.folder)}/%A_%a.log",
        "open-mode": "append",
        "requeue" if profile.requeue else "no-requeue": "",
        "signal": f"B:USR1@{_lead_s(profile.time)}",
        "cpus-per-task": profile.cpus_per_task,
        "gpus": profile.gpus,
    }
    places = {"project": job.project, "folder": job.folder, "memo": job.memo}
    body = _LISTEN, _prologue(profile), _WORK, _PUT_BACK if profile.requeue else ""
    return "".join((_head(own, profile), _set_up(places, job.work), *body, '\nexit "$code"\n'))


def landing(job: Job) -> str:
    """Write the script of the job that lands, for sbatch."""
    own = {"job-name": f"{job.name}-land", "output": f"{_pattern(job.folder)}/land-%j.log"}
    body = _set_up({"project": job.project}, job.land), _prologue(job.profile), _LAND
    return "".join((_head(own, job.profile), *body))


def _head(own: Mapping[str, str], profile: Profile) -> str:
    """Write the options: later ones win."""
    names = ("partition", "account", "time", "mem")
    given = {**own, **{name: getattr(profile, name) for name in names if getattr(profile, name)}}
    given = {name: value for name, value in given.items() if value or "requeue" in name}
    lines = [[f"--{name}={value}" if value else f"--{name}"] for name, value in given.items()]
    for word in profile.extra:
        if word.startswith("-"):
            lines.append([])
        lines[-1].append(word)
    texts = (f"#SBATCH {' '.join(map(_directive, words))}\n" for words in lines)
    return "".join(("#!/bin/bash\n", *texts))


def _directive(word: str) -> str:
    """Quote a word as sbatch reads it, which knows of quotes less than a shell."""
    if _BARE.fullmatch(word):
        return word
    return '"' + re.sub(r'(["\\])', r"\\\1", word) + '"'


def _pattern(folder: Path) -> str:
    """Write a folder as a part of the name of a log, for which sbatch has rules of its own."""
    if "\\" in str(folder) or not str(folder).isprintable():
        raise SweepsError(
            f"{str(folder)!r} has characters that sbatch does not take in the name of a log: give "
            "another folder with --results"
        )
    return str(folder).replace("%", "%%")


def _set_up(places: Mapping[str, Path], command: Iterable[str]) -> str:
    """Write what later lines use; behind these, sbatch looks for no more options."""
    lines = [f"sweeps_{name}={shlex.quote(str(path))}\n" for name, path in places.items()]
    return "".join(("\n", *lines, f"sweeps_command=({shlex.join(command)})\n"))


def _prologue(profile: Profile) -> str:
    return "".join(f"{line}\n" for line in ("", *profile.prologue)) if profile.prologue else ""


def _lead_s(time: str) -> int:
    """Return how long before its end a task is warned: a third of a short one.

    Examples
    --------
    >>> [_lead_s(time) for time in ("", "1", "1:30", "0:02:00", "1-0", "2:00:00", "UNLIMITED")]
    [90, 20, 30, 40, 90, 90, 90]
    """
    found = _TIME.fullmatch(time)
    if found is None:
        return LEAD_S
    days, *parts = found.groups()
    first, second, third = (int(part or 0) for part in parts)
    if days is not None:
        seconds = int(days) * 86400 + first * 3600 + second * 60 + third
    elif parts[2] is not None:
        seconds = first * 3600 + second * 60 + third
    else:
        seconds = first * 60 + second
    return min(LEAD_S, seconds // 3) if seconds else LEAD_S


# ---- other schedulers


def rendered(template: str, place: str, job: Job) -> str:
    """Fill in a template: ``{name}`` is replaced, ``${name}`` is the shell's, ``{{name}}`` is kept.

    Raises
    ------
    SweepsError
        For a placeholder that there is not, or that has no value.
    """
    values = dict(_values(job))

    def fill(found: re.Match[str]) -> str:
        kept, name = found.groups()
        if kept is not None:
            return f"{{{kept}}}"
        if name not in values:
            raise SweepsError(
                f"{place}: there is no placeholder {{{name}}}; there are {', '.join(values)}."
                f"{nearest(name, values)} Text in such brackets is written {{{{{name}}}}}"
            )
        if not values[name] and name != "prologue":
            raise SweepsError(f"{place}: {{{name}}} has no value: give --set {name}=VALUE")
        if len(values[name].splitlines()) > 1 and name != "prologue":
            raise SweepsError(
                f"{place}: {{{name}}} has a line break, which could end an option of the job: "
                f"{values[name]!r}"
            )
        return values[name]

    return _PLACEHOLDER.sub(fill, template)


def _values(job: Job) -> Iterator[tuple[str, str]]:
    yield from {
        "name": job.name,
        "tasks": str(job.n_tasks),
        "last": str(job.n_tasks - 1),
        "at_most": str(job.n_at_once or job.n_tasks),
        "project": shlex.quote(str(job.project)),
        "folder": shlex.quote(str(job.folder)),
        "command": shlex.join(job.work),
        "land": shlex.join(job.land),
        "argv": json.dumps(job.work),
        "prologue": "\n".join(job.profile.prologue),
        "extra": shlex.join(job.profile.extra),
    }.items()
    for name in ("partition", "account", "time", "cpus_per_task", "mem", "gpus"):
        yield name, shlex.quote(value) if (value := getattr(job.profile, name)) else ""
