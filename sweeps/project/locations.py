"""The modules of experiments in a folder, a file or a package; imports none of them."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from sweeps.errors import StorageError, UnknownNameError


def default_folder() -> str:
    """Return the folder of experiments that is used by default."""
    return os.environ.get("SWEEPS_EXPERIMENTS") or "experiments"


@dataclass(frozen=True)
class ModuleLocation:
    """Where a module of experiments is.

    Attributes
    ----------
    package : str
        Name under which its folder is a package, "" for a module that is importable by itself.
    folder : str
        Absolute folder of the package; without one, the folder that is put on ``sys.path``.
    module : str
        Full name of the module, "experiments.pendulum".
    """

    package: str
    folder: str
    module: str

    @property
    def name(self) -> str:
        """Last part of the module's name: that of its file."""
        if self.package:
            return self.module.removeprefix(self.package + ".")
        return self.module.rpartition(".")[2]

    @property
    def root(self) -> str:
        """The project root, which stands first on ``sys.path``."""
        return str(Path(self.folder).parent) if self.package else self.folder


def locate(where: str | os.PathLike[str] | None = None) -> tuple[ModuleLocation, ...]:
    """Find modules of experiments without importing them.

    Parameters
    ----------
    where : path or str, optional
        A folder, whose ``*.py`` count except those that start with ``_``; a single ``.py`` file;
        a dotted module, or a package for the modules in it. By default the environment variable
        SWEEPS_EXPERIMENTS, else the folder ``experiments``.

    Returns
    -------
    tuple of ModuleLocation
        Sorted by name.
    """
    given = where if where is not None else default_folder()
    path = Path(os.path.abspath(given))  # noqa: PTH100 - resolve() would rename a linked folder
    if path.is_dir():
        return _in_folder(path)
    if path.is_file() and path.suffix == ".py":
        return (_in_package(path),)
    locations = _dotted(given) if isinstance(given, str) else ()
    if not locations:
        raise UnknownNameError(
            f"no experiments at {str(given)!r} (seen from {Path.cwd()}): give a folder, a "
            ".py file or a dotted module, or create the folder: python -m sweeps new NAME"
        )
    return locations


def source_file(location: ModuleLocation) -> Path | None:
    """Python source of a module, None if it has none; imports nothing."""
    if location.package:
        return Path(location.folder, f"{location.name}.py")
    spec = _find_spec(location.module)
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _in_folder(folder: Path) -> tuple[ModuleLocation, ...]:
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".py" and path.is_file())
    except OSError as error:
        raise StorageError(f"{folder} cannot be read: {error.strerror}") from error
    return tuple(_in_package(path) for path in files if not path.name.startswith(("_", ".")))


def _in_package(path: Path) -> ModuleLocation:
    package = _package_name(path.parent.name)
    return ModuleLocation(package, str(path.parent), f"{package}.{path.stem}")


def _package_name(folder_name: str) -> str:
    """Name of the folder, changed where it would hide an installed package: ``scipy_``."""
    name = folder_name.replace(".", "_") or "experiments"
    installed_at = [
        place for place in sys.path if place.endswith(("site-packages", "dist-packages"))
    ]
    installed = PathFinder.find_spec(name, installed_at)
    is_taken = (
        name in sys.stdlib_module_names
        or name in ("sweeps", "__main__")
        or (installed is not None and installed.origin is not None)
    )
    return f"{name}_" if is_taken else name


def _dotted(name: str) -> tuple[ModuleLocation, ...]:
    """Locate a module, or the modules of a package, by a name that Python can import."""
    spec = _find_spec(name) if all(map(str.isidentifier, name.split("."))) else None
    if spec is None:
        return ()
    here = str(Path.cwd())
    if spec.submodule_search_locations is None:
        return (ModuleLocation("", here, name),)
    import pkgutil

    modules = pkgutil.iter_modules(list(spec.submodule_search_locations))
    names = sorted(m.name for m in modules if not m.ispkg and not m.name.startswith("_"))
    return tuple(ModuleLocation("", here, f"{name}.{submodule}") for submodule in names)


def _find_spec(name: str) -> ModuleSpec | None:
    """`importlib.util.find_spec` that does not import the parent packages."""
    spec: ModuleSpec | None = None
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        if end > 1 and (spec is None or spec.submodule_search_locations is None):
            return None
        inside = None if spec is None else list(spec.submodule_search_locations or ())
        spec = _ask_finders(".".join(parts[:end]), inside)
    return spec


def _ask_finders(name: str, inside: list[str] | None) -> ModuleSpec | None:
    spec = PathFinder.find_spec(name, [str(Path.cwd()), *sys.path] if inside is None else inside)
    others = (finder.find_spec(name, inside) for finder in sys.meta_path)  # editable installs
    return spec or next(filter(None, others), None)
