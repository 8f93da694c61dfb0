"""Writes a figure to a file, whole or not at all, the same bytes for the same picture."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl

from sweeps.errors import StorageError, SweepsError
from sweeps.storage import files

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")


def save(figure: Figure, path: Path, title: str, alt: str) -> None:
    """Write a figure, with its title and the text for those who cannot see it.

    Raises
    ------
    StorageError
        If the disk does not take it.
    """
    kind = format_of(path)
    words = {
        "png": {"Title": title, "Description": alt, "Software": None},
        "svg": {"Title": title, "Description": alt, "Date": None, "Creator": None},
        "pdf": {"Title": title, "Subject": alt, "CreationDate": None, "Creator": None},
    }[kind]
    stream = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": title}):
        figure.savefig(stream, format=kind, metadata=words)
    try:
        files.commit(path, [stream.getvalue()])
    except StorageError as error:
        reason = getattr(error.__cause__, "strerror", None) or error
        raise StorageError(f"cannot write {path}: {reason}; give another file by -o") from error


def format_of(path: Path) -> str:
    """Find the format of a file by its name.

    Raises
    ------
    SweepsError
        If it is none that pictures have.

    Examples
    --------
    >>> format_of(Path("swing.SVG"))
    'svg'
    """
    kind = path.suffix[1:].lower()
    if kind not in FORMATS:
        allowed = ", ".join(f".{each}" for each in FORMATS)
        raise SweepsError(f"cannot draw {str(path)!r}: its name must end in one of {allowed}")
    return kind
