"""Gained: arguments that earlier code did not have, and what the keys of points gain by them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from sweeps import keys, signature, values
from sweeps.acceptance import Shift
from sweeps.accepting import accept_like
from sweeps.draws import Choice, Draw, Interval
from sweeps.errors import DeclarationError, unknown
from sweeps.keying import KeyMaker
from sweeps.subject import Subject


@dataclasses.dataclass(frozen=True)
class Gained:
    """Arguments that are new.

    Attributes
    ----------
    defaults : mapping of str to str
        The value, as text, that the earlier code computed for all the same.
    shift, stream_shift : Shift
        What the keys of points, and of their random streams, gain.
    """

    defaults: Mapping[str, str]
    shift: Shift
    stream_shift: Shift


def gained(subject: Subject, given: Mapping[str, Any] | None) -> Gained:
    """Find what keys gain by arguments that earlier code did not have.

    Raises
    ------
    SweepsError
        For names that are no arguments of the function, and for several values.
    """
    experiment = subject.experiment
    arguments = signature.arguments(experiment.function, experiment.resources)
    named = {}
    total, streams = keys.NOTHING.copy(), keys.NOTHING.copy()
    for name, raw in (given or {}).items():
        if name not in arguments:
            raise unknown("argument", name, arguments, f"of {experiment.name}()")
        table = _table(subject, name, raw)
        named[name] = values.label(table.element(0))
        total += keys.hash_values(name, table, experiment.label_tokens(table))
        if name not in experiment.common_random_numbers:
            streams += keys.hash_values(name, table)
    return Gained(named, _lanes(total), _lanes(streams))


def _table(subject: Subject, name: str, raw: Any) -> values.Values:
    """Make the one value, of the type that the argument has now."""
    experiment, columns = subject.experiment, subject.experiment.space.columns
    like = columns[name].table if name in columns else experiment.constants.get(name)
    is_one = not isinstance(raw, (Interval, Choice, Draw))
    table = accept_like(like, name, raw) if is_one else None
    if table is None or len(table) != 1:
        raise DeclarationError(
            f"--new-default {name}: give the one value that results from before the argument are "
            f"of, not {raw if table is None else f'{len(table)} values'}"
        )
    return table


def _lanes(total: keys.Keys) -> Shift:
    return int(total[0, 0]), int(total[0, 1])


def with_earlier_streams(made: KeyMaker, by: Gained) -> KeyMaker:
    """Draw the random numbers that points drew before they gained arguments."""
    if made.stream_constant is None:
        return made
    back = made.stream_constant - np.array([by.stream_shift], dtype=np.uint64)
    return dataclasses.replace(made, stream_constant=back)
