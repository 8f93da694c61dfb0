"""The formats of exported files, by suffix, and what each needs and cannot hold."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from sweeps.errors import DeclarationError, StorageError
from sweeps.exports import columns, source
from sweeps.storage import disk, files

ADVICE = "free some space, or give another path"

_TEMPORARY = re.compile(rf"{re.escape(files.TEMPORARY_PREFIX)}\d+-[0-9a-f]{{32}}")


@dataclass(frozen=True)
class Format:
    """A format of files.

    Attributes
    ----------
    module : str
        Of this room, with ``write(table, new)``, which returns warnings.
    library : str
        What must be installed besides; empty if nothing is.
    extra : str
        What installs it.
    is_grid : bool
        Whether the file has the whole space as arrays, not rows of points.
    is_folder : bool
        Whether the "file" is a folder.
    """

    module: str
    library: str = ""
    extra: str = ""
    is_grid: bool = False
    is_folder: bool = False


FORMATS = {
    ".csv": Format("csv_file"),
    ".parquet": Format("parquet_file", "pyarrow", "parquet"),
    ".nc": Format("netcdf_file", is_grid=True),
    ".zarr": Format("zarr_folder", "zarr", "zarr", is_grid=True, is_folder=True),
    ".mat": Format("matlab_file", is_grid=True),
    ".xlsx": Format("spreadsheet", "openpyxl", "excel"),
}


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes
    ----------
    points : int
        Rows of a table, or points of the space for formats of arrays.
    columns : tuple of str
        Parameters and outputs in it.
    left_out : tuple of str
        Outputs that are arrays, which a table has only if they are asked for.
    warnings : tuple of str
    """

    experiment: str
    path: str
    points: int
    columns: tuple[str, ...]
    left_out: tuple[str, ...]
    n_bytes: int
    warnings: tuple[str, ...]


def export(
    path: Path,
    target: Path,
    *,
    status: str = "done",
    arrays: str | Sequence[str] = (),
    overwrites: bool = False,
) -> Exported:
    """Write a results file into a file of another format, whole or not at all."""
    form = format_of(target)
    _check_target(target, path, form, overwrites=overwrites)
    writer = _writer(target.suffix.lower(), form)
    if form.is_grid and (status != "done" or arrays):
        raise DeclarationError(
            f"{target.suffix} holds the whole space with all outputs, and its variable `status` "
            "says what each point is: leave out status and arrays, or export .csv, .parquet or "
            ".xlsx"
        )
    with source.opened(path) as found:
        table = columns.choose(found, status, arrays)
        with _landing(target, form) as new:
            told = writer.write(table, new)
        names = tuple(map(str, found.dataset.variables))
    return Exported(
        experiment=path.stem,
        path=str(target),
        points=len(found.status) if form.is_grid else table.n_rows,
        columns=names if form.is_grid else tuple(each.name for each in table.columns),
        left_out=() if form.is_grid else table.left_out,
        n_bytes=_size(target),
        warnings=tuple(told),
    )


def format_of(target: Path) -> Format:
    """Return the format of a path, by its suffix."""
    suffix = target.suffix.lower()
    if suffix in FORMATS:
        return FORMATS[suffix]
    allowed = ", ".join(FORMATS)
    more = ""
    if suffix in (".h5", ".hdf5", ".nc4"):
        more = "; the results file itself is netCDF-4: copy it, or give .nc for one without code"
    if suffix in (".xls", ".ods"):
        more = "; programs that read these read .xlsx, too"
    raise DeclarationError(f"cannot write {target}: the name must end in one of {allowed}{more}")


def _check_target(target: Path, path: Path, form: Format, *, overwrites: bool) -> None:
    if not target.parent.is_dir():
        raise StorageError(f"cannot write {target}: there is no folder {target.parent}: make it")
    if not os.path.lexists(target):
        return
    if target.exists() and path.exists() and target.samefile(path):
        raise DeclarationError(f"cannot write {target}: it is the results file: give another path")
    is_ours = target.is_dir() and not target.is_symlink()
    if form.is_folder and is_ours:
        is_ours = any((target / name).exists() for name in (".zgroup", "zarr.json"))
    elif not form.is_folder:
        is_ours = not target.is_dir()
    if not is_ours:
        kind = "a folder of Zarr" if form.is_folder else "a file"
        raise DeclarationError(f"cannot write {target}: what is there is not {kind}: move it away")
    if not overwrites:
        raise DeclarationError(
            f"{target} exists: give another path, or --overwrite (in Python: overwrite=True)"
        )


def _writer(suffix: str, form: Format) -> ModuleType:
    if form.library and importlib.util.find_spec(form.library) is None:
        raise DeclarationError(f"{suffix} needs {form.library}: pip install 'sweeps[{form.extra}]'")
    return importlib.import_module(f"sweeps.exports.{form.module}")


@contextlib.contextmanager
def _landing(target: Path, form: Format) -> Iterator[files.New]:
    """Make a file or a folder under a temporary name, and put it in its place when it is whole."""
    _remove_abandoned(target.parent)
    if not form.is_folder:
        with files.replacing(target, advice=ADVICE) as new:
            yield new
        return
    temporary = target.with_name(files.temporary_name())
    with files.told(target, advice=ADVICE):
        try:
            disk.make_folder(temporary)
            yield files.New(temporary, -1)
            _flush(temporary)
            _replace_folder(temporary, target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        disk.flush_folder(target.parent)


def _replace_folder(temporary: Path, target: Path) -> None:
    """Give a folder its name; one that has the name goes first, and comes back after an error."""
    if not target.exists():
        disk.replace(temporary, target)
        return
    before = target.with_name(files.temporary_name())
    disk.replace(target, before)
    try:
        disk.replace(temporary, target)
    except OSError:
        disk.replace(before, target)
        raise
    shutil.rmtree(before, ignore_errors=True)


def _flush(folder: Path) -> None:
    for at, _, names in os.walk(folder):
        for name in names:
            descriptor = disk.open_to_read(Path(at, name))
            try:
                disk.flush(descriptor)
            finally:
                disk.close(descriptor)
        disk.flush_folder(Path(at))


def _remove_abandoned(folder: Path) -> None:
    """Remove what exports have left that were killed."""
    for name in disk.names(folder):
        each = folder / name
        if _TEMPORARY.fullmatch(name) and files.is_abandoned(each):
            with contextlib.suppress(OSError):
                is_folder = each.is_dir() and not each.is_symlink()
                shutil.rmtree(each) if is_folder else disk.unlink(each)


def _size(target: Path) -> int:
    if target.is_dir():
        return sum(each.stat().st_size for each in target.rglob("*") if each.is_file())
    return target.stat().st_size
