"""With which versions of Python and numpy the points of a memo folder were computed.

The record of the code says it of the first run. Each other version leaves one small file when it
computes for the first time. So all points that are there by then are of the versions known before.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from sweeps.code import versions
from sweeps.code.versions import Versions
from sweeps.errors import StorageError
from sweeps.memo import record
from sweeps.storage import disk, files

_SUFFIX = ".json"


def note(folder: Path, now: Versions) -> tuple[Versions, ...]:
    """Note that points are being computed with some versions; where that fails, results are valid.

    Returns
    -------
    tuple of Versions
        Of all points that are there, if none of them was computed with the present versions; empty
        otherwise.
    """
    path = folder / record.VERSIONS / f"{'-'.join(now.counted[:2])}{_SUFFIX}"
    earlier = () if path.exists() else known(folder)
    if not earlier or _is_among(now, earlier):
        return ()
    with contextlib.suppress(StorageError):
        files.make_folder(path.parent)
        files.commit(path, [json.dumps(dataclasses.asdict(now)).encode()])
    return earlier


def known(folder: Path) -> tuple[Versions, ...]:
    """Return the versions that computed the points of a folder, the first one first."""
    code, found = record.read_code(folder), list[Versions]()
    said = [] if code is None else [code.packages]
    with contextlib.suppress(OSError, StorageError):  # mostly there is no such folder
        names = sorted(disk.names(folder / record.VERSIONS))
        said += [record.read(folder / record.VERSIONS / n) for n in names if n.endswith(_SUFFIX)]
    for each in said:
        one = versions.of(each if isinstance(each, dict) else {})
        found += [] if _is_among(one, found) else [one]
    return tuple(found)


def _is_among(one: Versions, known: Sequence[Versions]) -> bool:
    return one.counted[:2] in {each.counted[:2] for each in known}
