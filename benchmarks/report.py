"""docs/benchmarks.md: the figures, ratios first."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks import acceptance, fitting
from benchmarks.cases import CASES
from benchmarks.contenders import PEERS, SWEEPS, version
from benchmarks.rows import Case, Row, find

PACKAGES = ("numpy", "h5py", "xarray", *(peer.package for peer in PEERS))
HEADERS = {
    "wall_s": "wall time",
    "with_imports_s": "imports included",
    "peak_bytes": "peak memory",
    "disk_bytes": "disk",
    "n_files": "files",
    "mb_per_s": "MB/s",
    "disk_over_data": "disk / data",
    "efficiency": "efficiency",
    "tail_tasks": "tail",
}
HEAD = """# Benchmarks

    pip install -e '.[bench]'
    python -m benchmarks

Overhead is the time that a framework adds to the calls of your function. This page compares it
with what you would use instead: the floors (simple programs without a framework, which store
nothing before the end) and six peers (other packages). Each peer is used as its own documentation
recommends (`benchmarks/peers`).

Every run is a separate process in a fresh folder. The contenders take turns, {rounds}; the tables
show medians. "Ours" is `sweeps`. A wall time is the time from the start to the end of the
process. Memory is the peak of all processes together (shared memory counts once). Disk is the
allocated space. A peer gets ten times as many points while this is expected to take less than a
minute. The cost of a point is a fit over all sizes that were measured.
"""


def machine() -> str:
    """Describe this machine, without its name."""
    processor = platform.processor() or platform.machine()
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
            break
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    system = f"{platform.system()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores ({processor}), {system}; {versions}"


def text(record: Mapping[str, Mapping[str, object]], plots: Mapping[str, str]) -> str:
    """Return the whole page: `record` holds machine, rounds and rows of each case."""
    found: dict[str, list[Row]] = {name: list(each["rows"]) for name, each in record.items()}  # type: ignore[call-overload]
    machines = {str(each["machine"]): [] for each in record.values()}  # type: ignore[var-annotated]
    for name, each in record.items():
        machines[str(each["machine"])].append(f"{name} ({each['rounds']} rounds)")
    rounds = sorted({str(each["rounds"]) for each in record.values()})
    parts = [HEAD.format(rounds=f"{' or '.join(rounds)} rounds")]
    parts += [f"Measured on {name}: {', '.join(cases)}.\n" for name, cases in machines.items()]
    parts += ["## Requirements\n", _demands(found)]
    for case in CASES.values():
        if case.name in found:
            parts += _case(case, found[case.name], plots.get(case.name, ""))
    return "\n".join(parts)


def _demands(found: Mapping[str, Sequence[Row]]) -> str:
    rows = [
        (
            each.case,
            each.text,
            _number(each.value),
            f"{'≥' if each.at_least else '≤'} {each.bound:g}",
            {True: "yes", False: "**no**", None: "not measured"}[each.holds],
        )
        for each in acceptance.demands(found)
    ]
    return table(("case", "requirement", "measured", "bound", "met"), rows)


def _case(case: Case, rows: Sequence[Row], plot: str) -> Iterator[str]:
    yield f"## {case.name}: {case.title}\n"
    yield f"{case.text}\n"
    if plot:
        yield f"![Wall time against {case.size}]({plot})\n"
    if case.name == "B1":
        yield _costs(rows)
    columns = [name for name in HEADERS if any(name in row.numbers for row in rows)]
    per_point = case.size.startswith("points")
    headers = [case.size, "who", "wall time / ours", *(HEADERS[name] for name in columns)]
    body = []
    for size in sorted({row.size for row in rows if row.numbers}):
        here = [row for row in rows if row.size == size and row.numbers]
        ours = find(here, here[0].contender, size, "wall_s")
        for row in here:
            cells = [_cell(name, row.numbers.get(name, math.nan)) for name in columns]
            if per_point and size >= 1000:
                cells[0] += f" ({row.numbers['wall_s'] / size * 1e6:.3g} µs a point)"
            ratio = row.numbers["wall_s"] / ours
            body.append((_size(size), row.contender, _number(ratio), *cells))
    yield table(headers, body)
    notes = dict.fromkeys(f"- {row.contender}: {row.note}" for row in rows if row.note)
    if notes:
        yield "\n".join(notes) + "\n"


def _costs(rows: Sequence[Row]) -> str:
    """Fixed and marginal cost of each contender, by a fit, and how it grows."""
    body = []
    ours = acceptance.marginal_s(rows, SWEEPS.name)
    for name in dict.fromkeys(row.contender for row in rows if row.numbers):
        sizes, walls = zip(*acceptance.walls(rows, name), strict=True)
        fixed, marginal = fitting.fixed_and_marginal(sizes, walls)
        most = _size(max(sizes))
        cost = f"{_number(marginal * 1e6)} µs"
        body.append(
            (name, _number(acceptance.over(marginal, ours)), cost, f"{_number(fixed)} s", most)
        )
    return table(("who", "a point / ours", "cost of a point", "fixed cost", "largest size"), body)


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(name: str, value: float) -> str:
    if math.isnan(value):
        return ""
    if name.endswith("_s") and name != "mb_per_s":
        return f"{value:.3g} s" if value >= 0.01 else f"{value * 1e3:.3g} ms"
    if name.endswith("_bytes"):
        return f"{value / 1e6:,.3g} MB" if value < 1e9 else f"{value / 1e9:.3g} GB"
    return f"{value:,.0f}" if name in ("n_files", "mb_per_s") else _number(value)


def _number(value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _size(size: float) -> str:
    power = round(math.log10(size)) if size >= 1000 else 0
    if power and size == 10**power:
        return "10" + "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(power))
    return f"{size:,.0f}"


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []
