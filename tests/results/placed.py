"""Small sweeps whose values are kept in place, and what is asked of their files."""

import numpy as np

from sweeps import experiment
from sweeps.execution.options import Options
from sweeps.memo import listing
from sweeps.project.sweep import resolve
from sweeps.storage import seal

SERIAL = Options("serial")


def made(function, space, folder, **options):
    """Resolve an experiment."""
    return resolve(experiment(space, **options)(function), results=folder)


def line(x):
    """An array and a text at each point."""
    return {"line": np.array([x, x * 0.1]), "text": str(x)}


def is_in_place(path):
    """Whether a results file has been a draft."""
    return path.read_bytes().endswith(seal.IN_PLACE)


def drafts(sweep):
    """Names of the drafts in the memo."""
    return listing.ending(sweep.memo, listing.DRAFT_SUFFIX)
