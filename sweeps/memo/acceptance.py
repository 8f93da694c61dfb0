"""Acceptance: the user declares that results of earlier code are valid for the present code.

Each acceptance is a file in the memo folder of the present code; taking it back removes the file.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweeps.errors import StorageError
from sweeps.storage import disk, files

FOLDER = "accepted"

_SUFFIX = ".json"

Shift = tuple[int, int]
"""Numbers that are added to the two halves of keys, modulo 2^64."""

NO_SHIFT: Shift = (0, 0)


@dataclasses.dataclass(frozen=True)
class Acceptance:
    """A declaration that the results of some earlier code are valid.

    Attributes
    ----------
    fingerprint : str
        Of the earlier code.
    reason : str
        Why, in the user's words; may be empty.
    accepted : str
        When, in UTC.
    new_defaults : mapping of str to str
        Arguments that the earlier code did not have, and the value of each, as text, for which its
        results hold.
    shift : Shift
        The sum of the hashes of these arguments, which keys of earlier points lack.
    """

    fingerprint: str
    reason: str
    accepted: str
    new_defaults: Mapping[str, str]
    shift: Shift = NO_SHIFT


def accepted(place: Path) -> list[Acceptance]:
    """List the acceptances in a memo folder, the latest first."""
    try:
        names = sorted(n for n in disk.names(place / FOLDER) if n.endswith(_SUFFIX))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StorageError(f"cannot read {place / FOLDER}: {error.strerror}") from error
    read = (_read(place / FOLDER / name) for name in names)
    found = [each for each in read if each is not None]
    return sorted(found, key=lambda each: each.accepted, reverse=True)


def accept(place: Path, acceptance: Acceptance) -> None:
    """Store an acceptance in a memo folder."""
    files.make_folder(place / FOLDER)
    said = json.dumps(dataclasses.asdict(acceptance), indent=1)
    files.commit(_path(place, acceptance.fingerprint), [said.encode()])


def take_back(place: Path, fingerprint: str) -> None:
    """Remove the acceptance of some earlier code."""
    path = _path(place, fingerprint)
    with files.told(path), contextlib.suppress(FileNotFoundError):
        disk.unlink(path)
        disk.flush_folder(path.parent)


def _path(place: Path, fingerprint: str) -> Path:
    return place / FOLDER / f"{fingerprint}{_SUFFIX}"


def _read(path: Path) -> Acceptance | None:
    try:
        return _made(json.loads(disk.content(path)), path.stem)
    except FileNotFoundError:  # another process took it back
        return None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StorageError(
            f"{path} is damaged: remove it, and accept the earlier results again"
        ) from error


def _made(said: Any, fingerprint: str) -> Acceptance:
    """Check the content of a file; entries that a later version adds are ignored."""
    first, second = said["shift"]
    texts = [said[name] for name in ("fingerprint", "reason", "accepted")]
    given = [text for pair in said["new_defaults"].items() for text in pair]
    if not all(isinstance(text, str) for text in (*texts, *given)) or texts[0] != fingerprint:
        raise TypeError(fingerprint)
    if not fingerprint.isalnum():  # it becomes the name of a folder
        raise ValueError(fingerprint)
    if not all(type(lane) is int and 0 <= lane < 2**64 for lane in (first, second)):
        raise ValueError(first, second)
    return Acceptance(texts[0], texts[1], texts[2], said["new_defaults"], (first, second))
