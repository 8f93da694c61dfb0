"""What long points say of how far they are: a function calls `report`, and the run reads it.

Each worker has a small file for it that it maps into memory, beside its flight record. So a report
costs 1 to 2 us and no system call, and may be made at each step of the shortest loop.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import SupportsFloat

import numpy as np

from sweeps import text
from sweeps.outputs.failures import shortened
from sweeps.progress.show import Slow
from sweeps.spaces.product import Places
from sweeps.spaces.space import Space
from sweeps.worker import scratch

# Number of the report, odd while it is written; block; point; fraction; bytes of the text.
_LAYOUT = struct.Struct("=qqqdq")
_TEXT_AT, _TEXT_BYTES = _LAYOUT.size, 400
_SIZE = _TEXT_AT + _TEXT_BYTES
_NUMBER = struct.Struct("=q")

_MOST_SAID = 100  # characters of a point's parameters, and of what it says

_FROM_S = 2.0  # points that take less are not shown

_UNKNOWN = -1.0

_TRIES = 5


class Report:
    """What a function calls to say how far its point is.

    A copy in another process, and one that is called when its point is over, say nothing wrong: the
    run reads only what is of a point that is under way.
    """

    def __init__(self, record: scratch.Recorder | None, i: int) -> None:
        self._record = record
        now = None if record is None or record.path is None else record.under_way()
        self._block, self._i = (-1 if now is None else now[0]), i
        self._fraction, self._text = _UNKNOWN, b""
        self._file: mmap.mmap | None = None
        if now is not None and record is not None and record.path is not None:
            if record.said is None:
                with contextlib.suppress(OSError):  # a full disk: what is said is not needed
                    record.said = _opened(record.path)
            self._file = record.said

    def __call__(self, *said: SupportsFloat | str) -> None:
        """Say how far the point is: a fraction from 0 to 1, a line of text, or both."""
        for each in said:
            if isinstance(each, str):
                self._text = each[:_TEXT_BYTES].encode(errors="replace")[:_TEXT_BYTES]
            else:
                fraction = float(each)
                self._fraction = _UNKNOWN if math.isnan(fraction) else min(max(fraction, 0.0), 1.0)
        file, record = self._file, self._record
        if file is None or record is None or record.at[0] != self._i:
            return  # of several at once, the run shows the first one
        line, (number,) = self._text, _NUMBER.unpack_from(file)
        number |= 1
        _NUMBER.pack_into(file, 0, number)
        file[_TEXT_AT : _TEXT_AT + len(line)] = line
        _LAYOUT.pack_into(file, 0, number, self._block, self._i, self._fraction, len(line))
        _NUMBER.pack_into(file, 0, number + 1)


def _opened(record: Path) -> mmap.mmap:
    path = record.with_suffix(scratch.SAID)
    path.write_bytes(bytes(_SIZE))
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), _SIZE)


def said(record: Path, block: int, point: int) -> str:
    """Return what a point has said, by the flight record of its worker; empty if nothing."""
    path = record.with_suffix(scratch.SAID)
    for _ in range(_TRIES):
        try:
            content = path.read_bytes().ljust(_SIZE, b"\0")
        except OSError:
            return ""
        number, of_block, of_point, fraction, n = _LAYOUT.unpack_from(content)
        if number % 2 == 0:
            break
    if not number or (of_block, of_point) != (block, point):
        return ""
    line = content[_TEXT_AT : _TEXT_AT + n].decode(errors="replace")
    line = shortened(text.printable(" ".join(line.split())), _MOST_SAID)
    share = "" if fraction == _UNKNOWN else f"{100 * fraction:.3g} %"
    return ", ".join(filter(None, [share, line]))


def slow(folder: Path, given: Callable[[int], Places | None], space: Space) -> Iterator[Slow]:
    """Give the points that take a while, the longest first.

    Parameters
    ----------
    folder : Path
        Temporary folder of the run.
    given : callable
        Positions of the points of a block that is out.
    """
    for each in sorted(scratch.aloft(folder), key=lambda aloft: -aloft.seconds):
        positions = given(each.block)
        if each.seconds > _FROM_S and positions is not None and each.point < len(positions):
            (params,) = space.parameters_at(np.array([positions[each.point]]), labels=True)
            point = shortened(text.parameters(params), _MOST_SAID)
            others = min(each.n_points, len(positions) - each.point) - 1
            more = f" and {text.count(others, 'other')}" if others else ""
            line = said(each.path, each.block, each.point)
            yield Slow(f"{point}{more}", each.seconds, line)
