"""With which versions of Python and numpy the points of a memo folder were computed.

The record of the code says it of the first run. Each other version leaves one small file when it
computes for the first time. So all points that are there by then are of the versions known before.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from sweeps.code import versions
from sweeps.code.versions import Versions
from sweeps.errors import StorageError
from sweeps.memo import record
from sweeps.storage import disk, files

_SUFFIX = ".json"


def note(folder: Path, now: Versions) -> tuple[Versions, ...]:
    """Note that points are being computed with some versions.

    Returns
    -------
    tuple of Versions
        Of all points that are there, if none of them was computed with the present versions; empty
        otherwise.

    Raises
    ------
    StorageError
        If the disk does not take the note.
    """
    path = folder / record.VERSIONS / f"{'-'.join(now.counted[:2])}{_SUFFIX}"
    earlier = () if path.exists() else known(folder)
    if not earlier or _is_among(now, earlier):
        return ()
    files.make_folder(path.parent)
    files.commit(path, [json.dumps(dataclasses.asdict(now)).encode()])
    return earlier


def known(folder: Path) -> tuple[Versions, ...]:
    """Return the versions that computed the points of a folder, the first one first."""
    code = record.read_code(folder)
    found = [] if code is None else [versions.of(code.packages)]
    for name in sorted(_names(folder / record.VERSIONS)):
        said = record.read(folder / record.VERSIONS / name)
        each = versions.of(said if isinstance(said, dict) else {})
        found += [] if _is_among(each, found) else [each]
    return tuple(found)


def _names(folder: Path) -> list[str]:
    try:
        return [name for name in disk.names(folder) if name.endswith(_SUFFIX)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError(f"cannot read {folder}: {error.strerror}") from error


def _is_among(one: Versions, known: list[Versions] | tuple[Versions, ...]) -> bool:
    return one.counted[:2] in {each.counted[:2] for each in known}
