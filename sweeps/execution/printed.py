"""Printed: what points printed and warned of, collected while a run goes, shown and kept.

It is kept beside the memo of the code, a line of JSON for each text, and shown on stderr as it
comes, with the point's parameters in front. It has a bound everywhere: what one point, one run and
all runs may leave.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sweeps.declaration.experiment import Experiment
from sweeps.engines import Block
from sweeps.outputs.failures import shortened
from sweeps.progress.show import is_notebook
from sweeps.spaces.keys import KeyMaker, Keys, match
from sweeps.spaces.product import Positions, written
from sweeps.storage import disk
from sweeps.text import count, parameters, printable, size
from sweeps.worker import capture, scratch
from sweeps.worker.capture import Point

FILE, EARLIER = "printed.jsonl", "printed-earlier.jsonl"
"""In the folder of the memo; the second one is what the first one was when it got too large."""

_KEPT_BYTES = 32 * 2**20

_SIZE = size(2 * _KEPT_BYTES)

_POINT_CHARACTERS = 64 * 1024

_MOST_SHOWN, _SHOWN_AGAIN = 1000, 20  # lines at once, and so many more each time it is looked

_MOST_IN_NOTEBOOK = 20  # lines of a run, and as many at its end: a notebook keeps what it shows

_LONGEST_SHOWN = 1000  # characters of a line

_MOST_TOLD = 10

_LOOK_S = 0.25

_READ_BYTES = 2**20


@dataclasses.dataclass(frozen=True)
class Text:
    """What a point printed, and each of its warnings: its category and message, then where."""

    printed: str
    warnings: tuple[str, ...]


class Collector:
    """Collects what the points of a run print, from workers' files in `folder` and from here.

    Attributes
    ----------
    is_shown : bool
        Whether it is shown as it comes.
    """

    def __init__(
        self, experiment: Experiment, make_keys: KeyMaker, memo: Path, folder: Path
    ) -> None:
        self._experiment, self._make_keys = experiment, make_keys
        self._memo, self._folder = memo, folder
        self._blocks: dict[int, Block] = {}
        self._settled: list[Block] = []
        self._readers: dict[int, _Reader] = {}
        self._texts: collections.deque[tuple[int, int, Point, str]] = collections.deque()
        self._lengths: dict[Point, int] = {}
        self._warned: dict[tuple[str, str], tuple[str, int]] = {}
        self._run = f"{time.time_ns():x}"
        self._is_notebook = is_notebook()
        self._room = _MOST_IN_NOTEBOOK if self._is_notebook else _MOST_SHOWN
        self._n_unshown = 0
        self.is_shown = True
        self._dropped = self._trouble = ""
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="sweeps-printed")

    @contextlib.contextmanager
    def capturing(self, *, is_in_process: bool) -> Iterator[None]:
        """Collect until the end of the context; points of this process print to here, too."""
        with contextlib.suppress(RuntimeError):  # of a limit to threads: it is shown at the end
            self._thread.start()
        with capture.captured() if is_in_process else contextlib.nullcontext():
            yield

    def take(self, kind: int, point: Point, text: str) -> None:
        """Take what a point of this process prints."""
        self._texts.append((0, kind, point, text))

    def give_out(self, block: Block) -> None:
        """Note where the points of a block are."""
        self._blocks[block.number] = block

    def settle(self, number: int) -> None:
        """Note that a block came back: no point of it prints any more."""
        block = self._blocks.get(number)
        if block is not None:
            self._settled.append(block)

    def begin_round(self) -> None:
        """Prepare for blocks that are numbered anew."""
        self._collect()
        self._blocks.clear()
        self._lengths.clear()

    def bury(self, dead: Sequence[scratch.Flight]) -> None:
        """Assign what dead workers printed last to the points that they were computing."""
        with self._lock:
            self._find()
            for each in dead:
                if (reader := self._readers.get(each.pid)) is not None:
                    point = Point(each.block, each.point, each.n_points)
                    self._texts.extend((each.pid, *text) for text in reader.rest(point))
        self._collect()

    def close(self) -> list[str]:
        """Collect the rest, and say in short what points warned of."""
        self._is_over.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._room = max(self._room, _SHOWN_AGAIN)
        self._collect()
        for reader in self._readers.values():
            reader.close()
        told = []
        for (where, category), (message, n) in self._warned.items():
            if n > 1:  # of the first point it was shown
                more = " or more" if n >= capture.MOST_WARNINGS else ""
                told.append(f"{category}: {message} ({where}), at {count(n, 'point')}{more}")
        if len(told) > _MOST_TOLD:
            told[_MOST_TOLD:] = [f"{count(len(told) - _MOST_TOLD, 'other warning')} of points"]
        if self._n_unshown:
            name = self._experiment.name
            call = f"sweeps.printed({name})"
            see = call if self._is_notebook else f"python -m sweeps printed {name}"
            n_lines = count(self._n_unshown, "line")
            told.append(f"{n_lines} that points printed were not shown; see all: {see}")
        return [*told, *filter(None, (self._dropped, self._trouble))]

    def _watch(self) -> None:
        while not self._is_over.wait(_LOOK_S):
            if not self._is_notebook:
                self._room = min(self._room + _SHOWN_AGAIN, _MOST_SHOWN)
            self._collect()

    def _collect(self) -> None:
        with self._lock:
            settled, self._settled = self._settled, []
            self._find()
            for pid, reader in self._readers.items():
                self._texts.extend((pid, *text) for text in reader.news())
            if self._texts:
                self._say([self._texts.popleft() for _ in range(len(self._texts))])
            for block in settled:
                if self._blocks.get(block.number) is block:
                    del self._blocks[block.number]
            if settled:
                self._lengths.clear()

    def _find(self) -> None:
        """Look for files of workers that are new."""
        with contextlib.suppress(OSError):
            for path in self._folder.glob(f"*{scratch.PRINTED}"):
                pid = int(path.stem)
                if pid not in self._readers:
                    self._readers[pid] = _Reader(path)

    def _say(self, texts: Sequence[tuple[int, int, Point, str]]) -> None:
        """Show texts, and keep those of points."""
        places = [self._positions(point) for _, _, point, _ in texts]
        first = np.array([int(own[0]) for own in places if len(own)], dtype=np.int64)
        params = self._experiment.space.parameters_at(first, labels=True)
        known = iter(zip(params, self._make_keys(first).tolist(), strict=True))
        kept = []
        for (source, kind, point, text), own in zip(texts, places, strict=True):
            if not len(own):
                self._show("", text)
                continue
            own_params, key = next(known)
            text = self._cut(point, text) if kind == capture.TEXT else text
            if not text:
                continue
            more = f" and {len(own) - 1:,} more" if len(own) > 1 else ""
            prefix = f"{parameters(own_params)}{more}"
            if kind == capture.TEXT:
                self._show(f"{prefix}: ", text)
            else:
                self._show_warning(prefix, text, len(own))
            record = {
                "run": f"{self._run}-{source}",
                "kind": kind,
                "key": f"{key[0]:016x}{key[1]:016x}",
                "at": prefix,
                "text": text,
            }
            kept.append(json.dumps(record) + "\n")
        self._keep(kept)

    def _positions(self, point: Point) -> Positions:
        block = self._blocks.get(point.block)
        positions = block.positions if block is not None else range(0)
        return written(positions[point.first : point.first + point.n_points])

    def _cut(self, point: Point, text: str) -> str:
        """Cut what a point prints too much."""
        before = self._lengths.get(point, 0)
        self._lengths[point] = before + len(text)
        room = _POINT_CHARACTERS - before
        if len(text) <= room:
            return text
        return f"{text[:room]}\n[this point printed more]\n" if room > 0 else ""

    def _show_warning(self, prefix: str, text: str, n_points: int) -> None:
        """Show the first of the warnings that come from the same line."""
        said, _, where = text.rpartition("\n")
        category, _, message = said.partition(": ")
        first, n_before = self._warned.get((where, category), (message, 0))
        self._warned[where, category] = first, n_before + n_points
        if not n_before:
            self._show(f"{prefix}: ", f"{where}: {said}")

    def _show(self, prefix: str, text: str) -> None:
        for shown in lines(text) if self.is_shown else ():
            if self._room <= 0:
                self._n_unshown += 1
                continue
            self._room -= 1
            with contextlib.suppress(OSError, ValueError, RuntimeError):
                out = sys.stderr  # to which this thread is at no point
                out.write(f"{prefix}{printable(shortened(shown, _LONGEST_SHOWN))}\n")
                out.flush()

    def _keep(self, kept: Sequence[str]) -> None:
        if not kept or self._trouble:
            return
        path = self._memo / FILE
        try:
            self._memo.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="ascii") as file:
                file.write("".join(kept))
                n_bytes = file.tell()
            if n_bytes > _KEPT_BYTES:
                earlier = path.with_name(EARLIER)
                if earlier.exists():
                    self._dropped = f"more than {_SIZE} was printed: the first part is not kept"
                path.replace(earlier)
        except OSError as error:
            self._trouble = f"cannot store what points print: {error}"


class _Reader:
    """Reads the file of one worker process."""

    def __init__(self, path: Path) -> None:
        self._pid, self._folder = int(path.stem), path.parent
        self._text = path.open("rb", buffering=0)
        self._marks = path.with_suffix(scratch.MARKS).open("rb", buffering=0)
        self._half = b""
        self._claimed = 0
        self._under_way: tuple[int, ...] | None = None

    def news(self) -> Iterator[tuple[int, Point, str]]:
        """Yield new texts, with their points."""
        yield from self._marked()
        # What is nobody's so far is of a point that was under way before it was written, and is so
        # still: that of a program, say, which a long point waits for.
        before, end = self._under_way, os.fstat(self._text.fileno()).st_size
        self._under_way = scratch.under_way(self._folder, self._pid)
        is_long = before == self._under_way and end > self._claimed
        if before is not None and before[2] == 1 and is_long:
            yield from self._read(capture.TEXT, Point(*before), end, is_whole=False)

    def rest(self, point: Point) -> Iterator[tuple[int, Point, str]]:
        """Give what a worker that has died wrote last."""
        yield from self._marked()
        yield from self._read(capture.TEXT, point, os.fstat(self._text.fileno()).st_size)

    def close(self) -> None:
        """Read no more."""
        self._text.close()
        self._marks.close()

    def _marked(self) -> Iterator[tuple[int, Point, str]]:
        new = self._half + self._marks.read()
        n_bytes = len(new) - len(new) % capture.MARK.size
        self._half = new[n_bytes:]
        for end, kind, *point in capture.MARK.iter_unpack(new[:n_bytes]):
            yield from self._read(kind, Point(*point), end)

    def _read(
        self, kind: int, point: Point, end: int, *, is_whole: bool = True
    ) -> Iterator[tuple[int, Point, str]]:
        """Read to an end; no more than anybody shows, and no part of a line that goes on."""
        length = end - self._claimed
        if length <= 0:
            return
        data = os.pread(self._text.fileno(), min(length, _READ_BYTES), self._claimed)
        if not is_whole and length <= _READ_BYTES:
            length = data.rfind(b"\n") + 1
            data = data[:length]
        self._claimed += length
        if data:
            yield kind, point, data.decode("utf-8", "replace")


def lines(text: str) -> list[str]:
    r"""Lines of a text as a terminal shows them: of those written one over the other the last.

    Examples
    --------
    >>> lines("\r 50 %\r100 %\nsolved\r\n")
    ['100 %', 'solved']
    """
    own = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    return own if own[-1] else own[:-1]


def read(folder: Path) -> dict[str, Text]:
    """Read what points printed that last did, by key."""
    found: dict[str, tuple[str, list[str], dict[str, None]]] = {}
    for record in _records(folder):
        run, texts, warned = found.get(record["key"], ("", [], {}))
        if run != record["run"]:  # computed again: what it printed then counts
            texts, warned = [], {}
        if record["kind"] == capture.TEXT:
            texts.append(record["text"])
        else:
            warned[record["text"]] = None
        found[record["key"]] = record["run"], texts, warned
    return {key: Text("".join(texts), tuple(warned)) for key, (_, texts, warned) in found.items()}


def find(known: Mapping[str, Text], keys: Keys) -> dict[int, Text]:
    """Return what points printed, by their place among `keys`."""
    if not known:
        return {}
    own = np.array([(int(k[:16], 16), int(k[16:], 16)) for k in known], dtype=np.uint64)
    order = np.argsort(own[:, 0], kind="stable")
    found = match(keys, own[order], order)
    texts = list(known.values())
    return {int(at): texts[found[at]] for at in np.flatnonzero(found >= 0)}


def _records(folder: Path) -> Iterator[dict[str, Any]]:
    for name in (EARLIER, FILE):
        content = b""
        with contextlib.suppress(OSError, ValueError):  # not there, or too large to be ours
            content = disk.content(folder / name)
        for line in content.splitlines():
            with contextlib.suppress(ValueError, RecursionError):  # torn by a full disk
                record = json.loads(line)
                if _is_record(record):
                    yield record


def _is_record(said: Any) -> bool:
    return (
        isinstance(said, dict)
        and all(isinstance(said.get(name), kind) for name, kind in _FIELDS.items())
        and _KEY.fullmatch(said["key"]) is not None
    )


_FIELDS = {"run": str, "kind": int, "key": str, "text": str}

_KEY = re.compile(r"[0-9a-f]{32}")
