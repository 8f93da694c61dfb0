"""``python -m benchmarks.staleness [--sample N]``: are results served stale, or computed in vain?

Every mutant of the project that gives other values is run against what the original computed, and
every cosmetic edit is planned. It prints a table of each, and exits with 1 where a value was
stale or anything would be computed again.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.staleness import campaign, cosmetics, mutating


def main() -> int:
    """Run both campaigns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, help="as many of each, at random")
    parser.add_argument("--quick", action="store_true", help="run only what the plan says is known")
    asked = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="sweeps-staleness-"))
    start = time.perf_counter()
    try:
        copy = campaign.Copy(place, is_thorough=not asked.quick)
        outcomes = [
            _told(copy.outcome(mutant))
            for mutant in _some(mutating.mutants_of(copy.root), asked.sample)
        ]
        print(campaign.table(outcomes), flush=True)
        edits = _some(cosmetics.edits_of(copy.root), asked.sample)
        spoiled = campaign.spoiling(copy, edits)
        for edit, names in spoiled:
            if names:
                print(f"computed again after {edit}: {', '.join(names)}")
        print(campaign.cosmetic_table(spoiled))
    finally:
        shutil.rmtree(place)
    print(f"{time.perf_counter() - start:.0f} s")
    return int(any(o.stale for o in outcomes) or any(names for _, names in spoiled))


def _some(items: list, n_items: int | None) -> list:  # type: ignore[type-arg]
    return items if n_items is None else random.Random(0).sample(items, min(n_items, len(items)))


def _told(outcome: campaign.Outcome) -> campaign.Outcome:
    if outcome.stale:
        print(f"stale after {outcome.mutant}: {', '.join(outcome.stale)}", flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
