"""What a report says: facts from a results file, decided before anything is rendered."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from sweeps.analysis import overview
from sweeps.analysis.overview import Statistics, SummaryView, Table
from sweeps.errors import StorageError
from sweeps.reports import failed, origin, places, timing, words
from sweeps.reports.failed import Failures
from sweeps.reports.origin import Origin
from sweeps.reports.places import Parameter, Places
from sweeps.reports.timing import Timing
from sweeps.storage import hdf5_foreign, hdf5_open
from sweeps.storage.dataset import read as load
from sweeps.storage.hdf5 import GROUP, STATUS, SUMMARY

if TYPE_CHECKING:
    import xarray

N_ROWS = 8

_N_SUMMARY_ROWS = 30

MOST_OUTPUTS = 100

_MOST_TEXTS = 3


@dataclasses.dataclass(frozen=True)
class Report:
    """What a report says of a results file.

    Attributes
    ----------
    sizes : dict of str to int
        Dimensions of the space.
    counts : dict of str to int
        Points by their state: done, failed, missing, excluded.
    timing : Timing or None
        None if no point was computed.
    rows : Table
        The first points, without array outputs.
    n_outputs : int
        Of all outputs; `outputs` may have fewer.
    in_words : dict of str to str
        What the values of outputs are that are no numbers.
    """

    name: str
    about: str
    file: str
    written: str
    sizes: dict[str, int]
    parameters: tuple[Parameter, ...]
    counts: dict[str, int]
    timing: Timing | None
    failures: Failures
    outputs: tuple[Statistics, ...]
    n_outputs: int
    in_words: dict[str, str]
    rows: Table
    summary: SummaryView | None
    origin: Origin

    @property
    def n_points(self) -> int:
        """Points of the space that are not excluded."""
        return sum(n for state, n in self.counts.items() if state != "excluded")

    @property
    def constants(self) -> tuple[Parameter, ...]:
        """Parameters that do not vary."""
        return tuple(each for each in self.parameters if not each.dims)

    @property
    def varied(self) -> tuple[Parameter, ...]:
        """Parameters that vary over the space."""
        return tuple(each for each in self.parameters if each.dims)


def read(path: Path) -> Report:
    """Read a results file for a report.

    Raises
    ------
    StorageError
        If there is no such file, or it cannot be read, or `sweeps` did not write it.
    """
    dataset = load(path, masked=False).dataset
    with hdf5_foreign.open_read(path) as file, hdf5_open.damaged(path):
        groups = {n for n in (SUMMARY, f"{GROUP}/failures") if isinstance(file.get(n), h5py.Group)}
        has_status = isinstance(file.get(f"{GROUP}/status"), h5py.Dataset)
    state = load(path, GROUP, masked=False).dataset.variables if has_status else {}
    dims = tuple(map(str, state["status"].dims)) if has_status else ()
    if not has_status or any(dataset.sizes.get(d) != state["status"].sizes[d] for d in dims):
        raise StorageError(
            f"cannot report on {path}: it does not say which points are done, so it is no results "
            "file of sweeps, or another program changed it; look at it with python -m sweeps show"
        )
    failures = load(path, f"{GROUP}/failures").dataset if f"{GROUP}/failures" in groups else None
    summary = load(path, SUMMARY, masked=False).dataset if SUMMARY in groups else None
    with hdf5_open.damaged(path):
        return _report(path, dataset, state, failures, summary)


def _report(
    path: Path,
    dataset: xarray.Dataset,
    state: Any,
    failures: xarray.Dataset | None,
    summary: xarray.Dataset | None,
) -> Report:
    status = state["status"].values.ravel()
    dims = tuple(map(str, state["status"].dims))
    found = places.places(dataset, dims)
    elapsed = np.full(status.shape, np.nan, np.float32)
    if "elapsed" in state:
        elapsed = np.asarray(state["elapsed"].values, np.float32).reshape(status.shape)
    name = str(dataset.attrs.get("experiment", path.stem))
    told = origin.origin(dataset.attrs, name)
    first = {str(n): dataset.variables[n] for n in [*dataset.data_vars][:MOST_OUTPUTS]}
    outputs = tuple(overview.statistics(*each) for each in first.items())
    return Report(
        name=name,
        about=str(dataset.attrs.get("summary", "")),
        file=path.name,
        written=told.facts.get("Results written", ""),
        sizes=found.sizes,
        parameters=places.parameters(dataset, found),
        counts={each: int(np.count_nonzero(status == n)) for each, n in STATUS.items()},
        timing=timing.timing(found, status, elapsed, STATUS["failed"]),
        failures=Failures() if failures is None else failed.failures(failures, found),
        outputs=outputs,
        n_outputs=len(dataset.data_vars),
        in_words={s.name: _in_words(first[s.name]) for s in outputs if s.mean is None},
        rows=_rows(dataset, found),
        summary=None if summary is None else _summarized(summary),
        origin=told,
    )


def _summarized(summary: xarray.Dataset) -> SummaryView:
    """Show tables of a summary as a whole, and of what is too large for that, statistics."""
    seen = overview.summarized(summary, _N_SUMMARY_ROWS)
    large = {each.name for each in seen.outputs}
    whole = [table for table in seen.tables if not large & {*table.header}]
    return dataclasses.replace(seen, tables=whole)


def _in_words(own: xarray.Variable) -> str:
    """Describe values that are no numbers: the most frequent texts, the first and last date."""
    present = own.values[~overview.is_missing(own)]
    if not present.size:
        return ""
    if present.dtype.kind in "mM":
        order = np.sort(present, axis=None)
        first, last = (words.shown(places.python(end)) for end in (order[:1], order[-1:]))
        return f"{first} to {last}"
    if present.dtype.kind == "c":
        size = np.abs(present)
        return f"magnitude {words.shown(float(size.min()))} to {words.shown(float(size.max()))}"
    texts, counts = np.unique(present.astype(str), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    most = [f"{words.cut(texts[i], 40)} ({counts[i]:,})" for i in order[:_MOST_TEXTS]]
    rest = len(texts) - len(most)
    return words.listed(most) + (f", and {rest:,} more" if rest else "")


def _rows(dataset: xarray.Dataset, found: Places) -> Table:
    """Take the first points: their parameters, and outputs that are no arrays."""
    dims, stored = tuple(found.sizes), dataset.variables
    single = [str(n) for n in dataset.data_vars if set(stored[n].dims) == set(dims)]
    header = (*found.coordinates, *single[:MOST_OUTPUTS])
    return Table(header, overview.rows_of(dataset, dims, header, N_ROWS))
