"""A snapshot holds what was returned then, whatever the function does with its objects later."""

import array
import collections
import ctypes
import dataclasses
import mmap
from typing import NamedTuple

import numpy as np
import pytest
import xarray as xr

from sweeps.execution import leaks
from sweeps.outputs.columns import size_bytes, snapshot
from sweeps.outputs.point import outputs


class Pair(NamedTuple):
    a: float
    b: object


@dataclasses.dataclass
class Record:
    a: float
    b: object


class Hostile:
    def __array__(self, *args, **kwargs):
        raise RuntimeError("no array")


class Interface:
    """An image, as some libraries give it: numpy reads its memory."""

    def __init__(self, buffer):
        self.buffer = buffer

    @property
    def __array_interface__(self):
        return self.buffer.__array_interface__


class Row:
    """A sequence by its looks alone."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


@pytest.mark.parametrize(
    "make",
    [
        lambda a: a,
        lambda a: {"x": a},
        lambda a: {"x": [a, a]},
        lambda a: Pair(1.0, a),
        lambda a: Record(1.0, a),
        lambda a: xr.DataArray(a),
        lambda a: {"x": xr.DataArray(a)},
        lambda a: xr.Dataset({"x": ("t", a)}),
        lambda a: xr.DataArray([1.0, 2.0], {"at": ("t", a)}, ["t"]),
        lambda a: xr.DataArray([1.0, 2.0], {"t": a}, ["t"]),
        lambda a: memoryview(a),
        lambda a: Interface(a),
        lambda a: (ctypes.c_double * 2).from_buffer(a),
        lambda a: {"x": (ctypes.c_double * 2).from_buffer(a)},
        lambda a: Record(1.0, collections.deque([memoryview(a)])),
        lambda a: collections.UserList([a, a]),
        lambda a: collections.UserDict({"x": a}),
        lambda a: collections.deque([a, a]),
        lambda a: Row([a, a]),
    ],
)
def test_a_snapshot_is_what_was_returned_then(make):
    array = np.zeros(2)
    returned = make(array)
    taken = snapshot(returned)
    array += 1
    made = outputs(taken, "f", {}, frozenset())
    found = [v.array for v in (*made.values.values(), *made.coordinates.values())]
    assert any((array == 0).all() and array.ndim for array in found)


def test_a_snapshot_of_a_dict_does_not_grow():
    given = {"a": 1, "list": [1]}
    taken = snapshot(given)
    given["b"] = 2
    given["list"].append(2)
    assert taken == {"a": 1, "list": [1]}


def test_what_raises_when_looked_at_raises_while_the_point_is_at_work():
    with pytest.raises(RuntimeError, match="no array"):
        snapshot({"a": Hostile()})


@pytest.mark.parametrize(
    "value",
    [np.zeros(1000), {"a": np.zeros(1000)}, [[0.0] * 100] * 10, xr.DataArray(np.zeros(1000))],
)
def test_size(value):
    assert 8000 <= size_bytes(snapshot(value)) < 100_000


MEMORY = {
    "ctypes array": (ctypes.c_double * 2)(),
    "ctypes matrix": ((ctypes.c_int * 2) * 2)(),
    "ctypes number": ctypes.c_double(),
    "bytearray": bytearray(2),
    "array": array.array("d", [0, 0]),
    "mmap": mmap.mmap(-1, 2),
    "view": memoryview(bytearray(2)),
    "deque": collections.deque([0, 0]),
    "UserList": collections.UserList([0, 0]),
    "object": Row([0, 0]),
}


@pytest.mark.parametrize("kind", sorted(MEMORY))
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: {"x": v}, lambda v: Pair(1.0, v)])
def test_memory_that_is_used_again_is_copied(kind, wrap):
    given = MEMORY[kind]
    taken = snapshot(wrap(given))

    def write(value):
        if kind == "ctypes number":
            given.value = value
        elif kind == "ctypes matrix":
            given[1][0] = value
        elif kind == "object":
            given.items[0] = value
        else:
            given[0] = value

    write(7)
    (*_, value) = outputs(taken, "f", {}, frozenset()).values.values()
    assert not value.array.any()
    (*_, value) = outputs(snapshot(wrap(given)), "f", {}, frozenset()).values.values()
    assert 7 in value.array
    write(0)


def test_the_text_of_a_string_that_changes_is_kept():
    given = collections.UserString("then")
    taken = snapshot(given)
    given.data = "now"
    assert taken == "then"


BUFFERS = """
import collections, ctypes
import numpy as np
from sweeps import experiment, grid

memory, row, window = (ctypes.c_double * 3)(), bytearray(3), collections.deque(maxlen=3)

@experiment(grid(n=list(range(100))))
def reused(n):
    memory[0], row[1] = n, n
    window.append(float(n))
    return {"memory": memory, "row": row, "window": window, "last": window[-1]}
"""


def test_a_sweep_over_reused_buffers_keeps_what_each_point_returned(sweeps, project, monkeypatch):
    monkeypatch.setattr(leaks, "warning", lambda *_: "")  # it computes points in new processes
    (project / "experiments" / "reused.py").write_text(BUFFERS)
    assert sweeps("run", "reused", "--engine", "serial").code == 0
    with xr.open_dataset(project / "results" / "reused.h5", engine="h5netcdf") as results:
        n = results.n.values
        assert (results.memory.values[:, 0] == n).all()
        assert (results.row.values[:, 1] == n).all()
        assert (results["last"].values == n).all()
        assert np.nanmax(results.window.values, axis=1).tolist() == n.tolist()
