"""Why points are stale or missing, from the record of earlier code; nothing is written."""

from __future__ import annotations

import dataclasses
import datetime
import difflib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeps.code import provenance
from sweeps.code.fingerprint import Fingerprint
from sweeps.code.reach.follow import IN_MEMORY
from sweeps.code.readable import spoken
from sweeps.declaration.experiment import Experiment
from sweeps.execution.plan import plan_run
from sweeps.history import retyped
from sweeps.history.earlier import Earlier, choose, listed
from sweeps.memo import acceptance, listing, record
from sweeps.project import sweep
from sweeps.project.sweep import Sweep, changed_reads
from sweeps.results import adopt, state
from sweeps.text import count

if TYPE_CHECKING:
    from sweeps.memo.acceptance import Acceptance


_FUNCTION = "function"
"""The part of a fingerprint for values that the function carries, if there are any."""


@dataclasses.dataclass(frozen=True)
class Change:
    """A piece of code, a data file or a constant that changed.

    Attributes
    ----------
    kind : {"changed", "new", "gone"}
    part : str
        "experiments.pendulum:period", "data:table.csv", "constant g", "label method=rk4".
    place : str
        File and line where it is now, or was; empty if it has none.
    diff : str
        What it was and is, as a unified diff; empty if there is no text.
    """

    kind: str
    part: str
    place: str
    diff: str


@dataclasses.dataclass(frozen=True)
class Since:
    """What changed since some earlier code.

    Attributes
    ----------
    fingerprint : str
    computed : str
        When its newest results were computed, UTC.
    points : int
        Points of the space with results of it, and none of the present code.
    is_accepted : bool
    is_known : bool
        Whether that code is recorded.
    changes : tuple of Change
        Changes that make results stale.
    declared : tuple of Change
        Changes of constants and labels, which make new points.
    new_arguments : tuple of str
        Parameters and constants that it did not have.
    packages : mapping of str to (str, str)
        Versions then and now, if they differ; this makes nothing stale.
    """

    fingerprint: str
    computed: str
    points: int
    is_accepted: bool
    is_known: bool
    changes: tuple[Change, ...]
    declared: tuple[Change, ...]
    new_arguments: tuple[str, ...]
    packages: Mapping[str, tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class Why:
    """Why some points of an experiment have no results of the present code.

    Attributes
    ----------
    missing, failed, stale : int
        As `sweeps.status` counts them.
    since : tuple of Since
        The earlier code with results of stale points; if only missing ones, the newest.
    declared : tuple of Change
        Constants and labels that changed since the last run of the present code.
    whole_modules : mapping of str to str
        Modules in which any change makes results stale, and why.
    accepted : tuple of Acceptance
        Earlier code whose results are accepted.
    unwatched : tuple of str
        Messages about files that can change without making results stale.
    retyped : tuple of str
        Messages about missing points that have results with integers instead of floats, or so.
    advice : str
        What to do about stale points; empty if there are none.
    """

    experiment: str
    fingerprint: str
    points: int
    done: int
    missing: int
    failed: int
    stale: int
    since: tuple[Since, ...]
    declared: tuple[Change, ...]
    whole_modules: Mapping[str, str]
    accepted: tuple[acceptance.Acceptance, ...]
    unwatched: tuple[str, ...] = ()
    retyped: tuple[str, ...] = ()
    advice: str = ""

    def __str__(self) -> str:
        counts = {k: getattr(self, k) for k in ("done", "missing", "failed", "stale")}
        said = ", ".join(f"{n:,} {kind}" for kind, n in counts.items())
        blocks = [f"{self.experiment}: {count(self.points, 'point')}: {said}"]
        blocks += ["\n".join(_list_since(since)) for since in self.since]
        if self.declared:
            head = "changed since the last run (this makes new points; old results stay valid):"
            blocks.append("\n".join([head, *_list_changes(self.declared)]))
        blocks += [
            f"any change in {module} makes results stale, because it cannot be seen which "
            f"parts are used: {reason}"
            for module, reason in self.whole_modules.items()
        ]
        blocks += [*self.unwatched, *self.retyped, *map(_accepted, self.accepted)]
        if not (self.stale or self.missing):
            blocks.append("nothing is stale or missing")
        if self.advice:
            blocks.append(self.advice)
        return "\n\n".join(blocks)


def why(
    experiment: str | Experiment,
    *,
    earlier: str | None = None,
    axes: Mapping[str, Any] | None = None,
    results: str | os.PathLike[str] | None = None,
    experiments: str | os.PathLike[str] | None = None,
) -> Why:
    """Explain why points are stale or missing: what changed since they were computed.

    Parameters
    ----------
    experiment, axes, results, experiments
        As for `sweeps.run`.
    earlier : str, optional
        Fingerprint of the earlier code to compare with, or its first digits; by default all with
        results of stale points.

    Returns
    -------
    Why
        Printed, it is a text.

    Raises
    ------
    SweepsError
        If there is no such code.
    """
    made = sweep.resolve(experiment, results=results, experiments=experiments, axes=axes)
    return explain(made, earlier)


def explain(made: Sweep, given: str | None = None) -> Why:
    """Explain why points of a sweep are stale or missing."""
    index = adopt.scan(made, state.held_attributes(made.landed))
    found = listed(made, index)
    counts = plan_run(made, index, earlier=[each.index for each in found])
    if given is not None:
        chosen = [choose(made, found, given)]
    else:
        chosen = [each for each in found if each.n_points]
        if not chosen and counts.n_missing and not listing.listing(made.memo):
            chosen = found[:1]
    now, declared = record.code(made.fingerprint), record.declared(made.experiment)
    kept = record.read_declared(made.memo) if counts.n_missing else None
    return Why(
        made.experiment.name,
        made.fingerprint.digest,
        counts.n_points,
        counts.n_reused,
        counts.n_missing,
        counts.n_failed,
        counts.n_stale,
        tuple(_since(made, each, now, declared) for each in chosen),
        () if kept is None else tuple(_redeclared(kept, declared)),
        made.fingerprint.whole_modules,
        tuple(acceptance.accepted(made.memo)),
        made.unwatched,
        tuple(retyped.told(made.keys, index)) if counts.n_missing else (),
        _advice(made, chosen) if counts.n_stale else "",
    )


def _since(made: Sweep, then: Earlier, now: record.Code, declared: record.Declared) -> Since:
    code, kept = record.read_code(then.folder), record.read_declared(then.folder)
    read = [Change("changed", r, at, "") for r, at in changed_reads(made, then.folder).items()]
    computed = datetime.datetime.fromtimestamp(then.computed_ns // 10**9, datetime.UTC)
    return Since(
        then.fingerprint,
        computed.strftime("%Y-%m-%dT%H:%M:%SZ"),
        then.n_points,
        then.is_accepted,
        code is not None,
        (*(() if code is None else changes(code, now, made.fingerprint)), *read),
        () if kept is None else tuple(_redeclared(kept, declared)),
        () if kept is None else tuple(sorted({*declared.arguments} - {*kept.arguments})),
        {} if code is None else dict(_packages(code.packages, now.packages)),
    )


def changes(
    then: record.Code, now: record.Code, found: Fingerprint | None = None
) -> Iterable[Change]:
    """Compare two pieces of code part by part."""
    for part in sorted({*then.parts, *now.parts}):
        if then.parts.get(part) == now.parts.get(part):
            continue
        kind = "new" if part not in then.parts else "gone" if part not in now.parts else "changed"
        module = part.partition(":")[0]
        files = now.files if part in now.parts else then.files
        before, after = then.sources.get(part, ""), now.sources.get(part, "")
        line = _line(found, module, after) if found is not None else ""
        file = _short(files.get(module, ""))
        place = f"{file}:{line}" if file and line else file
        if _is_value(part):
            before, after = spoken(before), spoken(after)
        yield Change(kind, part, place, _diff(before, after, file or part))


def _is_value(part: str) -> bool:
    """Whether the text of a part describes a value, instead of being source code."""
    return part == _FUNCTION or part.startswith("resource:") or part.endswith(IN_MEMORY)


def _line(found: Fingerprint, module: str, source: str) -> str:
    """Line where a piece of source, or its first statement, begins now."""
    _, text = found.files.get(module, (None, ""))
    for wanted in (source, source.partition("\n")[0]):
        at = f"\n{text}\n".find(f"\n{wanted}\n") if source else -1
        if at >= 0:
            return str(text.count("\n", 0, at) + 1)
    return ""


def _short(file: str) -> str:
    path, here = Path(file), Path.cwd()
    return str(path.relative_to(here)) if file and path.is_relative_to(here) else file


def _diff(then: str, now: str, name: str) -> str:
    if then == now:
        return ""
    lines = difflib.unified_diff(
        then.splitlines(), now.splitlines(), f"{name} (then)", f"{name} (now)", lineterm=""
    )
    return "\n".join(lines)


def _redeclared(then: record.Declared, now: record.Declared) -> Iterable[Change]:
    """Compare constants and labels; a constant that became a parameter does not count."""
    for name in sorted({*then.constants, *now.constants}):
        before, after = then.constants.get(name), now.constants.get(name)
        if before != after and not (before is None and name in then.arguments):
            kind = "new" if before is None else "gone" if after is None else "changed"
            if kind == "gone" and name in now.arguments:
                continue
            texts = ["" if t is None else f"{name} = {t}" for t in (before, after)]
            yield Change(kind, f"constant {name}", "", _diff(texts[0], texts[1], name))
    nothing = record.Code({}, {}, {}, {})
    for label in sorted(then.labels.keys() & now.labels.keys()):
        for each in changes(then.labels.get(label, nothing), now.labels.get(label, nothing)):
            inside = "" if each.part == _FUNCTION else f": {each.part}"
            yield dataclasses.replace(each, part=f"label {label}{inside}")


def _packages(
    then: Mapping[str, str], now: Mapping[str, str]
) -> Iterable[tuple[str, tuple[str, str]]]:
    for name, version in sorted(then.items()):
        present = now.get(name) or provenance.version(name)
        if present and present != version:
            yield name, (version, present)


def _list_since(since: Since) -> Iterator[str]:
    known = (
        f"{count(since.points, 'point')}, computed {since.computed}" if since.points else "no point"
    )
    accepted = ", accepted" if since.is_accepted else ""
    yield f"changed since the earlier code {since.fingerprint} ({known}{accepted}):"
    if not since.is_known:
        yield "  that code is not recorded: its code.json is missing or damaged"
    elif not since.changes:
        yield ("  no part of the code changed: another version of sweeps computed its fingerprint")
    yield from _list_changes(since.changes)
    if since.new_arguments:
        yield f"  new arguments (they make new points): {', '.join(since.new_arguments)}"
    yield from _list_changes([c for c in since.declared if c.part[9:] not in since.new_arguments])
    for name, (then, now) in since.packages.items():
        yield f"  {name} was {then} and is {now} (this makes nothing stale)"


def _list_changes(changes: Iterable[Change]) -> Iterator[str]:
    for each in changes:
        yield f"  {each.kind} {each.part}{f' ({each.place})' if each.place else ''}"
        yield from (f"    {line}" for line in each.diff.splitlines())


def _advice(made: Sweep, chosen: Sequence[Earlier]) -> str:
    """Say how to go on: by commands, or where these cannot find the experiment, in Python."""
    name, many = made.experiment.name, len(chosen) > 1
    digits = chosen[0].fingerprint[:8] if many else ""
    if made.location is None:
        given = f'{name}, earlier="{digits}"' if many else name
        compare, declare = f"sweeps.diff({given})", f"sweeps.accept({given})"
        again = f"{name}.run()"
    else:
        given = f"{name} --from {digits}" if many else name
        command = "python -m sweeps"
        compare, declare = f"{command} diff {given}", f"{command} accept {given}"
        again = f"{command} run {name}"
    return (
        f"if you think that the old results are still right, compare a sample: {compare}; then "
        f"declare them valid: {declare}; if not: {again}"
    )


def _accepted(each: Acceptance) -> str:
    reason = f": {each.reason}" if each.reason else ""
    return f"results of {each.fingerprint} were accepted on {each.accepted}{reason}"
