"""Laws of kinds: each knows its own values, from what a function returns to what is read back."""

import datetime

import numpy as np
import pytest

from sweeps.errors import OutputError
from sweeps.outputs.point import array_of
from sweeps.storage import hdf5, kinds

NOON = datetime.datetime(2020, 1, 1, 12)

SAMPLES = {  # one for each kind: what a function may return
    "number": [1.5, -2.0],
    "str": ["a", "missing"],
    "bool": [True, False],
    "time": [NOON, NOON + datetime.timedelta.resolution],
    "timedelta": [datetime.timedelta.resolution, -datetime.timedelta(days=1)],
}


def test_every_kind_has_a_sample_and_letters_of_its_own():
    assert [*SAMPLES] == [kind.name for kind in kinds.KINDS]
    letters = [code for kind in kinds.KINDS for code in kind.codes]
    assert len(letters) == len({*letters})


@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda kind: kind.name)
def test_a_kind_knows_its_own_values(kind):
    sample = SAMPLES[kind.name]
    array = array_of("y", sample)
    assert kinds.of(array.dtype) is kind
    assert [kind.item(array[i, ...]) for i in range(2)] == sample
    assert not kind.types or isinstance(kind.item(array[0, ...]), kind.types)
    assert kind.text(array[0, ...])
    assert kind.shown(array.dtype)


@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda kind: kind.name)
def test_the_attributes_of_what_is_stored_say_the_kind_and_no_other(kind):
    array = array_of("y", SAMPLES[kind.name])
    stored, attributes = hdf5.encode(array)
    found = [each.restored(lambda name: attributes.get(name, "")) for each in kinds.KINDS]
    is_told = stored.dtype.kind == "i"
    assert [own and np.dtype(own) for own in found] == [
        array.dtype if each is kind and is_told else None for each in kinds.KINDS
    ]


@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda kind: kind.name)
def test_a_point_without_a_value_has_one_that_none_has(kind):
    array = array_of("y", SAMPLES[kind.name])
    dtype, fills = kind.fills(array.dtype)
    fill = next(fill for fill in fills if fill not in array.tolist())
    widened = np.array([*array.astype(dtype), fill], dtype)
    assert (widened[:-1].astype(array.dtype) == array).all()
    assert hdf5.encode(widened)[0].shape == (3,)
    assert kind.has_nat == (str(fill) == "NaT")


def test_what_is_of_no_kind_is_refused_with_all_of_them():
    for dtype in ("S3", "V3", "f2"):
        with pytest.raises(OutputError) as caught:
            kinds.of(np.dtype(dtype)).stored(np.dtype(dtype))
        assert all(kind.allowed[1] in str(caught.value) for kind in kinds.KINDS)
