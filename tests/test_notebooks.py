"""In a real kernel of Jupyter: the tutorial runs, progress is one bar, an interrupt loses nothing.

Where ipykernel and nbclient are, psutil is too, with which loky behaves otherwise: CI has an
environment for these tests alone.
"""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="needs pip install 'sweeps[notebook]'")
nbclient = pytest.importorskip("nbclient", reason="needs pip install 'sweeps[notebook]'")
pytest.importorskip("ipykernel", reason="needs pip install 'sweeps[notebook]'")

TUTORIAL = Path(__file__).parent.parent / "docs/notebooks/tutorial.ipynb"

SLOW = """
import time

import sweeps
from sweeps import experiment, grid
from sweeps.progress import show

show._PATIENCE_S = show._NOTEBOOK_S = -1.0  # as if each look came late


def helper(x):
    return 2 * x


@experiment(grid(x=range(8)))
def slow(x, pause=0.05):
    time.sleep(pause)
    if x == 3:
        print("from the point", x)
    return helper(x)
"""


def notebook(*cells):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])


def executed(made, folder, **options):
    client = nbclient.NotebookClient(made, timeout=120, **options)
    client.execute(cwd=str(folder))
    return [cell.outputs for cell in made.cells if cell.cell_type == "code"]


def text(outputs, name="stdout"):
    return "".join(each.text for each in outputs if each.get("name") == name)


def shown(outputs, kind="text/html"):
    return [each.data[kind] for each in outputs if kind in each.get("data", {})]


def test_the_tutorial_has_no_outputs_in_the_repository():
    cells = nbformat.read(TUTORIAL, 4).cells
    assert [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []


def test_the_tutorial_runs_and_shows_what_it_says(tmp_path):
    pytest.importorskip("matplotlib", reason="needs pip install 'sweeps[plot]'")
    outputs = executed(nbformat.read(TUTORIAL, 4), tmp_path)
    bars = [each for own in outputs for each in shown(own) if "Plan of needle" in each]
    said = ["19 missing", "18 stale", "19 reused", "96 missing"]
    assert all(words in bar for words, bar in zip(said, bars, strict=True))
    printed = "".join(map(text, outputs))
    assert "ZeroDivisionError" in printed
    assert "exact: all values are equal" in printed
    assert sum(bool(shown(own, "image/png")) for own in outputs) == 2
    assert (tmp_path / "results" / "needle.h5").exists()


def test_progress_is_one_bar_that_is_gone_at_the_end(tmp_path):
    ask = "results = slow.run(n_workers=1)"
    _, run, again, kept = executed(
        notebook(SLOW, ask, f"{ask[:-1]}, quiet=True, recompute=True)", "sweeps.printed(slow)"),
        tmp_path,
    )
    assert shown(run) == [""]
    assert text(run, "stderr") == "x=3: from the point 3\n"
    assert again == []
    assert "'from the point 3\\n'" in shown(kept, "text/plain")[0]


def test_a_notebook_is_not_flooded_by_what_points_print(tmp_path):
    loud = SLOW.replace("range(8)", "range(300)").replace("if x == 3", "if True")
    ask = 'results = slow.run(n_workers=1, axes={"pause": [0.0]})'
    _, run, kept = executed(
        notebook(loud, ask, 'len(sweeps.printed(slow, axes={"pause": [0.0]}))'), tmp_path
    )
    said = text(run, "stderr").splitlines()
    assert 20 <= sum("from the point" in line for line in said) <= 40
    assert any("were not shown; see all: sweeps.printed(slow)" in line for line in said)
    assert shown(kept, "text/plain") == ["300"]


def test_code_in_cells_counts_by_its_meaning(tmp_path):
    cells = notebook(
        SLOW,
        "results = slow.run(n_workers=1, quiet=True)",
        SLOW.replace("return helper(x)", "return helper(x)  # twice"),
        "sweeps.plan(slow)",
        "def helper(x):\n    return 3 * x",
        "sweeps.plan(slow)",
        "print(sweeps.why(slow))",
    )
    *_, commented, _, changed, why = executed(cells, tmp_path)
    assert "8 reused" in shown(commented)[0]
    assert "8 stale" in shown(changed)[0]
    assert "+    return 3 * x" in text(why)
    assert "sweeps.accept(slow)" in text(why)


def test_an_interrupted_cell_keeps_what_is_finished(tmp_path):
    ask = 'results = slow.run(n_workers=1, axes={"pause": [0.3]})'
    made = notebook(SLOW, ask, 'sweeps.plan(slow, axes={"pause": [0.3]})')
    client = nbclient.NotebookClient(made, timeout=120, allow_errors=True)

    def interrupt():
        while not list((tmp_path / "results").rglob("*.seg")):
            time.sleep(0.02)
        os.killpg(os.getpgid(client.km.provisioner.pid), signal.SIGINT)  # as Jupyter does

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    client.execute(cwd=str(tmp_path))
    _, run, plan = (cell.outputs for cell in made.cells)
    assert [each.ename for each in run if each.output_type == "error"] == ["KeyboardInterrupt"]
    assert " reused" in shown(plan)[0]
    assert " missing" in shown(plan)[0]
