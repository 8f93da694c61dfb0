"""Random spaces for Hypothesis, with the points that they should have, made by plain loops."""

import itertools
import zlib

from hypothesis import strategies as st

from sweeps.spaces.build import grid, points, zipped
from sweeps.spaces.product import together
from sweeps.spaces.space import Space

POOLS = {
    "i": [-3, 0, 1, 2, 7],
    "f": [-1.5, 0.0, 0.1, 2.0],
    "s": ["a", "b", "é", ""],
    "m": [None, (1, "a"), True, "z"],
}
PREDICATES = {
    "i": lambda i=0: i > 0,
    "f": lambda f=0.0: f < 1,
    "s": lambda s="": s != "b",
    "m": lambda m=None: m is not None,
    "from_i": lambda from_i=0: from_i < 5,
    "from_f": lambda from_f=0.0: from_f > 0,
    "from_both": lambda from_both=0.0: from_both != 0.5,
    "from_s": lambda from_s="": from_s != "aa",
    "from_m": lambda from_m="": from_m != "True",
}
DERIVATIONS = {  # name: (what it requires, the function)
    "from_i": (("i",), lambda i: i * i),
    "from_f": (("f",), lambda f: f + 0.5),
    "from_both": (("from_f",), lambda from_f, i=0: from_f * (i + 1)),
    "from_s": (("s",), lambda s: s + s),
    "from_m": ((), lambda m=None: repr(m)),
}


def said(point):
    """Text of a point, the same for equal values of equal types in whatever order."""
    return repr(sorted(point.items()))


def keeps_some(**parameters):
    """Whether a point is one of about two thirds, by all of its values."""
    return zlib.crc32(said(parameters).encode()) % 3 != 0


def first_of_each(listed):
    return [p for n, p in enumerate(listed) if said(p) not in map(said, listed[:n])]


def derived_at(name, point):
    """What a point gets when a space derives `name`."""
    required, function = DERIVATIONS[name]
    if any(each not in point for each in required):
        return {}
    taken = function.__code__.co_varnames[: function.__code__.co_argcount]
    return {name: function(**{k: v for k, v in point.items() if k in taken})}


def some(name):
    return st.lists(st.sampled_from(POOLS[name]), min_size=1, max_size=4, unique_by=repr)


@st.composite
def grids(draw, names):
    axes = {name: draw(some(name)) for name in names}
    rows = itertools.product(*axes.values())
    return grid(**axes), [dict(zip(axes, row, strict=True)) for row in rows]


def row_of(names):
    return st.fixed_dictionaries({name: st.sampled_from(POOLS[name]) for name in names})


@st.composite
def zips(draw, names):
    rows = draw(st.lists(row_of(names), min_size=1, max_size=5, unique_by=said))
    return zipped("row_" + "_".join(names), **{n: [r[n] for r in rows] for n in names}), rows


@st.composite
def lists(draw, names):
    row = st.fixed_dictionaries({}, optional={n: st.sampled_from(POOLS[n]) for n in names})
    rows = draw(st.lists(row, min_size=1, max_size=5, unique_by=said))
    return points(rows), rows


@st.composite
def samples(draw, names):
    """Rows that may repeat, as samples of integers and choices do."""
    rows = draw(st.lists(row_of(names), min_size=1, max_size=6))
    raw = {n: [r[n] for r in rows] for n in names}
    return Space((together("sample_" + "_".join(names), raw, allow_repeats=True),)), rows


@st.composite
def spaces(draw, names=tuple(POOLS), depth=2, leaves=(grids, zips, lists)):
    """A space and the list of the points that it should have, in order."""
    names = tuple(draw(st.permutations(names)))[: draw(st.integers(1, len(names)))]
    kinds = ["leaf", "leaf", "product", "union", "where", "derive"] if depth else ["leaf"]
    kind = draw(st.sampled_from(kinds))
    if kind == "product" and names[1:]:
        cut = draw(st.integers(1, len(names) - 1))
        a, in_a = draw(spaces(names[:cut], depth - 1, leaves))
        b, in_b = draw(spaces(names[cut:], depth - 1, leaves))
        if can_multiply(a, b):
            return a * b, [p | q for p in in_a for q in in_b]
    if kind == "union":
        a, in_a = draw(spaces(names, depth - 1, leaves))
        b, in_b = draw(spaces(names, depth - 1, leaves))
        return a + b, first_of_each(in_a + in_b)
    if kind == "where":
        a, in_a = draw(spaces(names, depth - 1, leaves))
        if draw(st.booleans()) and a.parameters:
            name = draw(st.sampled_from(a.parameters))
            keep = PREDICATES[name]
            return a.where(keep), [
                p for p in in_a if keep(**{k: v for k, v in p.items() if k == name})
            ]
        return a.where(keeps_some), [p for p in in_a if keeps_some(**p)]
    if kind == "derive":
        a, in_a = draw(spaces(names, depth - 1, leaves))
        for name, (required, function) in DERIVATIONS.items():
            if name not in a.parameters and {*required} <= {*a.parameters} and draw(st.booleans()):
                a = a.derive(**{name: function})
                in_a = [p | derived_at(name, p) for p in in_a]
        return a, in_a
    return draw(draw(st.sampled_from(leaves))(names))


def can_multiply(a, b):
    """Whether two spaces have no names in common, and neither gives what the other could derive."""
    return not {*a.dims, *a.parameters} & {*b.dims, *b.parameters} and not (
        {"from_both", "from_m"} & {*a.derived, *b.derived}
    )
