"""Texts that identify values are shown as people write these."""

import ast
import datetime
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.code.canonical import Canonical
from sweeps.code.readable import spoken

write = Canonical(lambda definition: f"defined :{definition.__qualname__}")
PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5), st.sampled_from(["a=b", "]", "int:7d0", "it's", ",}", " :<own>"]),
    st.binary(max_size=3), st.complex_numbers(allow_nan=False, allow_infinity=False),
)  # fmt: skip
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(PLAIN, inner, max_size=3),
        st.sets(st.integers(), min_size=1, max_size=3),
    ),
    max_leaves=6,
)


@given(value=VALUES)
def test_plain_values_are_written_as_in_python(value):
    assert ast.literal_eval(spoken(write(value))) == value


class Model:
    def __init__(self, **settings):
        self.__dict__ |= settings


SHOWN = {
    r"\S*Model\(n=2000\)": Model(n=2000),
    r"\S*Model\(name=\"it's\", rates=\[1, 0.5\]\)": Model(name="it's", rates=[1, 0.5]),
    r"\[\S*Model\(inner=\S*Model\(n=-1\)\)\]": [Model(inner=Model(n=-1))],
    r"<array of f8, shape \(3,\), content [0-9a-f]{8}>": np.zeros(3),
    r"datetime.date\(2024, 1, 31\)": datetime.date(2024, 1, 31),
}


@pytest.mark.parametrize("wanted", SHOWN)
def test_objects_are_shown_by_what_they_hold(wanted):
    # As in a project, where the names of what pickle calls are written so.
    text = write(SHOWN[wanted]).replace("defined :__newobj__", "copyreg.__newobj__ ()")
    assert re.fullmatch(wanted, spoken(text)), spoken(text)


@pytest.mark.parametrize("text", ["", "defined experiments.wave:rk4", "list[int:1", "tuple["])
def test_what_is_not_understood_stays(text):
    assert spoken(text) == text
