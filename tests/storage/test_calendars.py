"""Dates of any calendar come back as they were, or as what xarray makes of the same numbers."""

import datetime
import itertools

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import sweeps as package
from sweeps import experiment, grid
from sweeps.errors import OutputError
from sweeps.storage import calendars

cftime = pytest.importorskip("cftime")
CALENDARS = ["noleap", "360_day", "all_leap", "julian", "standard", "proleptic_gregorian", None]


def counted(numbers, units, calendar, **attrs):
    """Make numbers that count from a date."""
    said = {"units": units, **({"calendar": calendar} if calendar else {}), **attrs}
    return xr.DataArray(numbers, dims="event", attrs=said)


def returned(value):
    """Load what a point returned beside another one that failed."""

    def made(x):
        if x:
            raise ValueError("no date")
        return value

    package.run(experiment(grid(x=[0, 1]), name="made")(made), engine="serial")
    return package.load("made")


@pytest.mark.filterwarnings("ignore:1 of 2 points failed")
@pytest.mark.parametrize("numbers", [[59.0, 60.25], [59, 60]], ids=["floats", "integers"])
def test_numbers_are_dates_as_xarray_decodes_them(project, numbers):
    units = ["days since 2020-01-01", "hours since 1999-12-30 06:00"]
    of_each = {
        f"y{i}": counted(numbers, *each)
        for i, each in enumerate(itertools.product(units, CALENDARS))
    }
    expected, found = xr.decode_cf(xr.Dataset(of_each)), returned(of_each)
    for name in of_each:
        assert (found[name].values[0] == expected[name].values).all(), of_each[name].attrs
        assert found[name].isnull().values[1].all()


def test_what_the_attributes_say_of_missing_and_packed_dates_is_done(project):
    units = "days since 2020-01-01"
    found = returned(
        {
            "date": counted([59, -999], units, "360_day", _FillValue=-999),
            "day": counted([59, 0], units, "standard", missing_value=0),
            "packed": counted([118, 119], units, "noleap", scale_factor=0.5),
        }
    )
    assert found.date.values[0, 0] == cftime.Datetime360Day(2020, 2, 30)
    assert found.date.isnull().values.tolist() == [[False, True], [True, True]]
    assert found.day.values[0, 0] == np.datetime64("2020-02-29")
    assert found.packed.values[0, 0] == cftime.DatetimeNoLeap(2020, 3, 1)


def test_an_axis_of_an_output_keeps_its_calendar(project):
    time = xr.DataArray([1.0, 2.0], dims="time", attrs={"units": "days since 2020-02-28"})
    time.attrs["calendar"] = "noleap"
    found = returned(xr.DataArray([3.0, 4.0], {"time": time}, ["time"], "y"))
    assert found.time.values.tolist() == [
        cftime.DatetimeNoLeap(2020, 3, 1),
        cftime.DatetimeNoLeap(2020, 3, 2),
    ]
    assert found.y.values[0].tolist() == [3.0, 4.0]


def test_dates_of_cftime_come_back_as_they_were(project):
    dates = [cftime.DatetimeNoLeap(2000, 2, 28, 1, 2, 3, 4), cftime.DatetimeNoLeap(2101, 3, 1)]
    axis = [cftime.Datetime360Day(2000, 2, 30), cftime.Datetime360Day(2000, 3, 1)]
    along = xr.DataArray(dates, {"t": axis}, ["t"])
    found = returned({"one": dates[0], "some": dates, "along": along})
    assert found.one.values[0] == dates[0]
    assert found.some.values[0].tolist() == found.along.values[0].tolist() == dates
    assert found.t.values.tolist() == axis


def test_numbers_that_are_no_dates_are_said_and_stay(project):
    with pytest.warns(UserWarning, match="'y' stays numeric"):
        found = returned(xr.Dataset({"y": counted([1, 2], "days since then", "standard")}))
    np.testing.assert_array_equal(found.y.values, [[1, 2], [np.nan, np.nan]])


@given(st.datetimes(datetime.datetime(1600, 3, 1), datetime.datetime(2400, 1, 1)))
def test_microseconds_are_exact(moment):
    date = cftime.DatetimeNoLeap(*moment.replace(day=min(moment.day, 28)).timetuple()[:6])
    date = date.replace(microsecond=moment.microsecond)
    numbers, said = calendars.encoded("y", date)
    back = calendars.decoded(xr.Variable((), numbers, said), True).values.item()
    assert back == date


def test_dates_of_two_calendars_are_refused():
    mixed = [cftime.DatetimeNoLeap(2000, 1, 1), cftime.Datetime360Day(2000, 1, 1)]
    with pytest.raises(OutputError, match="360_day and noleap"):
        calendars.encoded("output 'y'", mixed)
