"""The picture whose axes the reader chooses: its data and its scripts."""

from __future__ import annotations

import dataclasses
import json
import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sweeps.analysis import overview
from sweeps.reports import places
from sweeps.reports.report import Report
from sweeps.storage.dataset import read
from sweeps.storage.hdf5 import GROUP, STATUS
from sweeps.text import printable

if TYPE_CHECKING:
    import xarray

MOST_POINTS = 10_000
"""More points than this take plotly seconds to draw, without WebGL, which needs `eval`."""

_MOST_COLUMNS = 40


@dataclasses.dataclass(frozen=True)
class Explorer:
    """What the page needs for a picture whose axes the reader chooses.

    Attributes
    ----------
    names : list of str
        What an axis may show: parameters, then outputs.
    x, y : int
        Which of these are shown first.
    data : str
        JSON that can stand within an element ``script``.
    scripts : tuple of str
        Programs, in order.
    note : str
        How many points it has, if not all.
    """

    names: list[str]
    x: int
    y: int
    data: str
    scripts: tuple[str, ...]
    note: str


def explorer(path: Path, report: Report) -> Explorer | None:
    """Gather the points of a results file; None if there is nothing to choose."""
    if not report.counts["done"]:
        return None
    dataset = read(path, masked=False).dataset
    status = read(path, GROUP, masked=False).dataset.variables["status"]
    dims = tuple(map(str, status.dims))
    found = places.places(dataset, dims)
    done = np.flatnonzero(status.values.ravel() == STATUS["done"])
    kept = done
    if len(done) > MOST_POINTS:  # every n-th would show one value of an axis that has n
        kept = np.sort(np.random.default_rng(0).choice(done, MOST_POINTS, replace=False))
    stored = dataset.variables
    outputs = [str(n) for n in dataset.data_vars if {*stored[n].dims} == {*dims}]
    names = [*found.coordinates, *outputs][:_MOST_COLUMNS]
    columns = {n: c for n in names if (c := _column(found, stored[n], kept)) is not None}
    chosen = list(columns)
    shown = [name for name in outputs if name in columns]
    if not shown or len(chosen) < 2:
        return None
    labels = [_label(name, stored[name]) for name in chosen]
    data = {"names": labels, "columns": list(columns.values())}
    return Explorer(
        names=labels,
        x=0,
        y=chosen.index(shown[0]),
        data=_safe(json.dumps(data, allow_nan=False)),
        scripts=(_plotly(), (resources.files("sweeps.reports") / "page.js").read_text("utf-8")),
        note=f"{len(kept):,} of {len(done):,} points, chosen at random."
        if len(kept) < len(done)
        else "",
    )


def _column(
    found: places.Places, own: xarray.Variable, kept: npt.NDArray[np.intp]
) -> list[Any] | None:
    """Write the values of some points as JSON has them; None for values that no axis shows."""
    flat = found.spread_of(own, np.arange(own.size).reshape(own.shape))[kept]
    values = own.values.ravel()[flat]
    missing = overview.is_missing(own).ravel()[flat]
    if values.dtype.kind == "c":
        return None
    if values.dtype.kind in "iuf":
        numbers = values.astype(float)
        bad = missing | ~np.isfinite(numbers)
        return [None if b else v for b, v in zip(bad.tolist(), numbers.tolist(), strict=True)]
    texts = values.astype(str).tolist()
    return [None if b else printable(t) for b, t in zip(missing.tolist(), texts, strict=True)]


def _label(name: str, own: xarray.Variable) -> str:
    units = str(own.attrs.get("units", ""))
    return printable(f"{name} ({units})" if units not in ("", "1") else name)


def _safe(text: str) -> str:
    """Make JSON that cannot end the element that it stands in."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _plotly() -> str:
    """Read plotly.js from its wheel; nothing in it may end the element that it stands in."""
    text = (resources.files("plotly") / "package_data" / "plotly.min.js").read_text("utf-8")
    return re.sub("</(?=script)", r"<\\/", text, flags=re.IGNORECASE).replace("\r\n", "\n")
