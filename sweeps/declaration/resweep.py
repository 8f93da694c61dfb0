"""An experiment swept over other values than declared, or sampled from ranges."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from sweeps.declaration import checks
from sweeps.declaration.checks import CHECKPOINT, REPLICATE, REPORT
from sweeps.declaration.experiment import Experiment
from sweeps.declaration.override_values import Choice, Draw, Interval
from sweeps.errors import DeclarationError, UnknownNameError, unknown
from sweeps.spaces.accept import accept, accept_like
from sweeps.spaces.keys import RNG
from sweeps.spaces.product import Dimension, axis
from sweeps.spaces.space import Space
from sweeps.spaces.values import Values

_SAMPLE = "sample"

_HINTS = {
    _SAMPLE: " To sample, give ranges and a method: length=0.1:2 'sample=sobol(1024)'.",
    **dict.fromkeys(
        (CHECKPOINT, REPORT), " The worker gives this one; only a default makes it a constant."
    ),
    REPLICATE: " Only functions that take rng or replicate have replicates: def f(..., rng).",
}


def resweep(experiment: Experiment, axes: Mapping[str, Any]) -> Experiment:
    """Replace axes, constants and samples; values of a constant make it an axis.

    Parameters
    ----------
    axes : mapping of str to values
        By parameter: values make an axis; a single one of what was a constant, a constant. The
        `Interval` or `Choice` of a sampled parameter, or of any next to a `Draw` under the name
        "sample", is sampled; plain values take a parameter out of the sample.
    """
    given = dict(axes)
    draw = given.pop(_SAMPLE) if isinstance(given.get(_SAMPLE), Draw) else None
    samples = [d for d in experiment.space.dimensions if d.sampling is not None]
    declared = samples[0] if len(samples) == 1 else None
    sampled = {} if declared is None else dict(declared.sampling.parameters)
    like = {name: _present(experiment, sampled, name) for name in given}
    drawn = {
        name: _distribution(name, like[name], raw)
        for name, raw in given.items()
        if isinstance(raw, (Interval, Choice)) and (draw is not None or name in sampled)
    }
    tables = {n: _table(n, like[n], raw) for n, raw in given.items() if n not in drawn}
    sample = declared
    if draw is not None or sampled.keys() & given.keys():
        wanted = {n: d for n, d in {**sampled, **drawn}.items() if n not in tables}
        sample = _sample(experiment, declared, draw, wanted)
    constants = {n: table for n, table in experiment.constants.items() if n not in given}
    swept = {*experiment.space.parameters, *experiment.space.inputs, REPLICATE}
    for name in [n for n, table in tables.items() if len(table) == 1 and n not in swept]:
        constants[name] = tables.pop(name)
    dimensions = _dimensions(experiment.space, given, tables, declared, sample)
    space = dataclasses.replace(experiment.space, dimensions=dimensions)
    return dataclasses.replace(experiment, space=space, constants=constants)


def _present(experiment: Experiment, sampled: Mapping[str, Any], name: str) -> Values | None:
    """Return the values that a parameter has now; None if they are unknown.

    Of a sampled parameter, choices come from the recipe: not each needs to have been drawn.
    """
    space = experiment.space
    along = [d for d in space.dimensions if any(c.name == name for c in d.columns)]
    choices = sampled.get(name)
    if isinstance(choices, (list, Mapping)) or hasattr(choices, "__array__"):
        return accept(name, choices)
    if along and (along[0].is_axis or name in sampled):
        return space.columns[name].table
    if name in space.derived:
        raise DeclarationError(f"{name!r} is derived from other parameters: set those instead")
    if along:
        raise DeclarationError(
            f"{name!r} belongs to a list of points (dimension {along[0].name!r}), so it "
            "cannot be set here; only grid axes, sampled parameters and constants can"
        )
    provided = {*experiment.resources, *experiment.services}
    arguments = checks.arguments(experiment.function, provided)
    if name == REPLICATE and name not in arguments and checks.takes(experiment.function, RNG):
        return accept(name, [0])
    if name not in arguments:
        known = [*space.columns, *experiment.constants]
        error = unknown("axis", name, known, f"of {experiment.name}")
        raise UnknownNameError(f"{error}{_HINTS.get(name, '')}")
    return experiment.constants.get(name)


def _distribution(name: str, like: Values | None, raw: Interval | Choice) -> Any:
    """Make what `sweeps.sample` takes of a range or of choices."""
    if isinstance(raw, Choice):
        return list(accept_like(like, name, raw.values).elements())
    has_whole = like is not None and like.kind == "int"
    if has_whole and isinstance(raw.low, int) and isinstance(raw.high, int):
        return range(raw.low, raw.high + 1)
    return (float(raw.low), float(raw.high))


def _table(name: str, like: Values | None, raw: Any) -> Values:
    if isinstance(raw, Interval):
        raise DeclarationError(
            f"{name}={raw} is a range to sample: add 'sample=sobol(1024)', or give an axis, "
            f"'{name}=linspace({raw.low},{raw.high},20)'"
        )
    if isinstance(raw, Draw):
        raise DeclarationError(f"{name!r} cannot be {raw}: write 'sample={raw}'")
    return accept_like(like, name, raw.values if isinstance(raw, Choice) else raw)


def _sample(
    experiment: Experiment,
    declared: Dimension | None,
    draw: Draw | None,
    parameters: Mapping[str, Any],
) -> Dimension | None:
    """Sample again, with the declared settings where none are given; None if nothing is sampled."""
    from sweeps.spaces import sample as spaces_sample

    if draw is not None and not parameters:
        there = sorted({*experiment.space.parameters, *experiment.constants})
        raise DeclarationError(
            f"'sample={draw}' has nothing to sample: give ranges or choices of parameters, such as "
            f"length=0.1:2 or 'method=choice(a,b)' ({experiment.name} has: {', '.join(there)})"
        )
    if not parameters:
        return None
    asked: dict[str, Any] = {"parameters": parameters}
    if draw is not None:
        asked |= {"method": draw.method, "n": draw.n}
        asked |= {} if draw.seed is None else {"seed": draw.seed}
    if declared is not None:
        sampling = dataclasses.replace(declared.sampling, **asked)
    else:
        _refuse_clash(experiment)
        sampling = spaces_sample.Sampling(**{"seed": 0, **asked})
    (dimension,) = spaces_sample.space(sampling).dimensions
    return dimension if declared is None else dataclasses.replace(dimension, name=declared.name)


def _refuse_clash(experiment: Experiment) -> None:
    own = {dim for dims in experiment.dims.values() for dim in dims}
    if _SAMPLE in own | experiment.taken | checks.arguments(experiment.function).keys():
        raise DeclarationError(
            f"{experiment.name} already has something named 'sample', which is the "
            "dimension of a sample: rename it"
        )


def _dimensions(
    space: Space,
    given: Mapping[str, Any],
    tables: Mapping[str, Values],
    declared: Dimension | None,
    sample: Dimension | None,
) -> tuple[Dimension, ...]:
    """Put each new dimension in the place of the old one; then new axes, then a new sample."""
    axes = {name: axis(name, table) for name, table in tables.items()}
    dimensions: list[Dimension | None] = []
    for dimension in space.dimensions:
        if dimension is declared:
            dimensions.append(sample)
        elif dimension.is_axis and dimension.name in given:
            dimensions.append(axes.pop(dimension.name, None))  # None: it is sampled now
        else:
            dimensions.append(dimension)
    dimensions += [*axes.values(), sample if declared is None else None]
    return tuple(dimension for dimension in dimensions if dimension is not None)
