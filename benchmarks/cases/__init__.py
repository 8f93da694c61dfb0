"""The cases, in order."""

from benchmarks.cases import (
    arrays,
    columns,
    growing,
    loading,
    planning,
    programs,
    scalars,
    starting,
    uneven,
)
from benchmarks.rows import Case

MODULES = (scalars, arrays, uneven, starting, columns, planning, loading, growing, programs)
CASES: dict[str, Case] = {case.name: case for module in MODULES for case in module.CASES}
