"""How large tests are: small by default, larger with ``-m campaign``."""

import os
import random

import pytest
from hypothesis import settings

from sweeps.declaration import checks
from sweeps.execution import scheduler
from sweeps.execution.dispatch import Dispatch
from sweeps.memo import draft
from sweeps.outputs import schema
from sweeps.results import update

PLACED = "placed"
"""How large values are kept: in place. `place_all` and `source` have all numbers taken for them."""

# keep="results" does all that keep="both" does, and more.
KEEPS = [
    pytest.param(keep, marks=pytest.mark.campaign if keep == "both" else [])
    for keep in (*checks.KEEP, PLACED)
]

_PLACE_ALL = """
import sys
from sweeps.memo import draft
from sweeps.outputs import schema
if "pytest" not in sys.modules:
    schema.LARGE_BYTES = draft._TOTAL_BYTES = 1
"""


def declared(keep):
    """Return what is declared for a way to keep values."""
    return "both" if keep == PLACED else keep


def source(text, keep):
    """Say in the module of an experiment how values are kept.

    Where tests themselves import it, numbers are not taken for large ones.
    """
    text = text.replace("KEEP", declared(keep))
    return (_PLACE_ALL if keep == PLACED else "") + text


def place_all(patch):
    """Have all numbers written in place, however few they are."""
    patch.setattr(schema, "LARGE_BYTES", 1)
    patch.setattr(draft, "_TOTAL_BYTES", 1)


def land_often(patch):
    """Have runs compute small blocks, and land after each of them, up to their end."""
    for name in ("_FIRST_LANDING_S", "_PAUSE_S", "LANDING_SHARE"):
        patch.setattr(update, name, 0)
    patch.setattr(Dispatch, "left", lambda _: None)
    patch.setattr(scheduler, "BLOCK_S", 0.0)


def few(n):
    """Try `n` examples of a costly law; in a campaign as many as of all others."""
    in_campaign = settings.get_profile("campaign").max_examples
    return settings(max_examples=in_campaign if settings().max_examples == in_campaign else n)


def examples(n):
    """Try `n` examples in a campaign, and as small a share of them else as of all others, but 3."""
    return settings(max_examples=max(3, n * settings().max_examples // 100))


def drawn(every):
    """Have a campaign try all of them; or so many as ``TRIES`` says, drawn by ``SEED``."""
    every = list(every)
    n = min(len(every), int(os.environ.get("TRIES", len(every))))
    return random.Random(int(os.environ.get("SEED", "0"))).sample(every, n)
