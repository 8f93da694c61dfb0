"""The specification in docs/file-format.md is what is written."""

import datetime
import json
import re
import subprocess
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest

from sweeps import experiment, grid, points, run
from sweeps.execution import scheduler
from sweeps.storage import hdf5, seal
from tests.sizes import place_all

PAGE = (Path(__file__).parents[2] / "docs/file-format.md").read_text()
ROW = re.compile(r"^\| (.*) \|$", re.MULTILINE)


def rows(heading, first):
    """The rows of the table below a heading that begins with a column, as lists of cells."""
    _, _, below = PAGE.partition(f"\n## {heading}\n")
    section = re.split(r"^## ", below, flags=re.MULTILINE)[0]
    _, _, table = section.partition(f"| {first} |")
    lines = table.partition("\n\n")[0].splitlines()[2:]
    assert lines, f"{heading} has no table of {first}"
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def names(cell):
    return re.findall(r"`(\w+)`", cell)


def every_kind(x, n):
    if x == 2.0 and n == 1:
        raise ValueError("no value here")
    return {
        "single": np.float32(x),
        "z": complex(x, n),
        "small": np.int8(n),
        "large": np.uint64(n),
        "flag": x > n,
        "text": "a" * n,
        "day": np.datetime64("2020-01-01") + n,
        "moment": datetime.datetime(2020, 1, 1, 12, n),
        "span": datetime.timedelta(seconds=x),
        "profile": np.arange(n, dtype=float),
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A file of a grid with a failed and an excluded point, in a git repository, with a summary."""
    folder = tmp_path_factory.mktemp("repository")
    git = ["git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    space = grid(x=[1.0, 2.0, 3.0], n=[1, 2]).where(lambda x, n: (x, n) != (3.0, 2))
    made = experiment(space, name="kinds", units={"x": "m"})(every_kind)
    made.summary(lambda ds: {"largest": ds.single.max()})
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        patch.chdir(folder)
        run(made, engine="serial", results=folder / "results")
    with h5py.File(folder / "results/kinds.h5") as file:
        yield file


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A file of a list of points, all done, outside a repository, without a summary."""
    results = tmp_path_factory.mktemp("plain")
    made = experiment(points([{"x": 1.0}, {"x": 2.0}]), name="plain")(lambda x, c=1: {"y": x > c})
    run(made, engine="serial", results=results)
    with h5py.File(results / "plain.h5") as file:
        yield file


def shown(dtype):
    if dtype == np.dtype("S1"):
        return "characters"
    return "text" if dtype.kind in "SO" else str(dtype)


def test_the_root_has_the_attributes_of_the_table(written, plain):
    table = rows("Attributes of the root", "attribute")
    types = {name: cells[1] for cells in table for name in names(cells[0])}
    always = {name for cells in table if cells[2] == "always" for name in names(cells[0])}
    for file in (written, plain):
        held = {name: shown(file.attrs.get_id(name).dtype) for name in file.attrs}
        assert always <= held.keys() <= types.keys()
        assert held == {name: types[name] for name in held}
    in_git = {name for cells in table if "git" in cells[2] for name in names(cells[0])}
    assert in_git


def test_the_group_has_the_variables_of_the_table(written, plain):
    table = rows("Group `_sweeps`", "variable")
    always = {names(cells[0])[0] for cells in table if cells[3] == "always"}
    for file in (written, plain):
        group = file["_sweeps"]
        for name, kind, dims, *_ in table:
            (name,) = names(name)
            assert name in group or name not in always
            if name in group:
                assert shown(group[name].dtype) == kind
                assert _dims(group[name], file) == dims or group[name][()] == b""
        own = {each for each in group if isinstance(group[each], h5py.Dataset)}
        scales = {each for each in own if each.endswith("_bytes")}
        assert own - scales <= {name for cells in table for name in names(cells[0])}
    assert "summary_source" in written["_sweeps"]


def _dims(dataset, file):
    found = [scale[0].name for scale in dataset.dims]
    of_space = [scale[0].name for scale in file["_sweeps/status"].dims]
    named = ", ".join(f"`{name.rpartition('/')[2]}`" for name in found)
    return "those of the space" if found == of_space else named


def test_states_have_the_numbers_of_the_table(written):
    table = rows("Group `_sweeps`", "status")
    assert {name: int(number) for number, name, _ in table} == hdf5.STATUS
    status = written["_sweeps/status"]
    assert status.attrs["flag_values"].tolist() == [int(number) for number, *_ in table]
    assert status.attrs["flag_meanings"].decode().split() == [name for _, name, _ in table]
    assert status[...].tolist() == [[1, 1], [2, 1], [1, 3]]
    counts = {"n_points": 5, "n_done": 4, "n_failed": 1, "n_excluded": 1}
    assert {name: written.attrs[name] for name in counts} == counts


def test_failures_are_the_table_of_the_page(written, plain):
    assert "failures" not in plain["_sweeps"]
    group, texts = written["_sweeps/failures"], []
    table = rows("Group `_sweeps/failures`", "variable")
    variables = {names(cells[0])[0] for cells in table}
    assert {name for name in group if name not in {"failure", "text", "texts_bytes"}} == variables
    for name, kind, dims, _ in table:
        dataset = group[names(name)[0]]
        assert (shown(dataset.dtype), _dims(dataset, written)) == (kind, dims)
    raw, start = group["texts"][...].tobytes(), 0
    for end in group["text_end"]:
        texts.append(raw[start:end].decode())
        start = end
    found = {name: texts[group[name][0]] for name in ("kind", "type", "message")}
    assert found == {"kind": "exception", "type": "ValueError", "message": "no value here"}
    assert group["position"][...].tolist() == [2]


@pytest.mark.parametrize(
    ("name", "dtype", "missing", "attributes"),
    [
        ("single", "float32", np.nan, {}),
        ("z", "complex128", np.nan, {}),
        ("small", "int16", ..., {}),
        ("large", "uint64", ..., {}),
        ("flag", "int8", -127, {}),
        ("text", "object", ..., {}),
        ("day", "int64", -(2**63), {"units": "microseconds since 1970-01-01 00:00:00"}),
        ("moment", "int64", -(2**63), {"calendar": "proleptic_gregorian"}),
        ("span", "int64", -(2**63), {"units": "microseconds", "dtype": "timedelta64[us]"}),
    ],
)
def test_types_are_stored_as_the_page_says(written, name, dtype, missing, attributes):
    dataset = written[name]
    assert dataset.dtype == dtype
    value = dataset[1, 0]
    value = value.decode() if isinstance(value, bytes) else value
    if missing is np.nan:
        assert np.isnan(value)
    else:
        fill = dataset.attrs["_FillValue"]
        fill = fill.decode() if isinstance(fill, bytes) else fill
        assert value == fill
        assert missing is ... or fill == missing
        assert ("missing_value" in dataset.attrs) == (dataset.dtype in (np.int64, np.uint64))
    for attribute, text in attributes.items():
        assert dataset.attrs[attribute].decode() == text
    assert not dataset.chunks
    assert dataset.compression is None


def test_types_of_what_is_stored_wider_are_told(written, plain):
    own = json.loads(written["_sweeps"].attrs["dtypes"])
    assert own.items() >= {"small": "|i1", "flag": "|b1"}.items()
    assert plain["y"].attrs["dtype"] == b"bool"
    assert "_FillValue" not in plain["y"].attrs


def test_varying_lengths_and_auxiliary_coordinates_are_as_the_page_says(written, plain):
    assert written["n_profile"][:, :].tolist()[0] == [1, 2]
    assert plain["y"].attrs["coordinates"].decode().split() == ["x", "c"]
    assert plain["c"].shape == ()


def is_right(path):
    """Whether the program of the page says that a file is whole."""
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    named = program.replace('Path("results/pendulum.h5")', f"Path({str(path)!r})")
    assert named != program
    try:
        exec(named, {})
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("end", [seal.RESULTS, seal.IN_PLACE])
def test_the_program_of_the_page_finds_what_is_whole(end, tmp_path, monkeypatch):
    """For files of several pieces."""
    if end == seal.IN_PLACE:
        place_all(monkeypatch)
        monkeypatch.setattr(scheduler, "MAX_BLOCK", 1)

    def wide(x):
        return {"values": np.full(2**17, x), "more": np.arange(3.0), "text": "text" * 2**17}

    made = experiment(grid(x=[1.0, 2.0, 3.0]), name="wide")(wide)
    run(made, engine="serial", results=tmp_path)
    path, spoiled = tmp_path / "wide.h5", tmp_path / "spoiled"
    content = path.read_bytes()
    assert content.endswith(end)
    assert is_right(path)
    for at in range(0, len(content), len(content) // 20):
        spoiled.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        assert not is_right(spoiled)
    assert max(int(number) for number, _ in rows("Versions", "format")) == seal.FORMAT


def test_the_summary_has_the_fingerprint_of_its_code(written, plain):
    assert written["summary"].attrs["fingerprint"] != written.attrs["fingerprint"]
    assert "summary" not in plain
