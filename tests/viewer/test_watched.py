"""An experiment is shown where its latest points are: in the results file, or still in the memo."""

import gc
import weakref

import pytest

from sweeps import experiment, grid, run
from sweeps.memo import segment
from sweeps.progress.run_file import Notice
from sweeps.progress.show import Progress
from sweeps.project.sweep import resolve
from sweeps.viewer import watched
from sweeps.viewer.growing import Growing
from sweeps.viewer.landed import Landed
from sweeps.viewer.watched import Subject, Watched

pytestmark = pytest.mark.filterwarnings("ignore")


@experiment(grid(x=range(8), y=[0.0]))
def steps(x, y):
    if x == 5:
        raise ValueError(x)
    return x + y


@pytest.fixture
def seen(project):
    """Somebody who looks each time as if nobody had looked for long."""
    watch = Watched(Subject("steps", resolve(steps).landed, resolve=lambda: resolve(steps)))
    yield lambda: (watch.look_anew(), watch.sheet)
    watch.close()


def compute(**how):
    run(steps, engine="serial", retry=False, **how)


def test_before_the_first_run_all_points_are_missing(seen):
    state, sheet = seen()
    assert isinstance(sheet, Growing)
    assert state.counts["missing"] == 8
    assert not state.problem


def test_a_finished_run_is_shown_from_its_file(seen):
    compute()
    state, sheet = seen()
    assert isinstance(sheet, Landed)
    assert state.counts == {"missing": 0, "done": 7, "failed": 1, "excluded": 0}
    assert (state.rate, state.left_s, state.runs) == (None, None, ())


def test_points_that_are_stored_later_are_shown_before_the_file_has_them(seen):
    compute(limit=3)
    assert seen()[0].counts["done"] == 3
    stored = resolve(steps)
    compute()
    stored.landed.unlink()
    state, sheet = seen()
    assert isinstance(sheet, Growing)
    assert state.counts["done"] == 7
    compute()
    assert isinstance(seen()[1], Landed)


def test_a_run_that_goes_on_is_seen_with_its_rate(seen):
    compute(limit=3)
    notice = Notice(resolve(steps).memo, "loky", 2)
    try:
        notice.say(Progress(n_todo=5))
        state, sheet = seen()
        assert isinstance(sheet, Growing)
        assert [(each.points, each.engine) for each in state.runs] == [(5, "loky")]
        assert state.rate is not None
    finally:
        notice.close()
    assert isinstance(seen()[1], Landed)


def test_the_space_of_the_latest_run_is_shown(seen):
    compute(axes={"x": [1, 2], "y": [0.0, 0.5, 1.0]})
    assert seen()[1].sizes == {"x": 2, "y": 3}
    resolve(steps).landed.unlink()
    state, sheet = seen()
    assert isinstance(sheet, Growing)
    assert sheet.sizes == {"x": 2, "y": 3}
    assert state.counts["done"] == 6


def test_after_an_edit_the_points_of_the_new_code_are_shown(project):
    source = "from sweeps import experiment, grid\n@experiment(grid(x=[1, 2]))\ndef edited(x):\n"
    module = project / "experiments" / "edited.py"
    module.write_text(source + "    return x\n")
    run("edited", engine="serial")
    watch = Watched(
        Subject("edited", project / "results/edited.h5", resolve=lambda: resolve("edited"))
    )
    assert watch.look_anew().counts["done"] == 2
    module.write_text(source + "    return x + 100\n")
    watch._code_due_s = 0.0
    state = watch.look_anew()
    assert "results of earlier code" in state.problem
    assert state.counts["done"] == 2
    run("edited", engine="serial", limit=1)
    (project / "results/edited.h5").unlink()
    state = watch.look_anew()
    assert (state.counts["done"], state.counts["missing"], state.problem) == (1, 1, "")
    module.write_text(source + "    return (\n")
    watch._code_due_s = 0.0
    assert "edited" in watch.look_anew().problem


def test_a_space_that_is_too_large_is_refused_in_words(seen, monkeypatch):
    monkeypatch.setattr(watched, "MOST_POINTS", 7)
    state, sheet = seen()
    assert sheet is None
    assert "8 points are too many" in state.problem


def test_what_was_seen_a_moment_ago_is_not_read_again(project, monkeypatch):
    compute(limit=3)
    resolve(steps).landed.unlink()
    watch = Watched(Subject("steps", resolve(steps).landed, resolve=lambda: resolve(steps)))
    watch.look()
    monkeypatch.setattr(segment, "load", lambda path: pytest.fail("read again"))
    assert watch.look().counts["done"] == 3
    assert watch.look_anew().counts["done"] == 3


def test_a_file_that_was_cut_off_is_a_problem_and_no_end(seen):
    compute()
    path = resolve(steps).landed
    seen()
    path.write_bytes(path.read_bytes()[:500])
    state, _ = seen()
    assert state.problem or state.counts["done"] == 7


def test_what_is_no_longer_shown_takes_no_memory(seen):
    compute(limit=3)
    gone = weakref.ref(seen()[1])
    gone().coordinate("x")
    compute()
    assert seen()[1] is not gone()
    gc.collect()
    assert gone() is None
