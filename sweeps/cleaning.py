"""Cleaning: what of the memo nobody needs any more, and freeing it."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

from sweeps import acceptance, caching, disk, files, memo
from sweeps.subject import Subject


@dataclasses.dataclass(frozen=True)
class Waste:
    """A file or folder that can go, and why."""

    path: Path
    n_bytes: int
    reason: str


def waste(subject: Subject) -> list[Waste]:
    """Find what memo and cached functions hold of an experiment beside that of its present code."""
    cached = caching.places(subject.fingerprint.parts, subject.results)
    needed = {source.folder for source in acceptance.sources(subject.memo)}
    unneeded = [p for p in files.beside(subject.memo) if p not in needed]
    found = [Waste(p, _size_bytes(p), "results of earlier code") for p in unneeded]
    old = [p for place in cached for p in files.beside(place)]
    found += [Waste(p, _size_bytes(p), "cached by earlier code") for p in old]
    bad = sorted(subject.memo.glob(f"*{memo.BAD_SUFFIX}"))
    found += [Waste(p, _size_bytes(p), "damaged segment") for p in bad]
    if (landed := subject.landed.with_name(subject.landed.name + memo.BAD_SUFFIX)).exists():
        found.append(Waste(landed, _size_bytes(landed), "damaged results file"))
    writable = [subject.memo, subject.results, *(p for place in cached for p in place.glob("**"))]
    left = [p for folder in writable for p in sorted(_abandoned(folder))]
    return found + [Waste(p, _size_bytes(p), "left by a killed run") for p in left]


def free(found: list[Waste]) -> int:
    """Remove what `waste` found; return how many bytes that freed."""
    for each in found:
        with files.told(each.path), contextlib.suppress(FileNotFoundError):  # somebody else did
            if each.path.is_dir():
                shutil.rmtree(each.path)
            else:
                disk.unlink(each.path)
    return sum(each.n_bytes for each in found)


def _abandoned(folder: Path) -> Iterator[Path]:
    """Temporary files whose writer is gone."""
    return (p for p in folder.glob(f"{files.TEMPORARY_PREFIX}*") if files.is_abandoned(p))


def _size_bytes(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; other runs may remove them meanwhile."""
    if path.is_dir():
        return sum(_size_bytes(p) for p in path.rglob("*") if p.is_file())
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size
    return 0
