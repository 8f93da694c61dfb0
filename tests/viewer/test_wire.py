"""The page gets the arrays that the server has."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from sweeps.viewer.wire import pack, unpack

ARRAYS = st.sampled_from(["float64", "float32", "int8", "uint8"]).flatmap(
    lambda dtype: npst.arrays(dtype, npst.array_shapes(min_dims=1, min_side=0, max_dims=3))
)


@given(st.dictionaries(st.text(max_size=5), ARRAYS, max_size=4), st.text(max_size=20))
def test_what_is_packed_is_unpacked(arrays, said):
    packed = pack({"said": said}, arrays)
    header, found = unpack(packed)
    assert header == {"said": said}
    assert found.keys() == arrays.keys()
    for name, own in found.items():
        assert np.array_equal(own, arrays[name], equal_nan=own.dtype.kind == "f")
        assert own.ctypes.data % own.itemsize == 0 or not own.size


def test_arrays_of_big_endian_machines_are_turned():
    _, found = unpack(pack({}, {"a": np.array([1.5], dtype=">f8")}))
    assert found["a"].tolist() == [1.5]
