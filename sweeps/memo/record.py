"""Record: the code, the constants and the space of a run, stored beside its results in the memo.

So `why` can show later what changed, and all known points can be shown, whose keys cannot be turned
back into parameters. Each record is a small JSON file; nothing in it is ever unpickled.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import platform
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sweeps.code import provenance
from sweeps.code.fingerprint import Fingerprint
from sweeps.declaration.experiment import Experiment
from sweeps.errors import DeclarationError, StorageError
from sweeps.spaces import values
from sweeps.spaces.accept import accept
from sweeps.spaces.keys import MAX_POINTS
from sweeps.spaces.product import ABSENT, Codes, Column, Derived, rows_of
from sweeps.spaces.space import Space
from sweeps.spaces.values import NUMERIC, Values, decode, encode
from sweeps.storage import disk, files

_CODE = "code.json"

_DECLARED = "declared.json"

VERSIONS = ".versions"
"""Folder of notes of runs with other versions than the first one; `computed_with` keeps it."""


@dataclasses.dataclass(frozen=True)
class Code:
    """The code that made results.

    Attributes
    ----------
    parts, sources : mapping of str to str
        As in `Fingerprint`.
    files : mapping of str to str
        Module to its file.
    packages : mapping of str to str
        Versions of Python and of the installed packages that were imported.
    """

    parts: Mapping[str, str]
    sources: Mapping[str, str]
    files: Mapping[str, str]
    packages: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Declared:
    """What a declaration adds to the keys of all points, at the last run.

    Attributes
    ----------
    constants : mapping of str to str
        Arguments that are not swept, and the seed, as text.
    labels : mapping of str to Code
        "method=rk4": the code behind that label, without versions.
    arguments : tuple of str
        All parameters and constants.
    """

    constants: Mapping[str, str]
    labels: Mapping[str, Code]
    arguments: tuple[str, ...]


def code(found: Fingerprint) -> Code:
    """Describe the present code."""
    packages = {"python": platform.python_version(), **provenance.of_packages()}
    return dataclasses.replace(_code_of(found), packages=packages)


def _code_of(*found: Fingerprint) -> Code:
    return Code(
        {part: digest for each in found for part, digest in each.parts.items()},
        {part: source for each in found for part, source in each.sources.items()},
        {name: str(file) for each in found for name, (file, _) in each.files.items()},
        {},
    )


def declared(experiment: Experiment) -> Declared:
    """Describe the present declaration."""
    constants = {n: values.label(t.element(0)) for n, t in experiment.constants.items()}
    if experiment.takes_rng:
        constants["seed"] = str(experiment.seed)
        constants["common_random_numbers"] = ", ".join(experiment.common_random_numbers)
    behind = experiment.behind_labels().items()
    labels = {f"{name}={label}": _code_of(*found) for (name, label), found in behind}
    names = (*experiment.space.parameters, *experiment.constants)
    return Declared(constants, labels, tuple(sorted(names)))


def keep(
    folder: Path, experiment: Experiment, found: Fingerprint, *, is_empty: bool = False
) -> None:
    """Write the record of an experiment into a memo folder, which is made if it is missing.

    A folder that `is_empty` has no results yet: those to come are of the present packages.
    """
    files.make_folder(folder)
    if is_empty or not (folder / _CODE).exists():
        _write(folder / _CODE, code(found))
    said = declared(experiment)
    if read_declared(folder) != said:
        _write(folder / _DECLARED, said)


def read_code(folder: Path) -> Code | None:
    """Read which code made the results in a memo folder; None if that is not known."""
    return _code(read(folder / _CODE))


def read_declared(folder: Path) -> Declared | None:
    """Read what was declared when a run last computed results of a memo folder, if it is known."""
    said = read(folder / _DECLARED)
    if not isinstance(said, dict) or not isinstance(said.get("labels"), dict):
        return None
    labels = {name: _code(each) for name, each in said["labels"].items()}
    known = {name: each for name, each in labels.items() if each is not None}
    arguments = said.get("arguments")
    if not _is_texts(said.get("constants")) or not isinstance(arguments, list):
        return None
    return Declared(said["constants"], known, tuple(map(str, arguments)))


def _code(said: Any) -> Code | None:
    names = [field.name for field in dataclasses.fields(Code)]
    if not isinstance(said, dict) or not all(_is_texts(said.get(name)) for name in names):
        return None
    return Code(**{name: said[name] for name in names})


def _is_texts(said: Any) -> bool:
    return isinstance(said, dict) and all(isinstance(text, str) for text in said.values())


def _write(path: Path, said: Code | Declared) -> None:
    files.commit(path, [json.dumps(dataclasses.asdict(said), indent=1).encode()])


def read(path: Path) -> Any:
    """Read a JSON file that may be missing or damaged; results are valid without it."""
    try:
        return json.loads(disk.content(path))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error


# ---- spaces

_PREFIX, _SUFFIX = "space-", ".json"

_FORMAT = 1

_UNREADABLE = (
    OSError, LookupError, TypeError, ValueError, ArithmeticError, RecursionError, MemoryError,
    DeclarationError,
)  # fmt: skip
"""Errors of reading a file that is missing, damaged, or not ours: it is ignored."""

Constants = Mapping[str, Values]

Elements = Mapping[str, Mapping[bytes, Any]]
"""By parameter: the present values of the experiment, by what identifies them."""


class Visited(NamedTuple):
    """A swept space, and the constants of its points."""

    space: Space
    constants: Constants


def keep_space(folder: Path, layout: str, space: Space, constants: Constants) -> None:
    """Store which points a space has, if that is not stored yet.

    `layout` is the digest of the order of the points.
    """
    path = folder / f"{_PREFIX}{layout}{_SUFFIX}"
    if path.exists():
        return
    settled = space.settled()
    said = {
        "format": _FORMAT,
        "dimensions": [
            {"name": d.name, "size": d.size, "columns": list(map(_column_said, d.columns))}
            for d in settled.dimensions
        ],
        "derived": [
            {"dims": d.dims, **_column_said(d.column)}
            for d in settled.derivations
            if isinstance(d, Derived)
        ],
        "constants": [_column_said(Column(name, table)) for name, table in constants.items()],
    }
    files.commit(path, [json.dumps(said).encode()])


def read_space(folder: Path, layout: str, now: Elements) -> Visited | None:
    """Read a swept space; None if it is not known.

    Values that only the experiment has, such as objects behind labels, are taken from its present
    values `now`; points with other ones are left out.
    """
    try:
        said = json.loads(disk.content(folder / f"{_PREFIX}{layout}{_SUFFIX}"))
        return _made(said, now) if said["format"] == _FORMAT else None
    except _UNREADABLE:
        return None


def layouts(folder: Path) -> list[str]:
    """List the swept layouts, the earliest first."""
    found = sorted(folder.glob(f"{_PREFIX}*{_SUFFIX}"), key=lambda p: (p.stat().st_mtime_ns, p))
    return [path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX) for path in found]


def elements(tables: Mapping[str, Sequence[Values]]) -> Elements:
    """Find the present values of an experiment that only it has, by what identifies them."""
    return {
        name: {encode(e): e for each in own if each.objects is not None for e in each.elements()}
        for name, own in tables.items()
    }


def _column_said(column: Column) -> dict[str, Any]:
    table, codes = column.table, column.codes
    said: Any
    if isinstance(table.array, range):
        said = [table.array.start, table.array.step, len(table.array)]
    elif table.kind in NUMERIC:
        said = _array_said(table.array)
    else:
        said = [encode(element).hex() for element in table.elements()]
    is_in_order = codes is None or np.array_equal(codes, np.arange(len(table)))
    return {
        "name": column.name,
        "kind": "range" if isinstance(table.array, range) else table.kind,
        "values": said,
        "codes": None if codes is None or is_in_order else _array_said(codes),
    }


def _array_said(array: npt.NDArray[Any]) -> list[str]:
    """Write an array exactly; 10^6 decimal numbers would take half a second."""
    return [array.dtype.str, base64.b64encode(array.tobytes()).decode("ascii")]


def _array(said: Any) -> npt.NDArray[Any]:
    dtype, content = said
    if np.dtype(dtype).hasobject:
        raise ValueError(dtype)
    return np.frombuffer(base64.b64decode(content, validate=True), np.dtype(dtype))


def _made(said: Any, now: Elements) -> Visited:
    kept: dict[str, Codes | None] = {}
    dimensions = []
    for each in said["dimensions"]:
        made = [_column(column, now) for column in each["columns"]]
        size = _size(each["size"], [column for column, _ in made])
        rows = kept[each["name"]] = _kept_rows(size, made)
        columns = tuple(column for column, _ in made)
        if rows is not None:
            columns = tuple(Column(c.name, c.table, c.at(rows)) for c in columns)
        size = size if rows is None else len(rows)
        dimensions.append(rows_of(each["name"], size, columns, allow_repeats=True))
    sizes = {each["name"]: each["size"] for each in said["dimensions"]}
    derived = []
    for each in said["derived"]:
        column, is_known = _column(each, now)
        if is_known is not None:
            raise ValueError(column.name)
        dims = tuple(each["dims"])
        codes = column.at(np.arange(_size(math.prod(sizes[dim] for dim in dims), [column])))
        at = (np.arange(sizes[d]) if (own := kept[d]) is None else own for d in dims)
        codes = codes.reshape([sizes[dim] for dim in dims])[np.ix_(*at)]
        derived.append(Derived(dims, Column(column.name, column.table, codes.reshape(-1))))
    constants = [_column(each, now) for each in said["constants"]]
    if not all(is_known is None for _, is_known in constants):
        raise ValueError("constants")
    space = Space(tuple(dimensions), derivations=tuple(derived))
    return Visited(space, {column.name: column.table for column, _ in constants})


def _size(said: Any, columns: Sequence[Column]) -> int:
    """Check a size against the columns: a few bytes must not ask for gigabytes.

    A range alone takes a few bytes whatever its length, so nothing of its length is made here.
    """
    lengths = {len(c.table if c.codes is None else c.codes) for c in columns} or {1}
    if lengths != {said} or said > MAX_POINTS:
        raise ValueError(said)
    return int(said)


def _kept_rows(size: int, made: Sequence[tuple[Column, _IsKnown]]) -> Codes | None:
    """Places along a dimension whose values are all known; None where all are."""
    is_kept = np.True_
    for column, is_known in made:
        if is_known is not None:
            codes = column.at(np.arange(size))
            is_kept = is_kept & ((codes == ABSENT) | is_known[codes])
    return None if is_kept.all() else np.flatnonzero(is_kept)


_IsKnown = npt.NDArray[np.bool_] | None
"""Which values of a table are known; None where all are."""


def _column(said: Any, now: Elements) -> tuple[Column, _IsKnown]:
    """Make a column, and tell which values of its table are known."""
    name, kind, codes = said["name"], said["kind"], said["codes"]
    if kind == "range":
        start, step, size = said["values"]
        array: Any = range(start, start + step * size, step)
        table = Values("int", array)
    elif kind in NUMERIC:
        table = Values(kind, _array(said["values"]))
    else:
        found = [_element(bytes.fromhex(each), now.get(name, {})) for each in said["values"]]
        is_known = np.array([each is not _UNKNOWN for each in found], dtype=bool)
        if not is_known.any():
            raise ValueError(name)
        spare = found[int(np.argmax(is_known))]
        table = accept(name, [spare if each is _UNKNOWN else each for each in found])
        if not is_known.all():
            return Column(name, table, None if codes is None else _array(codes)), is_known
    return Column(name, table, None if codes is None else _array(codes)), None


_UNKNOWN = object()


def _element(encoded: bytes, now: Mapping[bytes, Any]) -> Any:
    """Find or decode one value."""
    if encoded in now:
        return now[encoded]
    try:
        decoded = decode(encoded)
        return decoded if encode(decoded) == encoded else _UNKNOWN
    except (LookupError, ValueError, struct.error, DeclarationError):
        return _UNKNOWN
