"""SIGKILL at a system call that touches results: nothing committed is lost, little is done twice.

python -m pytest -m campaign -s tests/reliability/test_kills_at_calls.py
"""

import collections

import pytest

from sweeps.execution.scheduler import block_s
from sweeps.memo import index as memo
from sweeps.storage.dataset import load
from tests.reliability.tracing import CHANGES, N_POINTS, SLEEP_S, Traced
from tests.sizes import KEEPS, drawn

N_WORKERS = {"serial": 1, "loky": 2}


def committed(results):
    """How many points the memo has, of any code."""
    folders = [p for p in results.glob(".memo/*/*") if p.is_dir()]
    found = [part.keys.tolist() for place in folders for part in memo.scan(place).parts]
    return len({tuple(key) for keys in found for key in keys})


def kill(traced, touch):
    """Kill a run at a touch, go on, and check; say what was hit, and how many points were lost."""
    _, touches = traced.hit(touch, "signal=SIGKILL")
    n_known, n_evaluated = committed(traced.results), traced.n_evaluated
    again, _ = traced.run()
    assert again.returncode == 0, again.stderr
    # what the engine itself had repeated in the run that was hit is not lost by the kill
    assert traced.n_evaluated - n_evaluated == N_POINTS - n_known, "a committed point was lost"
    dataset = load(traced.results / "cube.h5")
    assert bool((dataset.cube == dataset.x**3).all())
    assert dataset.sizes["x"] == N_POINTS
    n_lost = n_evaluated - n_known
    assert n_lost * SLEEP_S <= N_WORKERS[traced.engine] * block_s(1) + 1
    return next((each for each in touches if each.was_hit), None), n_lost


@pytest.mark.campaign  # by default, kills come at any time, and power cuts at every call
@pytest.mark.parametrize("keep", KEEPS)
def test_a_kill_at_a_call_costs_no_committed_point(tmp_path, keep):
    traced = Traced(tmp_path, "serial", keep, *CHANGES)
    touches = traced.touches()
    call, place = "fsync", "a file of the memo"
    same = [each for each in touches if (each.call, each.place) == (call, place)]
    hit, _ = kill(traced, same[len(same) // 2])
    assert (hit.call, hit.place) == (call, place)


@pytest.mark.campaign
@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("engine", ["serial", "loky"])
def test_a_kill_at_every_call_costs_no_committed_point(tmp_path, engine, keep):
    traced = Traced(tmp_path, engine, keep, *CHANGES)
    touches = sorted({(t.call, t.number): t for t in traced.touches()}.values())
    hits, lost = collections.Counter(), []
    chosen = drawn(touches)
    for touch in chosen:
        hit, n_lost = kill(traced, touch)
        hits[(hit.call, hit.place) if hit is not None else ("nothing of the results", "")] += 1
        lost.append(n_lost)
    mean = sum(lost) / len(lost)
    print(f"\n{engine}, kept in {keep}: {len(chosen)} kills at {len(touches)} calls; done again:")
    print(f"at most {max(lost)} points of {SLEEP_S} s, {mean:.1f} in the mean; what was hit:")
    for (call, place), n in sorted(hits.items()):
        print(f"{call:10} {place:22} {n:4}")
