"""Vouching: results of earlier code are declared those of the present code, or no more."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from sweeps import acceptance, earlier, keys, memo, provenance, record, signature, values
from sweeps.acceptance import Acceptance, Shift
from sweeps.accepting import accept_like
from sweeps.draws import Choice, Draw, Interval
from sweeps.earlier import Earlier
from sweeps.errors import DeclarationError, SweepsError, unknown
from sweeps.subject import Subject


@dataclasses.dataclass(frozen=True)
class Vouched:
    """What is accepted, or would be.

    Attributes
    ----------
    fingerprint : str
        Of the earlier code.
    points : int
        Points of the space that count by it, and would not else.
    """

    experiment: str
    fingerprint: str
    points: int
    reason: str
    new_defaults: Mapping[str, str]


def propose(
    subject: Subject,
    given: str | None = None,
    reason: str = "",
    new_defaults: Mapping[str, Any] | None = None,
) -> tuple[Vouched, Acceptance]:
    """Find the earlier results to accept, and say what they are.

    Parameters
    ----------
    given : str, optional
        Fingerprint of the earlier code, or its first digits; by default the newest that knows
        stale points.
    reason : str
        Why its results are valid, to be kept.
    new_defaults : mapping, optional
        Arguments that the earlier code did not have, and the value which it computed for.

    Raises
    ------
    SweepsError
        Where there is no such code, or it knows no point that is not known anyway.
    """
    named, shift = shift_of(subject, new_defaults or {})
    chosen = earlier.choose(subject, earlier.listed(subject, shift), given)
    if chosen.is_accepted:
        raise SweepsError(
            f"{chosen.fingerprint} is accepted already; --undo takes that back: python -m sweeps "
            f"accept {subject.experiment.name} --undo"
        )
    if not chosen.n_points:
        raise SweepsError(_nothing_known(subject, chosen, named))
    made = Acceptance(chosen.fingerprint, reason, provenance.now(), named, shift)
    vouched = Vouched(
        subject.experiment.name, chosen.fingerprint, chosen.n_points, reason, made.new_defaults
    )
    return vouched, made


def accept(subject: Subject, proposed: Acceptance) -> None:
    """Let the proposed results count for the present code from now on.

    Raises
    ------
    StorageError
        Where the disk does not take it.
    """
    record.keep(subject.memo, subject.experiment, subject.fingerprint)
    acceptance.accept(subject.memo, proposed)


def undo(subject: Subject, given: str | None = None) -> list[Acceptance]:
    """Let earlier results count no more: those of one fingerprint, or all that are accepted.

    Raises
    ------
    SweepsError
        Where nothing of the kind is accepted.
    """
    found = acceptance.accepted(subject.memo)
    chosen = [e for e in found if given is None or e.fingerprint.startswith(given.lower())]
    if not chosen:
        name = subject.experiment.name
        if not found:
            raise SweepsError(f"the present code of {name!r} accepts no earlier results")
        raise unknown("accepted code", str(given), [e.fingerprint for e in found], f"of {name!r}")
    for each in chosen:
        acceptance.take_back(subject.memo, each.fingerprint)
    return chosen


def shift_of(subject: Subject, new_defaults: Mapping[str, Any]) -> tuple[dict[str, str], Shift]:
    """Find what the keys of points gain by arguments that earlier code did not have.

    Raises
    ------
    SweepsError
        For names that are no arguments of the function, and for several values.
    """
    experiment = subject.experiment
    arguments = signature.arguments(experiment.function, experiment.resources)
    total = keys.NOTHING.copy()
    named = {}
    for name, raw in new_defaults.items():
        if name not in arguments:
            raise unknown("argument", name, arguments, f"of {experiment.name}()")
        columns = experiment.space.columns
        like = columns[name].table if name in columns else experiment.constants.get(name)
        if isinstance(raw, (Interval, Choice, Draw)):
            raise _not_one(name, str(raw))
        table = accept_like(like, name, raw)
        if len(table) != 1:
            raise _not_one(name, f"{len(table)} values")
        named[name] = values.label(table.element(0))
        total += keys.hash_values(name, table, experiment.label_tokens(table))
    return named, (int(total[0, 0]), int(total[0, 1]))


def _not_one(name: str, given: str) -> DeclarationError:
    return DeclarationError(
        f"--new-default {name}: give the one value that results from before the argument are of, "
        f"not {given}"
    )


def _nothing_known(subject: Subject, chosen: Earlier, new_defaults: Mapping[str, str]) -> str:
    """Say why earlier results are of no use, and what could be meant."""
    name = subject.experiment.name
    text = f"the earlier code {chosen.fingerprint} of {name!r} knows no point that is not known now"
    kept = record.read_declared(chosen.folder)
    now = record.declared(subject.experiment)
    new = sorted({*now.arguments} - {*(kept.arguments if kept else now.arguments)})
    if not (memo.listing(chosen.folder) and new) or new_defaults:
        return f"{text}: see python -m sweeps why {name} --from {chosen.fingerprint}"
    options = " ".join(f"--new-default {n}={now.constants.get(n, 'VALUE')}" for n in new)
    return (
        f"{text}, since it had no argument {' and no '.join(map(repr, new))}. If it computed what "
        f"the present code does with some value of it, say so: {options}"
    )
