"""Make the arrays of a summary from a results file and the function of the user."""

from __future__ import annotations

import inspect
import traceback
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeps import text
from sweeps.errors import OutputError, SummaryError
from sweeps.outputs import columns, point, schema
from sweeps.results.contents import Array, Arrays, Coordinate
from sweeps.results.datasets import as_output
from sweeps.signals import Interrupted
from sweeps.storage import dataset

if TYPE_CHECKING:
    import xarray


def summarize(path: Path, function: Callable[[xarray.Dataset], Any], name: str) -> Arrays:
    """Call a function with the results in a file, and turn what it returns into arrays.

    A single value without a name gets `name`. If the function raises, the `SummaryError` names the
    error and the line; values that a results file cannot hold are an `OutputError`.
    """
    try:
        # Other programs may parse standard output, so what the function prints goes elsewhere.
        results, told = dataset.read(path)
        _warn(told, function)
        with text.printed_to_stderr(), results:
            return _arrays(_named(columns.snapshot(function(results)), name), name)
    except (Interrupted, OutputError):
        raise
    except BaseException as error:  # not even SystemExit may lose the results
        raise SummaryError(_why(error, function)) from error


def _warn(told: Iterable[str], function: Callable[..., Any]) -> None:
    """Show warnings of the loaded results at the line of the function."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    place = ("summary", 0) if code is None else (code.co_filename, code.co_firstlineno)
    for each in told:
        warnings.warn_explicit(f"a summary gets what load() returns: {each}", UserWarning, *place)


def _why(error: BaseException, function: Callable[..., Any]) -> str:
    """Describe the error, with its line in the file of the function, or else elsewhere."""
    try:
        message = " ".join(str(error).split())
    except Exception:  # a __str__ that raises
        message = "(cannot be shown)"
    code = getattr(inspect.unwrap(function), "__code__", None)
    places = [(f.f_code.co_filename, line) for f, line in traceback.walk_tb(error.__traceback__)]
    own = [place for place in places if code is not None and place[0] == code.co_filename]
    file, line = (own or places)[-1]
    said = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return f"raised {said}, at {text.path(Path(file))}:{line}"


def _named(returned: Any, name: str) -> dict[Any, Any]:
    """Name what a summary returned; of the values of a dict leave out where each was selected.

    ``{"first": y.isel(time=0), "last": y.isel(time=-1)}`` has two scalar coordinates ``time``,
    and a file has room for one.
    """
    found = point.named(returned, name)
    if not isinstance(returned, dict):
        return found
    return {
        key: item.drop_vars(_scalars(item)) if _is_labelled(item) else item
        for key, item in found.items()
    }


def _is_labelled(item: Any) -> bool:
    """Whether something is a DataArray."""
    return hasattr(item, "coords") and hasattr(item, "dtype")


def _scalars(item: Any) -> list[Any]:
    return [key for key, c in item.coords.items() if not c.dims] if _is_labelled(item) else []


def _arrays(named: dict[Any, Any], name: str) -> Arrays:
    gaps: dict[Any, Array] = {}
    filled = {key: _fill(key, item, gaps) for key, item in named.items()}
    made = point.outputs(filled, name, dims={}, taken=frozenset())
    scalars = {str(key) for item in named.values() for key in _scalars(item)}

    def label(key: str, value: point.Output) -> Coordinate:
        return Coordinate(key, value.dims, value.array, gaps.get(key), schema.public(value.attrs))

    labels = {k: v for k, v in made.values.items() if k in scalars} | dict(made.coordinates)
    values = {k: v for k, v in made.values.items() if k not in scalars}
    return Arrays(
        sizes={},
        coordinates=[label(*pair) for pair in labels.items()],
        outputs=[as_output(label(*pair)) for pair in values.items()],
    )


def _fill(key: Any, item: Any, gaps: dict[Any, Array]) -> Any:
    """Replace NaN, which xarray uses for a missing string, by "", and note in `gaps` where."""
    if not _is_labelled(item):
        return item
    arrays = {key: item, **item.coords}
    is_missing = {k: a.isnull().values for k, a in arrays.items() if a.dtype == object}
    gaps |= {k: mask for k, mask in is_missing.items() if mask.any()}
    filled = item.assign_coords({k: c.fillna("") for k, c in item.coords.items() if k in gaps})
    return filled.fillna("") if key in gaps else filled
