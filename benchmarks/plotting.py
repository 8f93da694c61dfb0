"""Log-log plots of wall times against sizes, if matplotlib is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from benchmarks import acceptance
from benchmarks.rows import Case, Row


def plot(case: Case, rows: Sequence[Row], folder: Path) -> str:
    """Draw a case that has several sizes; return the file's name, or "" without a plot."""
    lines = {
        name: line
        for name in dict.fromkeys(row.contender for row in rows)
        if len(line := acceptance.walls(rows, name)) > 1
    }
    long = any(max(line)[0] >= 100 * min(line)[0] for line in lines.values())
    if not long or importlib.util.find_spec("matplotlib") is None:
        return ""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = case.name  # the same file for the same figures
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for name, line in lines.items():
        ours = name.startswith("sweeps")
        axes.plot(
            *zip(*line, strict=True),
            marker="o",
            markersize=4,
            label=name,
            linewidth=2.5 if ours else 1.2,
            linestyle="--" if ours and name != next(iter(lines)) else "-",
            color="black" if ours else None,
        )
    axes.set(
        xscale="log", yscale="log", xlabel=case.size, ylabel="wall time in s", title=case.title
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, bbox_to_anchor=(1.01, 1), loc="upper left")
    name = f"benchmarks-{case.name}.svg"
    figure.savefig(folder / name, metadata={"Date": None})
    plt.close(figure)
    return name
