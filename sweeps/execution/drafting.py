"""Decide whether the workers of a run write large values where they will stay."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from sweeps.execution.plan import Points
from sweeps.memo import draft, listing
from sweeps.outputs.schema import Form
from sweeps.storage import files


def begin(sweep: Points, forms: Sequence[Form], landing: Path, folder: Path) -> draft.Draft | None:
    """Begin a draft for outputs like the first ones, and tell the workers; None if that is no use.

    Parameters
    ----------
    landing : Path
        The folder of the results file, which gets a second name in the memo.
    folder : Path
        The temporary folder of the run.
    """
    _, variables, coordinates = forms[0]
    if coordinates:
        return None
    made = draft.plan(sweep.memo, tuple(sweep.experiment.space.sizes.values()), variables)
    if made is None or not files.can_share(landing, sweep.memo) or not draft.begin(made):
        return None
    with contextlib.suppress(OSError):
        draft.tell(made, folder / listing.DRAFT_NOTE)
    return made
