"""Names in a module -> what they mean: a global of a module of the project, or something else.

Of something else, such as a function of a library, the name says whether it reaches what the source
does not show: modules by their names, any global, programs.
"""

from __future__ import annotations

import ast
import re
import sys
import types
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from sweeps.code.source.module import Module, load, project_modules, siblings
from sweeps.code.source.scopes import Chain, ImportNode, Reference, chain_of

ALL = "*"
"""The name for all that a module has."""


class Place(NamedTuple):
    """What a chain of names leads to.

    A global of a module of the project, and the attributes of it; where `module` is None,
    something outside of the project, by its qualified name.
    """

    module: Module | None
    name: str
    attributes: Chain = ()


@dataclass
class Resolver:
    """Finds modules of the project, and what names in them mean; it imports nothing."""

    known: dict[str, Module | None] = field(default_factory=dict)

    def module(self, name: str) -> Module | None:
        """Return a module of the project; None if it is another's or not there.

        So is `__main__`, unless something that was looked at lives there: it is another one for
        each way to start Python, and in each worker.
        """
        if name == "__main__" and name not in self.known:
            return None
        return self.home(name)

    def home(self, name: str) -> Module | None:
        """Return the module that something lives in, be it `__main__`."""
        if name not in self.known:
            self.known[name] = load(name)
        return self.known[name]

    def stars(
        self, module: Module, name: str, seen: Collection[str] = ()
    ) -> list[tuple[str, ast.ImportFrom]]:
        """Return the modules that a ``from x import *`` gets a name from; the last one counts."""
        found = []
        for node in module.space.stars:
            base = module.base(node)
            starred = self.module(base)
            if starred is None:
                living = sys.modules.get(base)
                if living is None or hasattr(living, name):
                    found.append((base, node))
            elif base not in seen and (
                starred.exports(name) or self.stars(starred, name, (*seen, base))
            ):
                found.append((base, node))
        return found

    def imported(self, module: Module, nodes: Iterable[ImportNode]) -> list[Module]:
        """Return the project's modules that import statements bring in, with a module's own."""
        meanings = {module.name} if module.file else set()  # else there are several of the name
        for node in nodes:
            if isinstance(node, ast.ImportFrom):
                base = module.base(node)
                meanings |= {f"{base}.{alias.name}" for alias in node.names}
            else:
                meanings |= {alias.name for alias in node.names}
        found = []
        for meaning in sorted(meanings):
            names = meaning.split(".")
            for length in range(1, len(names) + 1):
                if (parent := self.module(".".join(names[:length]))) is None:
                    break
                found.append(parent)
        return found

    def places(self, module: Module, reference: Reference) -> Iterator[Place]:
        """Return all that a reference in a module may mean; the last of several bindings counts."""
        node, chain = reference
        pending: list[tuple[Module, ImportNode | None, Chain]] = [(module, node, chain)]
        seen = set[tuple[Module, ImportNode | None, Chain]]()
        while pending:
            here = pending.pop()
            if here in seen:
                continue
            seen.add(here)
            module, node, chain = here
            name = chain[0]
            if node is None and name in module.space.statements:
                yield Place(module, name, chain[1:])
            for importing in [node] if node else module.space.imports.get(name, ()):
                for target, attributes in module.targets(chain, importing):
                    submodule = ".".join((target, *attributes[:1]))
                    if target == module.name and attributes and self.module(submodule):
                        target, attributes = submodule, attributes[1:]
                    found = self._in(target, attributes)
                    if found.module and found.name != ALL:
                        pending.append((found.module, None, (found.name, *found.attributes)))
                        if not found.module.provides(found.name):
                            yield found
                    else:
                        yield found
            for star, _ in self.stars(module, name) if node is None else ():
                found = self._in(star, chain)
                if found.module:
                    pending.append((found.module, None, chain))
                else:
                    yield found

    def _in(self, target: str, attributes: Chain) -> Place:
        """Go down as far as there are modules."""
        module = self.module(target)
        if module is None:
            return Place(None, ".".join((target, *attributes)))
        if not attributes:
            return Place(module, ALL)
        first = attributes[0]
        if first == "__dict__":
            return Place(module, ALL)
        if not module.provides(first) and not self.stars(module, first):
            submodule = f"{target}.{first}"
            if self.module(submodule):
                return self._in(submodule, attributes[1:])
        return Place(module, first, attributes[1:])

    # ---- modules that nothing names in full

    def neighbours(self, module: Module) -> list[Module]:
        """Return the modules in the folder of a module: most often these are imported by name."""
        return self._modules(siblings(module.file, module.package))

    def beginning(self, module: Module, beginning: str) -> list[Module]:
        """Return all modules that an import in a module may mean by a name that begins so."""
        if not beginning:
            return self._modules(project_modules(module.file, module.name))
        package, _, start = beginning.rpartition(".")
        package = package.lstrip(".") if not beginning.startswith(".") else module.package
        named = self.module(package) if package else None
        if named is None or named.file is None:
            return self.neighbours(module)
        folder = named.file if named.file.is_dir() else named.file.parent
        found = self._modules(siblings(folder / "__init__.py", package))
        return [m for m in found if m.name.rpartition(".")[2].startswith(start)]

    def _modules(self, names: Iterable[str]) -> list[Module]:
        return [module for module in map(self.module, names) if module]

    # ---- our own decorators

    def in_sweeps(self, module: Module, decorator: ast.expr) -> list[str]:
        """Return the qualified names that a decorator may have in `sweeps`; none if another's."""
        chain = chain_of(decorator)
        places = self.places(module, (None, chain)) if chain else ()
        found = [place.name for place in places if place.module is None]
        found = found or _living_name(module, chain)
        return [name for name in found if name.partition(".")[0] == "sweeps"]


def _living_name(module: Module, chain: Chain) -> list[str]:
    """Return where that was defined which a name stands for in a notebook; nothing elsewhere."""
    if module.file or not chain or chain[0] not in module.globals:
        return []
    value = module.globals[chain[0]]
    if isinstance(value, types.ModuleType):
        return [".".join((value.__name__, *chain[1:]))]
    return [f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"]


# ---- names of other packages

DYNAMIC_BUILTINS = frozenset({"globals", "vars", "eval", "exec", "__import__"})

_DYNAMIC = ("importlib", "builtins.eval", "builtins.exec", "sys.modules", "runpy", "pkgutil",
            "pydoc", "numexpr")  # fmt: skip

_NOT_DYNAMIC = ("importlib.resources", "importlib.metadata")

_NOT_BY_NAME = (*_NOT_DYNAMIC, "importlib.reload", "importlib.invalidate_caches")

_IMPORTS_BY_NAME = ("importlib", "builtins.__import__", "pkgutil", "pydoc", "runpy")

_STARTERS = (
    "subprocess.Popen", "subprocess.call", "subprocess.check_call", "subprocess.check_output",
    "subprocess.getoutput", "subprocess.getstatusoutput", "subprocess.run",
    "asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell", "asyncio.subprocess",
    "os.popen", "os.posix_spawn", "os.posix_spawnp", "os.startfile", "os.system", "pty.spawn",
    "pexpect", "plumbum", "sh", "invoke",
    "ctypes.CDLL", "ctypes.PyDLL", "ctypes.cdll", "ctypes.pydll", "numpy.ctypeslib.load_library",
    "cffi", "sweeps.program",
)  # fmt: skip

_FAMILIES = ("os.exec", "os.spawn")

# Calls whose first argument is the path of what they read.
_READERS = (
    "bz2.open", "codecs.open", "fileinput.input", "glob.glob", "glob.iglob", "gzip.open",
    "io.open", "io.FileIO", "linecache.getline", "linecache.getlines", "lzma.open", "os.listdir",
    "os.scandir", "os.walk", "sqlite3.connect", "tarfile.open", "wave.open", "zipfile.ZipFile",
    "xml.etree.ElementTree.parse",
    "numpy.load", "numpy.loadtxt", "numpy.genfromtxt", "numpy.fromfile", "numpy.fromregex",
    "numpy.memmap", "numpy.lib.format.open_memmap", "scipy.io", "scipy.sparse.load_npz",
    "h5py.File", "h5netcdf", "netCDF4.Dataset", "netCDF4.MFDataset", "zarr.open", "zarr.load",
    "joblib.load", "lxml.etree.parse", "PIL.Image.open", "imageio", "soundfile.read", "pyarrow",
    "astropy.io", "astropy.table.Table.read", "ase.io.read", "meshio.read", "mdtraj.load",
    "MDAnalysis.Universe", "rasterio.open", "geopandas.read_file", "fiona.open", "uproot.open",
    "cv2.imread", "skimage.io.imread", "matplotlib.image.imread", "torch.load", "trimesh.load",
    "sweeps.template", "obspy.read", "mne.io", "nibabel.load", "pydicom.dcmread", "tifffile.imread",
)  # fmt: skip

_READING = ("pandas.read_", "polars.read_", "polars.scan_", "xarray.open_", "xarray.load_",
            "shutil.copy")  # fmt: skip


def is_library(name: str) -> bool:
    """Say whether what `starts_programs` calls a library within this process."""
    return _begins(name, ("ctypes", "cffi", "numpy.ctypeslib"))


def is_dynamic(name: str) -> bool:
    """Say whether something of another package, by its qualified name, may reach any global."""
    return _begins(name, _DYNAMIC) and not _begins(name, _NOT_DYNAMIC)


def imports_by_name(name: str) -> bool:
    """Say whether something of another package may import modules whose name it is given."""
    return _begins(name, _IMPORTS_BY_NAME) and not _begins(name, _NOT_BY_NAME)


def starts_programs(name: str) -> bool:
    """Say whether something of another package, by its qualified name, starts programs."""
    named = f"{name}."
    return any(named.startswith(f"{each}.") for each in _STARTERS) or name.startswith(_FAMILIES)


_METHODS = frozenset({"glob", "iterdir", "open", "read_bytes", "read_text", "rglob"})

_WRITING = (
    *("dump", "imsave", "mkdir", "remove", "rename", "rmtree"),
    *("save", "to_", "tofile", "touch", "unlink", "write"),
)


# Parts of the names of all calls that are asked about in what follows.
_MAY_OPEN = re.compile(
    r"read|load|Load|open|Open|File|file|ata[Ss]et|memmap|memory_map|glob|listdir|scandir|walk|parse|"
    r"input|getline|copy|connect|Universe|getdata|from|iterdir|run|call|system|exec|spawn|check_|"
    r"template|CDLL|PyDLL|getoutput|getstatus|" + "|".join(_WRITING)
)


def called(call: ast.Call) -> str:
    """Return the last name of what is called."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def may_open(call: ast.Call, imports: Iterable[ImportNode]) -> bool:
    """Say whether a call may open a file or start a program: most by far do not.

    `imports` may give what is called another name.
    """
    name = called(call)
    names = (alias.name for node in imports for alias in node.names if alias.asname == name)
    return any(map(_MAY_OPEN.search, (name, *names)))


def is_method_of_paths(name: str) -> bool:
    """Say whether a method of that name may read a file or folder, as those of `Path` do."""
    return name in _METHODS


def writes_files(name: str) -> bool:
    """Say whether a function or method of that name may write a file, in any package."""
    return name.startswith(_WRITING)


def reads_files(name: str) -> bool:
    """Say whether something of another package, by its qualified name, reads a file or folder."""
    return name.startswith(_READING) or _begins(name, _READERS)


def _begins(name: str, beginnings: Collection[str]) -> bool:
    return any(f"{name}.".startswith(f"{beginning}.") for beginning in beginnings)
