"""Record: the code and the constants that made results, stored beside them in the memo.

So `why` can show later what changed, when neither exists any more.
"""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweeps.code import provenance
from sweeps.code.fingerprint import Fingerprint
from sweeps.declaration.experiment import Experiment
from sweeps.errors import StorageError
from sweeps.spaces import values
from sweeps.storage import disk, files

_CODE = "code.json"

_DECLARED = "declared.json"


@dataclasses.dataclass(frozen=True)
class Code:
    """The code that made results.

    Attributes
    ----------
    parts, sources : mapping of str to str
        As in `Fingerprint`.
    files : mapping of str to str
        Module to its file.
    packages : mapping of str to str
        Versions of Python and of the installed packages that were imported.
    """

    parts: Mapping[str, str]
    sources: Mapping[str, str]
    files: Mapping[str, str]
    packages: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Declared:
    """What a declaration adds to the keys of all points, at the last run.

    Attributes
    ----------
    constants : mapping of str to str
        Arguments that are not swept, and the seed, as text.
    labels : mapping of str to Code
        "method=rk4": the code behind that label, without versions.
    arguments : tuple of str
        All parameters and constants.
    """

    constants: Mapping[str, str]
    labels: Mapping[str, Code]
    arguments: tuple[str, ...]


def code(found: Fingerprint) -> Code:
    """Describe the present code."""
    packages = {"python": platform.python_version(), **provenance.of_packages()}
    return dataclasses.replace(_code_of(found), packages=packages)


def _code_of(*found: Fingerprint) -> Code:
    return Code(
        {part: digest for each in found for part, digest in each.parts.items()},
        {part: source for each in found for part, source in each.sources.items()},
        {name: str(file) for each in found for name, (file, _) in each.files.items()},
        {},
    )


def declared(experiment: Experiment) -> Declared:
    """Describe the present declaration."""
    constants = {n: values.label(t.element(0)) for n, t in experiment.constants.items()}
    if experiment.takes_rng:
        constants["seed"] = str(experiment.seed)
        constants["common_random_numbers"] = ", ".join(experiment.common_random_numbers)
    behind = experiment.behind_labels().items()
    labels = {f"{name}={label}": _code_of(*found) for (name, label), found in behind}
    names = (*experiment.space.parameters, *experiment.constants)
    return Declared(constants, labels, tuple(sorted(names)))


def keep(folder: Path, experiment: Experiment, found: Fingerprint) -> None:
    """Write the record of an experiment into a memo folder, which is made if it is missing.

    Raises
    ------
    StorageError
        If the disk does not take it.
    """
    files.make_folder(folder)
    if not (folder / _CODE).exists():
        _write(folder / _CODE, code(found))
    said = declared(experiment)
    if read_declared(folder) != said:
        _write(folder / _DECLARED, said)


def read_code(folder: Path) -> Code | None:
    """Read which code made the results in a memo folder; None if that is not known."""
    return _code(_read(folder / _CODE))


def read_declared(folder: Path) -> Declared | None:
    """Read what was declared when a run last computed results of a memo folder, if it is known."""
    said = _read(folder / _DECLARED)
    if not isinstance(said, dict) or not isinstance(said.get("labels"), dict):
        return None
    labels = {name: _code(each) for name, each in said["labels"].items()}
    known = {name: each for name, each in labels.items() if each is not None}
    arguments = said.get("arguments")
    if not _is_texts(said.get("constants")) or not isinstance(arguments, list):
        return None
    return Declared(said["constants"], known, tuple(map(str, arguments)))


def _code(said: Any) -> Code | None:
    names = [field.name for field in dataclasses.fields(Code)]
    if not isinstance(said, dict) or not all(_is_texts(said.get(name)) for name in names):
        return None
    return Code(**{name: said[name] for name in names})


def _is_texts(said: Any) -> bool:
    return isinstance(said, dict) and all(isinstance(text, str) for text in said.values())


def _write(path: Path, said: Code | Declared) -> None:
    files.commit(path, [json.dumps(dataclasses.asdict(said), indent=1).encode()])


def _read(path: Path) -> Any:
    """Read a file that may be missing or damaged; results are valid without it."""
    try:
        return json.loads(disk.content(path))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
