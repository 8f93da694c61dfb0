"""Why a point has no values, in words that can be kept."""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple

from sweeps.errors import OutputError
from sweeps.signals import Interrupted

_CALLERS = frozenset(
    {
        "sweeps.programs.program",
        "sweeps.worker.call",
        "sweeps.worker.isolation.copies",
        "sweeps.worker.long_points",
    }
)

_MESSAGE, _TEXT = 4_000, 20_000
"""Characters kept of a message and of a traceback; some libraries put their data in messages."""


class Reason(NamedTuple):
    """Why a point has no values.

    Attributes
    ----------
    kind : {"exception", "died", "timeout", "output"}
    type : str
        Name of the exception's type.
    """

    kind: str
    type: str
    message: str
    traceback: str = ""


def refused(said: OutputError | str) -> Reason:
    """Give the reason of a point that returned what no file can hold."""
    return Reason("output", OutputError.__name__, str(said))


def timed_out(timeout_s: float, where: str) -> Reason:
    """Give the reason of a point that was stopped."""
    said = f"took longer than the timeout of {timeout_s:g} s"
    return Reason("timeout", TimeoutError.__name__, said, where)


def died(said: str, where: str) -> Reason:
    """Give the reason of a point that ended its worker."""
    return Reason("died", "WorkerDied", said, where)


def raised(error: BaseException) -> Reason:
    """Give the reason of a point that raised; its traceback has no frames of `sweeps`."""
    frames = frames_of(error)
    try:
        text, message = _traceback(error, frames), str(error)
    except Interrupted:
        raise
    except BaseException:  # a __str__ that raises
        text, message = f"{type(error).__name__}: (cannot be shown)", "(cannot be shown)"
    message, text = shortened(message, _MESSAGE), shortened(text, _TEXT)
    return Reason("exception", type(error).__name__, message, text)


def frames_of(error: BaseException) -> TracebackType | None:
    """Frames of an error, without the one that caught it and those of `sweeps` behind it."""
    frames = error.__traceback__.tb_next if error.__traceback__ is not None else None
    while frames is not None and frames.tb_frame.f_globals.get("__name__") in _CALLERS:
        frames = frames.tb_next
    return frames


_STACKS: dict[object, str] = {}

_MANY_STACKS, _DEEP_STACK = 1000, 100


def _traceback(error: BaseException, frames: TracebackType | None) -> str:
    """As `traceback.format_exception`, which takes 37 us; for points that fail alike, 5 us.

    What it says of the frames follows from their code and instructions. Errors that come of others,
    and those that it looks into frames for, to guess what was meant, are left to it.
    """
    codes = [(tb.tb_frame.f_code, tb.tb_lasti) for tb in _frames(frames)]
    # With the file: codes are equal where they say the same, wherever that is.
    places = tuple((code.co_filename, code, at) for code, at in codes)
    is_alone = error.__cause__ is None and error.__context__ is None
    is_guessed = isinstance(error, (NameError, AttributeError, ImportError, BaseExceptionGroup))
    if not is_alone or is_guessed or not 0 < len(places) < _DEEP_STACK:
        return "".join(traceback.format_exception(type(error), error, frames))
    if places not in _STACKS:
        if len(_STACKS) >= _MANY_STACKS:
            _STACKS.clear()
        _STACKS[places] = "".join(traceback.format_tb(frames))
    said = "".join(traceback.format_exception_only(type(error), error))
    return f"Traceback (most recent call last):\n{_STACKS[places]}{said}"


def _frames(frames: TracebackType | None) -> Iterator[TracebackType]:
    while frames is not None:
        yield frames
        frames = frames.tb_next


def shortened(text: str, n_most: int) -> str:
    """Cut the middle out of a text that is too long, and say how much of it.

    Examples
    --------
    >>> shortened("123456789", 4), shortened("1234", 4)
    ('12 [5 characters left out] 89', '1234')
    """
    n_left = len(text) - n_most
    if n_left <= 0:
        return text
    half = n_most // 2
    return f"{text[:half]} [{n_left:,} characters left out] {text[half + n_left :]}"


@dataclasses.dataclass(frozen=True)
class Failure:
    """A point that has no values: its key, the reason, and how often it was tried.

    Attributes
    ----------
    kind, type, message, traceback : str
        As in `Reason`.
    attempts : int
        How often the point was tried.
    """

    key: tuple[int, int]
    kind: str
    type: str
    message: str
    traceback: str
    attempts: int = 1
    elapsed_s: float = 0.0

    @property
    def place(self) -> str:
        """The traceback up to the message that it ends with: alike where points failed alike."""
        return self.traceback.removesuffix(f"{self.message}\n") if self.message else self.traceback
