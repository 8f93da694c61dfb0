"""How an experiment looks in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sweeps import markup
from sweeps.spaces import shown

if TYPE_CHECKING:
    from sweeps.declaration.experiment import Experiment


def html(experiment: Experiment) -> str:
    """Show the axes, constants and units of an experiment, and how many points it has."""
    rows = [
        *shown.parameters(experiment.space),
        *(shown.Row(name, "constant", shown.values(v)) for name, v in experiment.constants.items()),
    ]
    has_names = bool(experiment.long_name)
    header = ("parameter", "along", "values", "unit", *(["name"] if has_names else []))

    def more(name: str) -> list[str]:
        names = [experiment.long_name.get(name, "")] if has_names else []
        return [experiment.units.get(name, ""), *names]

    outputs = [n for n in {**experiment.units, **experiment.long_name} if n not in experiment.taken]
    said = ", ".join(filter(None, (_output(experiment, name) for name in outputs)))
    return markup.card(
        experiment.name,
        markup.line(experiment.about),
        markup.line(shown.size(experiment.space)),
        shown.table(header, rows, more),
        *([markup.line(f"outputs that are described: {said}")] if said else []),
    )


def _output(experiment: Experiment, name: str) -> str:
    unit, words = experiment.units.get(name), experiment.long_name.get(name)
    return f"{name}{f' [{unit}]' if unit else ''}{f' ({words})' if words else ''}"
