"""Explanations: what `why`, `accept` and `diff` found, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sweeps.display import count, table
from sweeps.values import label

if TYPE_CHECKING:
    from sweeps.acceptance import Acceptance
    from sweeps.comparing import Compared
    from sweeps.explaining import Change, Since, Why
    from sweeps.vouching import Vouched


def of_why(why: Why) -> str:
    """Say why points are stale or missing."""
    counts = {k: getattr(why, k) for k in ("done", "missing", "failed", "stale")}
    said = ", ".join(f"{n:,} {kind}" for kind, n in counts.items())
    blocks = [f"{why.experiment}: {count(why.points, 'point')}: {said}"]
    blocks += ["\n".join(_since(since)) for since in why.since]
    if why.declared:
        lines = ["since points were last computed, which makes other points, not stale ones:"]
        blocks.append("\n".join([*lines, *_changes(why.declared)]))
    blocks += [
        f"{module} counts as a whole, since what is used of it cannot be seen: {reason}"
        for module, reason in why.whole_modules.items()
    ]
    blocks += why.unwatched
    blocks += why.retyped
    blocks += [_accepted(each) for each in why.accepted]
    if not (why.stale or why.missing):
        blocks.append("nothing is stale or missing")
    if why.stale:
        blocks.append(_advice(why.experiment, why.since))
    return "\n\n".join(blocks)


def _since(since: Since) -> Iterator[str]:
    known = f"{count(since.points, 'point')} of {since.computed}" if since.points else "no point"
    accepted = ", accepted" if since.is_accepted else ""
    yield f"since the earlier code {since.fingerprint}, which knows {known}{accepted}:"
    if not since.is_known:
        yield "  what that code was is not on record: its code.json is gone or damaged"
    elif not since.changes:
        yield "  no part of the code changed: another version of sweeps identified it"
    yield from _changes(since.changes)
    if since.new_arguments:
        yield f"  new arguments, which make other points: {', '.join(since.new_arguments)}"
    yield from _changes([c for c in since.declared if c.part[9:] not in since.new_arguments])
    for name, (then, now) in since.packages.items():
        yield f"  {name} was {then} and is {now}, which makes nothing stale"


def _changes(changes: Iterable[Change]) -> Iterator[str]:
    for each in changes:
        yield f"  {each.kind} {each.part}{f' ({each.place})' if each.place else ''}"
        yield from (f"    {line}" for line in each.diff.splitlines())


def _advice(name: str, since: Sequence[Since]) -> str:
    earlier = f" --from {since[0].fingerprint[:8]}" if len(since) > 1 else ""
    return (
        f"are the old results right all the same? python -m sweeps diff {name}{earlier} computes "
        f"a sample anew to prove it, python -m sweeps accept {name}{earlier} says so; if not: "
        f"python -m sweeps run {name}"
    )


def _accepted(each: Acceptance) -> str:
    reason = f": {each.reason}" if each.reason else ""
    return f"results of {each.fingerprint} are accepted since {each.accepted}{reason}"


def of_vouched(vouched: Vouched) -> str:
    """Say which results count for what."""
    given = ", ".join(f"{n}={v}" for n, v in vouched.new_defaults.items())
    of = f", as those of {given}" if given else ""
    return (
        f"the results of earlier code {vouched.fingerprint} for "
        f"{count(vouched.points, 'point')} of {vouched.experiment}{of}"
    )


def of_compared(found: Compared) -> str:
    """Say how far values are apart."""
    header = ["output", "points", "exact", "largest absolute", "largest relative", "at", "note"]
    rows = [
        (d.name, d.points, "yes" if d.is_exact else f"{d.equal:,} of {d.points:,}",
         d.absolute, d.relative, _point(found.worst.get(d.name, {})), d.note)
        for d in found.outputs
    ]  # fmt: skip
    verdict = "exact: all values are equal" if found.is_exact else "not exact"
    failed = f", {found.failed:,} of them without values now" if found.failed else ""
    lines = [
        f"{found.experiment}: {found.then[:8]} (then) and {found.now[:8]} (now) at "
        f"{found.points + found.failed:,} of {found.common:,} points{failed}, "
        f"{found.computed:,} computed for it: {verdict}",
        table(header, rows),
        *(f"note: {note}" for note in found.notes),
    ]
    return "\n".join(lines)


def _point(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={label(value)}" for name, value in parameters.items())
