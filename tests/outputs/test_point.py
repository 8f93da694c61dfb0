"""What a point may return, and what each refusal says."""

import dataclasses
import datetime
import decimal
import enum
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from sweeps.errors import OutputError
from sweeps.outputs.columns import snapshot
from sweeps.outputs.point import ALLOWED, array_of, outputs

TAKEN = frozenset({"length", "Angle"})


def of(value, dims=None):
    return outputs(snapshot(value), "f", dims or {}, TAKEN)


# Texts of any length, which numpy has from its version 2 on.
STRINGS = np.dtypes.StringDType() if hasattr(np.dtypes, "StringDType") else np.dtype(object)


class Solver(enum.Enum):
    RK4 = 1


class Pair(NamedTuple):
    a: float
    b: object


@dataclasses.dataclass
class Record:
    a: float
    b: object


class Quantity(np.ndarray):
    pass


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (1, "i8"),
        (1.0, "f8"),
        (True, "?"),
        (1j, "c16"),
        ("text", "O"),
        (np.str_("text"), "O"),
        (np.float32(1), "f4"),
        (Solver.RK4, "O"),
        ([Solver.RK4], "O"),
        (range(3), "i8"),
        ([1, 2.5], "f8"),
        (np.array(["a", "b"]), "O"),
        (np.array(["a", "b" * 99], STRINGS), "O"),
        (np.array("a", STRINGS), "O"),
        (np.arange(3, dtype=">i4"), "i4"),
        (datetime.date(2020, 1, 1), "M8[us]"),
        ([datetime.date(2020, 1, 1)], "M8[us]"),
        (np.array(["2020-01-01"], "M8[ns]"), "M8[us]"),
        (datetime.timedelta(days=1), "m8[us]"),
        ([datetime.timedelta(days=1)], "m8[us]"),
        (np.array([1, "NaT"], "m8[W]"), "m8[us]"),
        (np.timedelta64("NaT"), "m8[us]"),
    ],
    ids=str,
)
def test_allowed(value, dtype):
    (only,) = of(value).values.values()
    assert only.array.dtype == np.dtype(dtype)
    assert only.array.dtype.isnative
    assert only.array.shape == np.shape(value)


def test_texts_of_any_length_that_lack_a_value_are_refused():
    if STRINGS.kind != "T":
        pytest.skip("numpy has no StringDType")
    with pytest.raises(OutputError, match="None, which is not a value"):
        of(np.array(["a", None], np.dtypes.StringDType(na_object=None)))


def test_names_of_enums_and_universal_time_are_kept():
    zone = datetime.timezone(datetime.timedelta(hours=2))
    noon = datetime.datetime(2020, 1, 1, 12, tzinfo=zone)
    made = of({"solver": Solver.RK4, "noon": noon, "all": [noon]}).values
    assert made["solver"].array[()] == "RK4"
    assert made["noon"].array == made["all"].array[0] == np.datetime64("2020-01-01T10:00", "us")


@pytest.mark.parametrize("kind", [Pair, Record, lambda a, b: {"a": a, "b": b}])
def test_containers_name_their_values(kind):
    made = of(kind(1.0, [1, 2]))
    assert list(made.values) == ["a", "b"]
    assert made.values["b"].dims == ("b_dim_0",)


REFUSED = {
    "None": (None, ["'f'", "None", ALLOWED]),
    "None in a dict": ({"a": None}, ["'a'", "None"]),
    "object array": (np.array([object(), 1], object), ["'f'", "object", ALLOWED]),
    "decimal": (decimal.Decimal(1), ["'f'", "Decimal", ALLOWED]),
    "function": (len, ["'f'", "builtin_function", ALLOWED]),
    "set": ({1}, ["'f'", "set"]),
    "float16": (np.float16(1), ["'f'", "float16", "float32"]),
    "float16 array": (np.ones(2, "f2"), ["'f'", "float16", "float32"]),
    "longdouble": (np.longdouble(1), ["'f'", str(np.dtype(np.longdouble)), "float64"]),
    "months": (np.timedelta64(1, "M"), ["'f'", "timedelta64[M]", "no fixed length", "days"]),
    "long": (datetime.timedelta.max, ["'f'", "beyond 106751991 days"]),
    "long in a list": ([datetime.timedelta.min], ["'f'", "beyond 106751991 days"]),
    "no unit": (np.timedelta64(1), ["'f'", "no fixed length"]),
    "picoseconds": (np.timedelta64(1, "ps"), ["'f'", "microseconds", "timedelta64[us]"]),
    "date beside timedelta": (
        [datetime.date(2020, 1, 1), datetime.timedelta(1)],
        ["'f'", "date and timedelta"],
    ),
    "ragged list": ([[1], [1, 2]], ["'f'", "inhomogeneous"]),
    "mixed list": (["a", 1], ["'f'", "int", "str", "one type", "labels"]),
    "list with None": ([1.0, None], ["'f'", "None", "math.nan"]),
    "generator": ((x for x in "ab"), ["'f'", "generator", "a list"]),
    "values of a dict": ({}.values(), ["'f'", "dict_values", "a list"]),
    "list of sets": ([{1}], ["'f'", "set", ALLOWED]),
    "nested dict": ({"a": {"b": 1}}, ["'a'", "inside", "name"]),
    "huge integer": (2**63, ["'f'", "64-bit integer", "float or a string"]),
    "huger integer": (10**5000, ["'f'", "64-bit integer"]),
    "bytes": (b"abc", ["'f'", "S3", "str"]),
    "NUL": ("a\0b", ["'f'", "NUL"]),
    "half a pair": (["\ud800"], ["'f'", "surrogate"]),
    "masked": (np.ma.masked_array([1.0], [True]), ["'f'", "MaskedArray", "plain array"]),
    "quantity": (np.ones(2).view(Quantity), ["'f'", "Quantity", "plain array"]),
    "nanoseconds": (
        np.datetime64("2020-01-01T00:00:00.000000001"),
        ["'f'", "microseconds", "datetime64[us]"],
    ),
    "nanoseconds of pandas": (
        [pd.Timestamp("2020-01-01T00:00:00.000000001")],
        ["'f'", "microseconds", "round"],
    ),
    "timedeltas of pandas": ([pd.Timedelta(1, "ns")], ["'f'", "microseconds", "round"]),
    "out of range": (np.datetime64(10**12, "Y"), ["'f'", "out of range"]),
    "empty dict": ({}, ["empty dict", ALLOWED]),
    "empty dataset": (xr.Dataset(), ["empty"]),
    "tree": ({"a": xr.DataTree()}, ["'a'"]),
    "dataset in a dict": ({"a": xr.Dataset({"b": 1})}, ["'a'", "inside"]),
    "slash": ({"a/b": 1}, ["'a/b'"]),
    "dot": ({"a.b": 1}, ["'a.b'"]),
    "NUL in a name": ({"a\0": 1}, ["'a\\x00'"]),
    "empty name": ({"": 1}, ["''"]),
    "number as name": ({3: 1}, ["3", "strings"]),
    "reserved": ({"_sweeps": 1}, ["'_sweeps'", "reserved"]),
    "parameter": ({"length": 1}, ["'length'", "parameter"]),
    "parameter but for case": ({"angle": 1}, ["'angle'", "'Angle'", "case"]),
    "names but for case": ({"a": 1, "A": 2}, ["'a'", "'A'", "case"]),
    "names but for form": ({"\u00e9": 1, "e\u0301": 2}, ["form"]),
    "dimension of the space": (xr.Variable("length", [1, 2]), ["dimension 'length'", "parameter"]),
    "output as dimension": (
        {"t": xr.Variable("t", [1, 2])},
        ["'t'", "output", "dimension", "coordinate"],
    ),
    "sizes": (
        {"a": xr.Variable("t", [1, 2]), "b": xr.Variable("t", [1])},
        ["'t'", "2", "1", "'b'"],
    ),
    "coordinates that differ": (
        {
            "a": xr.DataArray([1], {"t": [0]}, ["t"]),
            "b": xr.DataArray([1], {"t": [5]}, ["t"]),
        },
        ["coordinate 't'", "'b'", "differs"],
    ),
    "coordinate of objects": (
        xr.DataArray([1], {"t": ("t", np.array([(1, 2), None], object)[:1])}, ["t"]),
        ["coordinate 't'", "tuple"],
    ),
    "coordinate with a blank": (xr.DataArray([1], {"a b": ("t", [0])}, ["t"]), ["'a b'", "space"]),
    "coordinate named as an output": (
        {"a": xr.DataArray(1, {"b": 2}), "b": 3},
        ["'b'", "coordinate"],
    ),
}


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_refusals_name_the_output_and_what_to_do(case):
    value, words = REFUSED[case]
    with pytest.raises(OutputError) as caught:
        of(value)
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)


def test_declared_dims_must_fit():
    assert of([1, 2], {"f": ("t",)}).values["f"].dims == ("t",)
    with pytest.raises(OutputError, match=r"shape \(2,\).*\('t', 'u'\)"):
        of([1, 2], {"f": ("t", "u")})
    with pytest.raises(OutputError, match=r"\('z',\).*\('t',\)"):
        of(xr.DataArray([1, 2], dims="z"), {"f": ("t",)})


def test_a_dimension_cannot_be_there_twice():
    with pytest.raises(OutputError, match=r"'f'.*twice.*\('t', 't'\)"):
        of(np.ones((2, 2)), {"f": ("t", "t")})


def test_a_coordinate_named_as_a_parameter_is_dropped():
    made = of(xr.DataArray([1, 2], {"length": 3.0, "Angle": ("t", [0, 1])}, ["t"]))
    assert list(made.values) == ["f"]
    assert not made.coordinates


def test_attributes_that_say_how_values_are_stored_are_dropped():
    attrs = {"units": "m", "scale_factor": 2.0, "_FillValue": 0, "CLASS": "x", "n": np.int8(3)}
    odd = {
        3: "x",
        "a\0": 1,
        "array": np.ones(2),
        "time": np.datetime64(0, "s"),
        "z": np.complex64(1),
    }
    made = of(xr.DataArray(1.0, attrs=attrs | odd)).values["f"]
    assert made.attrs == {"units": "m", "n": 3}
    assert type(made.attrs["n"]) is int


def test_array_of_says_of_what():
    with pytest.raises(OutputError, match="coordinate 'x' is None"):
        array_of("coordinate 'x'", None)


@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: {"a": value}])
@pytest.mark.parametrize("kind", ["Series", "DataFrame", "Index"])
def test_what_pandas_labels_is_refused_and_not_stripped(kind, wrap):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    with pytest.raises(OutputError, match=r"return its (\.to_xarray\(\) or )?\.to_numpy\(\)"):
        of(wrap(getattr(pandas, kind)([1.0, 2.0])))


@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: [1.0, value]])
@pytest.mark.parametrize("name", ["NA", "NaT"])
def test_what_pandas_has_for_no_value_is_no_value(name, wrap):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    with pytest.raises(OutputError, match=f"{name}, which is not a value.*math.nan"):
        of(wrap(getattr(pandas, name)))


def test_other_tables_are_refused_as_those_of_pandas_are():
    frame = type("DataFrame", (), {"__module__": "polars.dataframe.frame"})
    frame.__array__ = frame.__dataframe__ = lambda self, *args, **kwargs: np.ones((2, 2))
    with pytest.raises(OutputError, match=r"'f' is a polars DataFrame.*\{name: array"):
        of(frame())
