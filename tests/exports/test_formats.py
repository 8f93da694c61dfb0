"""Exported files: other programs read what was computed, or the export is refused by name."""

import datetime
import errno
import importlib.util
import json
import os
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import sweeps
from sweeps import experiment, grid, points
from sweeps.errors import DeclarationError, StorageError
from sweeps.exports import formats, matlab_file, source, spreadsheet
from tests.exports.sheets import EXTREMES, TYPES

pytestmark = [
    pytest.mark.filterwarnings("ignore:.* points? of .* failed"),
    pytest.mark.filterwarnings("ignore:text in .* begins with"),
]

TABLES = [".csv", ".parquet", ".xlsx"]
GRIDS = [".nc", ".zarr", ".mat"]


def need(suffix):
    library = formats.FORMATS[suffix].library
    if library:
        pytest.importorskip(library)


def read_back(path):
    if path.suffix == ".csv":
        return pd.read_csv(path)
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_excel(path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("status", ["done", "all"])
def test_a_table_comes_back_with_each_value(sheet, tmp_path, suffix, status):
    need(suffix)
    path = tmp_path / f"made{suffix}"
    made = sweeps.export(sheet, path, status=status)
    table = sweeps.table(sheet, status=status).reset_index(drop=True)
    assert (made.points, made.left_out) == (len(table), ("row",))
    found = read_back(path)
    assert (found.complex_real + 1j * found.complex_imag).equals(table["complex"])
    found = found.drop(columns=["complex_real", "complex_imag"])
    table = table.drop(columns="complex")
    if suffix == ".csv":  # whose readers choose the types
        numbers = [name for name in table if table[name].dtype.kind in "biuf"]
        texts = pd.read_csv(path, usecols=numbers, dtype=str)
        for name in numbers:
            assert [parsed(text, table[name].dtype) for text in texts[name]] == [
                None if pd.isna(value) else value for value in table[name]
            ]
        found["when"] = pd.to_datetime(found.when).astype("M8[us]")
        found["wait"] = pd.to_timedelta(found.wait).astype("m8[us]")
        found, table = found.drop(columns=numbers), table.drop(columns=numbers)
    pd.testing.assert_frame_equal(found, table)


def parsed(text, dtype):
    if pd.isna(text):
        return None
    own = {"f": lambda text: dtype.type(float(text)), "b": lambda text: text == "True"}
    return own.get(dtype.kind, int)(text)


def test_arrays_of_parquet_are_lists_and_variables_keep_their_units(project):
    need(".parquet")
    from pyarrow import parquet

    def made(n):
        if n == 2:
            raise ValueError(n)
        image = np.arange(6.0).reshape(2, 3) * n
        return {
            "ragged": np.arange(n),
            "image": image,
            "wave": np.arange(2) * 1j,
            "words": ["a"] * n,
        }

    experiment(grid(n=[1, 3, 2]), name="made", units={"image": "K"})(made).run(engine="serial")
    names = ["ragged", "image", "wave", "words"]
    sweeps.export("made", "made.parquet", arrays=names, status="all")
    found = parquet.read_table("made.parquet")
    rows = found.to_pydict()
    assert rows["ragged"] == [[0], [0, 1, 2], None]
    assert rows["image"] == [(np.arange(6.0).reshape(2, 3) * n).tolist() for n in (1, 3)] + [None]
    assert (rows["wave_real"][0], rows["wave_imag"][2]) == ([0.0, 0.0], None)
    assert rows["words"] == [["a"], ["a"] * 3, None]
    assert found.schema.field("image").metadata == {b"units": b"K"}
    assert found.schema.field("ragged").type.value_type == "int64"


def test_arrays_of_csv_are_columns_if_asked_for(project):
    def made(n):
        return {"ragged": np.arange(n), "image": np.full((1, 2), n / 2), "z": np.full(1, n * 1j)}

    experiment(grid(n=[1, 2]), name="made")(made).run(engine="serial")
    sweeps.export("made", "made.csv", arrays=["ragged", "image", "z"])
    assert open("made.csv").read() == (  # noqa: PTH123, SIM115
        'n,ragged[0],ragged[1],n_ragged,"image[0,0]","image[0,1]",z[0]_real,z[0]_imag\n'
        "1,0,,1,0.5,0.5,0.0,1.0\n2,0,1,2,1.0,1.0,0.0,2.0\n"
    )


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_arrays_come_back_as_load_gives_them(sheet, tmp_path, suffix):
    need(suffix)
    path = tmp_path / f"made{suffix}"
    sweeps.export(sheet, path)
    is_zarr = suffix == ".zarr"
    options = {"engine": "zarr", "chunks": None} if is_zarr else {"engine": "h5netcdf"}
    coder = xr.coders.CFDatetimeCoder(time_unit="us")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = xr.open_dataset(path, decode_times=coder, decode_timedelta=True, **options).load()
        expected = sweeps.load(sheet)
    assert found.status.values.ravel().tolist() == sheet_status()
    for name, variable in expected.variables.items():
        one, other = variable, found.variables[name]
        assert one.dims == other.dims
        assert one.equals(other.astype(one.dtype)), name
        assert {**one.attrs} == {k: v for k, v in other.attrs.items() if k != "coordinates"}
    raw = xr.open_dataset(path, mask_and_scale=False, decode_times=False, **options)
    exact = sweeps.load(sheet, masked=False)
    table = sweeps.table(sheet)
    for name in TYPES:
        for each in (raw, exact):
            assert each[name].values.ravel()[table.index].tolist() == table[name].tolist()


def sheet_status():
    with source.opened(source.Path("results/made.h5").absolute()) as found:
        return found.status.tolist()


def test_netcdf_has_what_describes_the_results_and_no_code(project):
    options = {"units": {"x": "m", "made": "s"}, "long_name": {"made": "how long"}}
    one = experiment(grid(x=[1.0, 2.0]), name="made", attrs={"x": {"n": [1, 2]}}, **options)
    one(lambda x, g=9.81: x * g).run(engine="serial")
    sweeps.export("made", "made.nc")
    found, held = xr.open_dataset("made.nc", engine="h5netcdf"), sweeps.load("made")
    for name, variable in held.variables.items():
        assert found.variables[name].identical(variable)
    assert found.x.attrs["n"].tolist() == [1, 2]
    assert found.attrs["fingerprint"] == held.attrs["fingerprint"]
    assert found.attrs["source"] == "exported from made.h5"
    assert b"_sweeps" not in (project / "made.nc").read_bytes()


def test_matlab_gets_arrays_and_a_description(project):
    from scipy.io import loadmat

    def made(x, method):
        when = np.datetime64("2024-02-01") + x
        wait = datetime.timedelta(seconds=1.5)
        own = {"n": np.uint8(x), "is_even": x % 2 == 0, "z": 1j * x, "word": f"ü{x}"}
        return own | {"when": when, "wait": wait, "row": np.arange(3.0) * x}

    space = grid(x=[1, 2], method=["a", "b"])
    experiment(space, name="made", units={"z": "V"})(made).run(engine="serial")
    sweeps.export("made", "made.mat")
    found = loadmat("made.mat", squeeze_me=True, struct_as_record=False, chars_as_strings=True)
    assert found["row"].shape == (2, 2, 3)
    assert (found["n"].dtype, found["n"].tolist()) == (np.uint8, [[1, 1], [2, 2]])
    assert found["z"].tolist() == [[1j, 1j], [2j, 2j]]
    assert found["word"].tolist() == [["ü1"] * 2, ["ü2"] * 2]
    assert found["method"].tolist() == ["a", "b"]
    assert found["when"][0, 0] == datetime.datetime(2024, 2, 2, tzinfo=datetime.UTC).timestamp()
    assert found["wait"].tolist() == [[1.5] * 2] * 2
    assert found["description"].z.units == "V"
    assert found["description"].row.dims.tolist() == ["x", "method", "row_dim_0"]
    assert "status" not in found


def test_a_cell_of_a_spreadsheet_is_text_whatever_it_begins_with(project):
    openpyxl = pytest.importorskip("openpyxl")
    texts = ["=1+1", "+1", "-1", "@x", "=cmd|' /C calc'!A0", "#N/A", "1", "", "a\nb", "2024-01-01"]
    made = experiment(grid(text=texts), name="made")(lambda text: {"=out": text, "x": -1.5})
    made.run(engine="serial")
    sweeps.export("made", "made.xlsx")
    sheet = openpyxl.load_workbook("made.xlsx").active
    rows = list(sheet.iter_rows())
    assert [cell.value for cell in rows[0]] == ["text", "=out", "x"]
    assert {cell.data_type for cell in rows[0]} <= {"s", "inlineStr"}
    for row, text in zip(rows[1:], texts, strict=True):
        assert [cell.value or "" for cell in row[:2]] == [text, text]
        assert {cell.data_type for cell in row[:2]} <= {"s", "inlineStr"}
        assert (
            row[0].quotePrefix == (text[:1] in ("=", "+", "-", "@") or text == "#N/A") or not text
        )
        assert (row[2].value, row[2].data_type) == (-1.5, "n")


def test_a_spreadsheet_has_numbers_dates_and_booleans(project):
    pytest.importorskip("openpyxl")

    def made(x):
        wait = datetime.timedelta(hours=30, seconds=x)
        when = np.datetime64("2024-02-01T12:00:00.001") + x
        return {"when": when, "wait": wait, "ok": x > 1, "z": x + 2j, "top": np.inf, "none": np.nan}

    experiment(grid(x=[1, 2]), name="made")(made).run(engine="serial")
    sweeps.export("made", "made.xlsx")
    found = pd.read_excel("made.xlsx")
    assert found.ok.tolist() == [False, True]
    assert found.z_imag.tolist() == [2, 2]
    assert found.top.tolist() == [np.inf, np.inf]
    assert found.none.isna().all()
    assert abs(found.when[0] - pd.Timestamp("2024-02-01T12:00:00.002")) < pd.Timedelta("1ms")


@pytest.mark.parametrize(
    ("value", "suffix", "message"),
    [
        (
            2**53 + 1,
            ".xlsx",
            "'y' has integers beyond 2.53, which a spreadsheet rounds",
        ),
        ("a\x01", ".xlsx", "'y' has a text with the control character"),
        ("a" * 32_768, ".xlsx", "a text of 32,768 characters"),
        (np.datetime64("1850-01-01"), ".xlsx", "'y' has the date 1850-01-01"),
        (np.datetime64("2020-01-01T00:00:00.000001"), ".xlsx", "in milliseconds"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_and_nothing_is_written(
    project, value, suffix, message
):
    need(suffix)
    experiment(grid(x=[1]), name="made")(lambda x: {"y": value}).run(engine="serial")
    with pytest.raises(DeclarationError, match=message):
        sweeps.export("made", f"made{suffix}")
    assert sorted(os.listdir()) == ["experiments", "results"]  # noqa: PTH208


@pytest.mark.parametrize("name", ["größe", "a b", "end", "description", "a" * 64, "2x"])
def test_names_that_matlab_has_not_are_refused(project, name):
    experiment(grid(x=[1]), name="made")(lambda x: {name: x}).run(engine="serial")
    with pytest.raises(DeclarationError, match="cannot name a variable of MATLAB"):
        sweeps.export("made", "made.mat")


def test_limits_of_formats_are_told_before_anything_is_read(project, monkeypatch):
    experiment(grid(x=range(4)), name="made")(lambda x: {"y": x, "row": [x] * 9}).run(
        engine="serial"
    )
    monkeypatch.setattr(matlab_file, "MOST_BYTES", 31)
    with pytest.raises(DeclarationError, match=r"'y' has 32 bytes; a variable in .mat has 2 GB"):
        sweeps.export("made", "made.mat")
    pytest.importorskip("openpyxl")
    monkeypatch.setattr(spreadsheet, "MOST_ROWS", 4)
    with pytest.raises(DeclarationError, match=r"4 points are too many for .xlsx"):
        sweeps.export("made", "made.xlsx")
    monkeypatch.setattr(spreadsheet, "MOST_ROWS", 5)
    monkeypatch.setattr(spreadsheet, "MOST_COLUMNS", 8)
    with pytest.raises(DeclarationError, match="'row' is an array of shape"):
        sweeps.export("made", "made.xlsx", arrays="row")
    sweeps.export("made", "made.xlsx")


def test_two_columns_of_one_name_are_refused(project):
    made = experiment(grid(x=[1]), name="made")(lambda x: {"z": 1j, "z_real": 2.0})
    made.run(engine="serial")
    with pytest.raises(DeclarationError, match="two columns would be named 'z_real'"):
        sweeps.export("made", "made.csv")
    sweeps.export("made", "made.nc")


@pytest.mark.parametrize("suffix", [*TABLES, *GRIDS])
@pytest.mark.parametrize(
    ("space", "function"),
    [
        (grid(), lambda g=9.81: g),
        (grid(x=[1, 2]), lambda x: 1 / 0),
        (points([{"x": 1, "y": "a"}, {"x": 2, "y": "b"}]), lambda x, y: {"n": x, "word": y}),
        (grid(x=[1, 2]), lambda x: {"n": x} if x > 1 else {"word": "a"}),
    ],
    ids=["one point", "all failed", "list", "different outputs"],
)
def test_every_sheet_can_be_written_in_every_format(project, suffix, space, function):
    need(suffix)
    experiment(space, name="made")(function).run(engine="serial")
    made = sweeps.export("made", f"made{suffix}")
    assert made.n_bytes > 0
    if suffix in TABLES:
        table = sweeps.table("made")
        found = read_back(project / f"made{suffix}")
        assert list(found.columns) == list(table.columns)
        assert len(found) == len(table) == made.points


@pytest.mark.parametrize("suffix", [*TABLES, *GRIDS])
def test_a_file_that_is_there_stays_unless_asked_for(sheet, tmp_path, suffix):
    if suffix in (".xlsx", ".mat"):
        sheet = experiment(grid(x=[1]), name="small")(lambda x: x)
        sheet.run(engine="serial")
    need(suffix)
    path = tmp_path / f"made{suffix}"
    path.write_text("mine") if suffix != ".zarr" else path.mkdir()
    if suffix == ".zarr":  # a folder of somebody else is never removed
        for options in ({}, {"overwrite": True}):
            with pytest.raises(DeclarationError, match="not a folder of Zarr: move it away"):
                sweeps.export(sheet, path, **options)
        path.rmdir()
        sweeps.export(sheet, path)
    with pytest.raises(DeclarationError, match="exists: give another path, or --overwrite"):
        sweeps.export(sheet, path)
    sweeps.export(sheet, path, overwrite=True)
    assert os.listdir(tmp_path) == [path.name]  # noqa: PTH208
    if suffix != ".zarr":
        assert path.read_bytes() != b"mine"


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt(), ValueError()]
)
@pytest.mark.parametrize("suffix", [".csv", ".nc", ".zarr"])
def test_a_file_is_whole_or_not_there(sheet, tmp_path, monkeypatch, suffix, error):
    need(suffix)
    path = tmp_path / f"made{suffix}"
    sweeps.export(sheet, path)
    before = snapshot(path)
    writer = importlib.import_module(f"sweeps.exports.{formats.FORMATS[suffix].module}")
    write = writer.write

    def fail(table, new):
        write(table, new)
        raise error

    monkeypatch.setattr(writer, "write", fail)
    expected = StorageError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected) as caught:
        sweeps.export(sheet, path, overwrite=True)
    if isinstance(error, OSError):
        assert str(caught.value).endswith("free some space, or give another path")
    assert snapshot(path) == before
    assert os.listdir(tmp_path) == [path.name]  # noqa: PTH208


def snapshot(path):
    found = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return [(each.name, each.read_bytes()) for each in found]


def test_what_a_killed_export_left_is_removed_when_it_is_old(sheet, tmp_path):
    old, new = (tmp_path / f".tmp-{n}-{'0' * 32}" for n in (1, 2))
    other = tmp_path / ".tmp-of-somebody"
    for each in (old, new, other):
        each.write_text("")
    for each in (old, other):
        os.utime(each, (0, 0))
    sweeps.export(sheet, tmp_path / "made.csv")
    assert {each.name for each in tmp_path.iterdir()} == {new.name, other.name, "made.csv"}


@pytest.mark.parametrize("n_most", [1, 3, 10**6])
def test_pieces_of_any_size_give_the_same_file(sheet, tmp_path, monkeypatch, n_most):
    sweeps.export(sheet, tmp_path / "usual.csv", status="all", arrays="row")
    monkeypatch.setattr(source, "_MOST_ROWS", n_most)
    sweeps.export(sheet, tmp_path / "made.csv", status="all", arrays="row")
    assert (tmp_path / "made.csv").read_bytes() == (tmp_path / "usual.csv").read_bytes()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("made.txt", "must end in one of .csv, .parquet, .nc, .zarr, .mat, .xlsx"),
        ("made.h5", "the results file itself is netCDF-4"),
        ("made.xls", "read .xlsx, too"),
        ("made", "must end in one of"),
        ("", "must end in one of"),
        (5, "give the path of a file"),
    ],
)
def test_a_path_of_no_format_is_refused(sheet, path, message):
    with pytest.raises(DeclarationError, match=message):
        sweeps.export(sheet, path)


def test_formats_of_arrays_take_no_status(sheet, tmp_path):
    for options in ({"status": "all"}, {"arrays": "row"}):
        with pytest.raises(DeclarationError, match="leave out status and arrays"):
            sweeps.export(sheet, tmp_path / "made.nc", **options)


def test_a_folder_that_is_not_there_is_told(sheet, tmp_path):
    with pytest.raises(StorageError, match="there is no folder"):
        sweeps.export(sheet, tmp_path / "nowhere" / "made.csv")


@pytest.mark.parametrize(
    ("suffix", "extra"), [(".parquet", "parquet"), (".zarr", "zarr"), (".xlsx", "excel")]
)
def test_a_library_that_is_missing_is_named(sheet, tmp_path, monkeypatch, suffix, extra):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DeclarationError, match=rf"pip install 'sweeps\[{extra}\]'"):
        sweeps.export(sheet, tmp_path / f"made{suffix}")


def test_text_that_looks_like_a_formula_is_told_of_a_csv_file(project):
    made = experiment(grid(x=[-1, 2]), name="made")(lambda x: {"a": "fine", "b": " =1+1"})
    made.run(engine="serial")
    with pytest.warns(UserWarning, match=r"text in 'b' begins with '='"):
        sweeps.export("made", "made.csv")


def test_the_command_says_what_is_left_out(project, request):
    call = request.getfixturevalue("sweeps")
    made = experiment(grid(x=[1, 2]), name="made")(lambda x: {"y": x, "row": [x, x]})
    made.run(engine="serial")
    said = call("export", "made", "made.csv")
    assert (said.code, said.out) == (0, "made: 2 points, 2 variables → made.csv (12 B)\n")
    assert "left out, since a cell holds one value: row; --arrays row adds them" in said.err
    said = call("export", "made", "made.csv", "--overwrite", "--arrays", "row", "--json")
    assert json.loads(said.out)["columns"] == ["x", "y", "row"]
    said = call("export", "made", "made.csv")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: made.csv exists")


def test_failures_are_the_same_list_for_programs_and_on_the_command_line(project, request):
    (project / "experiments" / "half.py").write_text(
        "from sweeps import experiment, grid\n"
        "@experiment(grid(x=[1, 2, 3]))\ndef half(x):\n    return 1 / (x - 2)\n"
    )
    call = request.getfixturevalue("sweeps")
    assert call("run", "half").code == 1
    said = json.loads(call("failures", "half", "--json").out)
    assert said == [vars(each) for each in sweeps.failures("half")] != []


def test_extremes_are_what_types_hold():
    assert EXTREMES["uint64"].max == 2**64 - 1
