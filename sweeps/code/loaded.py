"""Whether a module in memory is older than its file, or than data that it may have read."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import marshal
import os
import sys
import time
import types
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sweeps.code import pins

_FIXED = (int, float, complex, str, bytes, tuple)

_STARTED = 19  # of the fields after the name in /proc/self/stat (proc(5))

_UNCHECKED_HASH = 1  # PEP 552: taken for any text

_32_BITS = 0xFFFFFFFF

_START_NS = 20_000_000  # one tick of that clock; the interpreter's own start takes as long


def living(name: str) -> types.ModuleType | None:
    """Return a module that is in memory; ``python -m`` has it there under another name."""
    main = sys.modules.get("__main__")
    is_main = getattr(getattr(main, "__spec__", None), "name", None) == name
    return main if is_main else sys.modules.get(name)


def edited_since(modules: Iterable[str], since_ns: int) -> str | None:
    """Find the file of an imported module that was edited since; its code in memory is older."""
    for name in modules:
        module = living(name)
        if module is not None and is_older(module, since_ns):
            path = stale_bytecode(module) if pins.text_of(module) is None else None
            taken = f"{path} does not match the source file that it names: delete it. "
            return f"{taken if path else ''}{module.__file__}"
    return None


def is_older(module: types.ModuleType, since_ns: int) -> bool:
    """Say whether a module was made of an older text than its file has now.

    If the loader kept the text, the two are compared. Otherwise the module counts as older if its
    file was changed, or moved there, after `since_ns`. If that was earlier, but after this process
    began, the functions and constants of the module are compared with the file. So is its bytecode,
    which Python assigns to a file only by size and by time in seconds.
    """
    file = getattr(module, "__dict__", {}).get("__file__")
    if not isinstance(file, str):
        return False
    place = pins.archive_of(file) or file
    if not os.path.isfile(place):  # noqa: PTH113
        return False
    kept = pins.text_of(module)
    if kept is not None:
        return pins.current_text(file) != kept
    status, started_ns, now_ns = os.stat(place), began_ns(), time.time_ns()  # noqa: PTH116
    if module is sys.modules.get("__main__"):
        since_ns = min(since_ns, started_ns)
    times_ns = (status.st_mtime_ns, status.st_ctime_ns)
    if any(since_ns < time_ns <= now_ns for time_ns in times_ns):
        return True
    if not file.endswith(".py"):
        return False
    is_from_before = max(times_ns) <= started_ns
    if stale_bytecode(module, is_from_before=is_from_before):
        return True
    return not is_from_before and not _is_of(module, file, pins.current_text(file) or "")


def is_as_imported(name: str, file: Path | None, variables: Mapping[str, Any]) -> bool:
    """Say whether variables are of a living module, and its file is that which was imported."""
    module = sys.modules.get(name) or sys.modules.get("__main__")
    if file is None or module is None or vars(module) is not variables:
        return False
    return not is_older(module, began_ns())


def data_since(
    modules: Iterable[str], data: Mapping[Path, tuple[tuple[int, ...], ...]], since_ns: int
) -> Path | None:
    """Find data that was changed after one of some modules in memory may have read it.

    `data` says of each file how it is: times in nanoseconds since 1970, those of the content and of
    the inode, and its size; of a folder, so for all that is in it. `since_ns` is when the modules
    were imported, if that is not known of them.
    """
    began = (pins.began_ns(living(name)) for name in modules)
    since_ns = min([since_ns, *(each for each in began if each is not None)])
    now_ns = time.time_ns()
    for path, state in data.items():
        if any(since_ns <= time_ns <= now_ns for own in state for time_ns in own[:2]):
            return path
    return None


def began_ns() -> int:
    """Return a time before which this process cannot have read any source; now if unknown."""
    try:
        said = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start_ns = int(said[_STARTED]) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
        now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    except (OSError, AttributeError, ValueError):  # not Linux
        return time.time_ns()
    return time.time_ns() - (now_ns - start_ns) + _START_NS


def stale_bytecode(module: types.ModuleType, *, is_from_before: bool = True) -> str | None:
    """Find bytecode that a module was loaded from although its file has another text.

    Such bytecode names the present time and size of the file. If the file was changed after this
    process began, any bytecode may be wrong: Python writes it when it imports.
    """
    variables = getattr(module, "__dict__", {})
    file, path = variables.get("__file__"), variables.get("__cached__")
    is_main = module is sys.modules.get("__main__")
    if is_main or not isinstance(path, str) or not isinstance(file, str):
        return None
    try:
        content, status = Path(path).read_bytes(), os.stat(file)  # noqa: PTH116
    except OSError:
        return None
    flags = int.from_bytes(content[4:8], "little")
    named = (int(status.st_mtime) & _32_BITS, status.st_size & _32_BITS)
    said = (int.from_bytes(content[8:12], "little"), int.from_bytes(content[12:16], "little"))
    was_taken = said == named if flags == 0 else flags == _UNCHECKED_HASH
    was_written = not is_from_before and not sys.dont_write_bytecode and os.access(path, os.W_OK)
    if content[:4] != importlib.util.MAGIC_NUMBER or not (was_taken or was_written):
        return None
    with contextlib.suppress(SyntaxError, ValueError, EOFError, TypeError):
        compiled = compile(pins.current_text(file) or "", file, "exec", dont_inherit=True)
        if marshal.loads(content[16:]) != compiled:  # what this process ran before: it is trusted
            return path
    return None


def _is_of(module: types.ModuleType, file: str, text: str) -> bool:
    """Say whether a module's functions and plain constants are those of a text."""
    try:
        tree = ast.parse(text, file)
        compiled = {*_codes(compile(text, file, "exec", dont_inherit=True))}
    except (SyntaxError, ValueError):
        return False
    variables = vars(module)
    own = {code for code in _codes_behind(variables, set()) if code.co_filename == file}
    constants = _constants(tree)
    return own <= compiled and all(
        name in variables and type(variables[name]) is type(value) and variables[name] == value
        for name, value in constants.items()
    )


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _codes(inner)


def _codes_behind(variables: Mapping[str, Any], seen: set[int]) -> Iterator[types.CodeType]:
    """Find the code of functions and methods, also of decorated ones."""
    for value in list(variables.values()):
        found: Any = value
        if isinstance(value, property):
            found = value.fget
        elif isinstance(value, staticmethod | classmethod):
            found = value.__func__
        while found is not None and id(found) not in seen:
            seen.add(id(found))
            if isinstance(found, types.FunctionType):
                yield found.__code__
            inside = getattr(found, "__dict__", {})
            if isinstance(found, type):
                yield from _codes_behind(inside, seen)
            found = inside.get("__wrapped__")


def _constants(tree: ast.Module) -> dict[str, Any]:
    """Find the numbers and texts that names of a module are given, and nothing else is."""
    stored = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    n_stored = Counter(node.id for node in stored if not isinstance(node.ctx, ast.Load))
    found = {}
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) if n_stored[name] == 1:
                with contextlib.suppress(ValueError, TypeError, RecursionError):
                    found[name] = ast.literal_eval(node.value)
    return {name: value for name, value in found.items() if isinstance(value, _FIXED)}
