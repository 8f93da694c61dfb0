"""Find stored results that are no longer needed, and delete them."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sweeps.declaration import cached
from sweeps.errors import StorageError
from sweeps.memo import claims, contents, listing, segment
from sweeps.memo import index as memo
from sweeps.progress import presence
from sweeps.project.sweep import Sweep
from sweeps.storage import disk, files, packs, seal
from sweeps.worker import checkpoints


@dataclasses.dataclass(frozen=True)
class Waste:
    """A file or folder that can be deleted, and why."""

    path: Path
    n_bytes: int
    reason: str


@dataclasses.dataclass(frozen=True)
class WasteInPack(Waste):
    """Contents in a pack that no stored point names, or that another pack has too.

    Attributes
    ----------
    needed : frozenset of str
        Digests of the contents that stay.
    """

    needed: frozenset[str]


def waste(sweep: Sweep) -> list[Waste]:
    """Find all that is stored for an experiment and its present code does not need.

    Files of a later version of sweeps stay, and the folders that a run is using (see `busy`).
    """
    places = cached.places(sweep.fingerprint.parts, sweep.results)
    unneeded, others = _unneeded(sweep), busy(sweep)
    idle = [p for p in unneeded if p not in others and not _is_later(p)]
    found = [Waste(p, _size_bytes(p), "results of earlier code") for p in idle]
    if not others:  # a run of earlier code may use what it cached
        old = [p for place in places for p in files.beside(place)]
        found += [Waste(p, _size_bytes(p), "cached by earlier code") for p in old]
    bad = filter(_is_damaged, sorted(sweep.memo.glob(f"*{listing.BAD_SUFFIX}")))
    found += [Waste(p, _size_bytes(p), _damaged(p)) for p in bad]
    found += _in_packs(sweep.memo)
    landed = sweep.landed.with_name(sweep.landed.name + listing.BAD_SUFFIX)
    if landed.exists() and seal.later_format(landed) is None:
        found.append(Waste(landed, _size_bytes(landed), "damaged results file"))
    writable = [sweep.memo, sweep.results, *(p for place in places for p in place.glob("**"))]
    left = [p for folder in writable for p in sorted(_abandoned(folder))]
    said = presence.abandoned(sweep.results, sweep.experiment.name)
    left += [p for p in said if p.parent.parent not in idle]
    left += _drafts(sweep.memo)
    found += [Waste(p, _size_bytes(p), "checkpoint that no point needs") for p in _over(sweep)]
    return found + [Waste(p, _size_bytes(p), "left by a killed run") for p in left]


def _over(sweep: Sweep) -> list[Path]:
    """List checkpoints of points that are done, or that nothing goes on from."""
    if not checkpoints.place(sweep.memo).is_dir() or _is_live(sweep.memo):
        return []
    index = memo.scan(sweep.memo)

    def are_done(keys: list[checkpoints.Key]) -> list[bool]:
        own = np.array(keys, dtype=np.uint64).reshape(-1, 2)
        return [entry >= 0 for entry in index.find(own).tolist()]

    return checkpoints.left_over(sweep.memo, are_done)


def _drafts(folder: Path) -> list[Path]:
    """List the drafts that no segment names."""
    names = listing.ending(folder, listing.DRAFT_SUFFIX)
    if not names or _is_live(folder):
        return []
    parts = memo.scan(folder).parts
    named = {part.placed.path for part in parts if part.placed is not None}
    return [folder / name for name in names if folder / name not in named]


def busy(sweep: Sweep) -> list[Path]:
    """List the folders of earlier code to which a run is writing."""
    return [p for p in _unneeded(sweep) if _is_live(p)]


def free(found: list[Waste]) -> int:
    """Delete what `waste` found; return the number of bytes freed."""
    return sum(each.n_bytes for each in found if _freed(each))


def _freed(each: Waste) -> bool:
    return _rewrite(each) if isinstance(each, WasteInPack) else _remove(each.path)


def _remove(path: Path) -> bool:
    with files.told(path), contextlib.suppress(FileNotFoundError):  # another process deleted it
        if not path.is_dir():
            disk.unlink(path)
            return True
        # Renamed first, so that a run that starts now makes its own folder.
        hidden = path.with_name(files.temporary_name())
        disk.replace(path, hidden)
        if _is_live(hidden):  # a run has started since
            disk.replace(hidden, path)
            return False
        shutil.rmtree(hidden)
    return True


def _rewrite(each: WasteInPack) -> bool:
    """Replace a pack by one that has only what is needed of it."""
    folder = each.path.parent
    if _is_live(folder):  # a run has started since
        return False
    with files.told(each.path), contextlib.suppress(FileNotFoundError):  # merged meanwhile
        if packs.rewrite(folder, [each.path], each.needed):
            return False  # `verify` names what is damaged
        disk.unlink(each.path)
        return True
    return False


def _in_packs(folder: Path) -> Iterator[WasteInPack]:
    """Find what no stored point names; a run that goes on may be about to name it."""
    listed = [p for p in packs.listing(folder) if packs.is_settled(p) and not packs.is_later(p)]
    if not listed or _is_live(folder) or listing.is_suspected(folder):
        return
    index = memo.scan(folder)
    if index.bad or not index.parts:  # a results file may name what no segment does
        return
    left, every = contents.named(index.parts), {path: packs.entries(path) for path in listed}
    n_times = collections.Counter(each.digest for own in every.values() for each in own)
    for path, own in every.items():
        needed = frozenset(each.digest for each in own if each.digest in left)
        n_bytes = sum(packs.HEAD_BYTES + each.size for each in own if each.digest not in needed)
        if n_bytes:
            yield WasteInPack(path, n_bytes, "files that no point has", needed)
        twice = (each for each in own if each.digest in needed and n_times[each.digest] > 1)
        left -= {each.digest for each in twice if packs.is_whole(each)}


def _is_live(folder: Path) -> bool:
    """Whether a run writes to a folder; one of a shard claims nothing."""
    return claims.are_live(folder) or bool(presence.beside(folder))


def _unneeded(sweep: Sweep) -> list[Path]:
    needed = {source.folder for source in listing.sources(sweep.memo)}
    return [p for p in files.beside(sweep.memo) if p not in needed]


def _is_later(folder: Path) -> bool:
    """Whether a later version of sweeps wrote a segment of a folder, also one set aside."""
    names = [n for n in disk.names(folder) if n.endswith((listing.SUFFIX, listing.BAD_SUFFIX))]
    return any(
        (folder / name).is_file() and seal.later_format(folder / name) is not None for name in names
    )


def _damaged(path: Path) -> str:
    return "damaged pack of files" if path.name.endswith(packs.BAD_SUFFIX) else "damaged segment"


def _is_damaged(path: Path) -> bool:
    """Whether a file that was set aside is really damaged, and not whole or of a later version."""
    try:
        segment.verify(path)
    except segment.DamagedError:
        return True
    except StorageError:
        return False
    return False


def _abandoned(folder: Path) -> Iterator[Path]:
    """Temporary files whose process no longer exists."""
    return (p for p in folder.glob(f"{files.TEMPORARY_PREFIX}*") if files.is_abandoned(p))


def _size_bytes(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; other runs may delete some meanwhile."""
    if path.is_dir():
        return sum(_size_bytes(p) for p in path.rglob("*") if p.is_file())
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size
    return 0
