"""Who extends an axis of integers by a float is told before known points are computed again."""

import pytest

SOURCE = """
from sweeps import experiment, grid

@experiment(grid(f=[1, 2, 4]))
def freq(f, phase=0):
    return {"period": 1 / f, "type": type(f).__name__}
"""

RUNS = {  # values of a first run, of a second one, what is said of how many points
    "a float beside integers": ("f=1,2,4", "f=1,0.5,2,4", 3, "f=1.0,2.0,4.0"),
    "integers in place of floats": ("f=1,0.5,2", "f=1,2,3", 2, "f=1.0,2.0"),
    "one of them": ("f=1,2", "f=2,2.5", 1, "f=2.0"),
    "large ones": ("f=1000000,2", "f=1e6,0.5", 1, "f=1000000.0"),
    "of the same type": ("f=1,2,4", "f=1,2,3,4", 0, ""),
    "floats all along": ("f=1.0,2.0", "f=1.0,1.5,2.0", 0, ""),
}


@pytest.mark.parametrize("case", sorted(RUNS))
def test_plan_and_why_say_what_is_known_with_numbers_of_another_type(sweeps, project, case):
    first, second, n_points, advice = RUNS[case]
    (project / "experiments" / "freq.py").write_text(SOURCE)
    assert sweeps("run", "freq", first, "--engine", "serial").code == 0
    plan, why = sweeps("plan", "freq", second), sweeps("why", "freq", second)
    if not n_points:
        assert "1.0" not in plan.out + why.out
        return
    shown = (
        "1 missing point has results"
        if n_points == 1
        else f"{n_points} missing points have results"
    )
    for said in plan.out, why.out, *sweeps("plan", "freq", second, "--json").json["notes"]:
        assert shown in said
        assert "1 and 1.0 are different values" in said
        assert said.rstrip().endswith(advice) or f"{advice}\n" in said
