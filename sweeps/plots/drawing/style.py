"""Colours, sizes and marks: for colour-blind eyes, and for print without colour."""

from __future__ import annotations

from sweeps.plots.content import DONE, EXCLUDED, FAILED, MISSING

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#999999")
"""Of M. Okabe and K. Ito, Color Universal Design (2008), without yellow, which is pale in print."""

DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 3)), (0, (1, 1)), (0, (3, 5)))

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

COLOUR_MAP, PHASE_MAP = "viridis", "twilight"
"""Both grow evenly in lightness; that of phases ends where it begins."""

HATCHES = {FAILED: "xxx", MISSING: "///", EXCLUDED: "", DONE: "|||"}
"""Of lines: dots take 80 kB of an SVG."""

STATE_COLOURS = {FAILED: "#D55E00", MISSING: "#777777", EXCLUDED: "#999999", DONE: "#000000"}

STATE_MARKERS = {FAILED: "x", MISSING: "o", EXCLUDED: "s", DONE: "+"}

SETTINGS = {
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.0,
    "hatch.linewidth": 0.6,
    "axes.grid": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "text.usetex": False,
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": True,
    "svg.fonttype": "none",
    "savefig.dpi": 150,
    "path.simplify": True,
}

MOST_VECTORS = 200
"""More markers than this are one bitmap within an SVG."""

MOST_HATCHED = 2000
"""More cells than this get a plain colour instead of a hatch, which takes 20 µs each."""
