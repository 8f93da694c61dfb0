"""A program as a function: a command, the files that it is given, and what is read of it."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sweeps.errors import DeclarationError, ProgramError
from sweeps.programs import (
    failed,
    folders,
    inputs,
    kept,
    libraries,
    placeholders,
    readers,
    started,
    words,
)
from sweeps.programs.places import Places

_EXPERIMENTS = "experiments"


class _Signature:
    """The signature of an instance, found when it is asked for; a class has none."""

    def __get__(self, made: Program | None, owner: type) -> inspect.Signature:
        if made is None:
            raise AttributeError("__signature__")
        return inspect.Signature(list(_arguments(made).values()))


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """A command that is called like a function of its parameters; made by `program`.

    Attributes
    ----------
    command : tuple of str or Path
    files, read, environment : tuple of pairs
        Names -> what they are made of, what reads them, values.
    keep : tuple of str
        Patterns of files.
    timeout : float or None
    places : Places
        Where the files of the project are.
    name, module : str
        As of a function.
    """

    command: tuple[str | Path, ...]
    files: tuple[tuple[str, inputs.Source], ...]
    read: tuple[tuple[str, Callable[[Path], Any]], ...]
    keep: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    timeout: float | None
    places: Places
    name: str
    module: str

    __signature__ = _Signature()

    def __post_init__(self) -> None:
        named = {"__name__": self.name, "__qualname__": self.name, "__module__": self.module}
        for attribute, text in {**named, "__doc__": ""}.items():
            object.__setattr__(self, attribute, text)

    def __call__(self, **values: Any) -> dict[str, Any]:
        """Run the program with these values, and read its outputs.

        Raises
        ------
        ProgramError
            If it ends with another exit code than 0, by a signal, or too late, or if an output is
            missing or half-written.
        """
        _check_names(self, values)
        # What it holds are the bytes that a program gets; to read it by name takes 60 us.
        environment: dict[bytes, bytes] = os.environb._data  # type: ignore[attr-defined]
        if self.environment:
            own = {name: placeholders.fill(text, values) for name, text in self.environment}
            environment = environment | {os.fsencode(n): os.fsencode(v) for n, v in own.items()}
        known = _known(self)
        command = known.command.copy()
        for i in known.varying:
            command[i] = words.filled(i, self.command[i], self.places, known.given, values)
        folder = folders.take()
        try:
            for name, source in self.files:
                inputs.write(folder, name, source, self.places, values)
            try:
                code = started.run(command, folder, environment, self.timeout)
            except OSError as error:
                raise failed.not_started(command[0], error) from None
            if code != 0:
                raise failed.ended(self.name, code, self.timeout, folder)
            return self._outputs(folder)
        finally:
            folders.give_back(folder, is_let_go=known.is_let_go)

    def _outputs(self, folder: str) -> dict[str, Any]:
        try:
            found = {name: readers.read(name, reader, folder) for name, reader in self.read}
            return {**found, kept.NAME: kept.files(folder, self.keep)} if self.keep else found
        except ProgramError as error:
            raise failed.unread(self.name, error, folder) from None
        except Exception as error:  # of a reader that is the user's
            failed.add_ends(error, folder)
            raise

    # ---- what it is, for the fingerprint of the code that uses it

    @property
    def counted(self) -> tuple[Any, ...]:
        """What makes it another program, without the content of files and where they are."""
        command = [
            ("file", self.places.label(self.places.find(word) or word))
            if isinstance(word, Path)
            else word
            for word in self.command
        ]
        files = [(name, inputs.counted(source, self.places)) for name, source in self.files]
        return command, files, dict(self.read), self.keep, dict(self.environment)

    @property
    def files_counted(self) -> dict[str, Path]:
        """Files of the project that count by content, by the part of the fingerprint.

        Raises
        ------
        DeclarationError
            If the program is not there.
        """
        own: dict[str, Path] = {}
        for i, word in enumerate(self.command):
            own |= self._programs(i, word)
        environment = {**os.environ, **dict(self.environment)}
        for path in list(own.values()):
            for library in libraries.libraries(path, environment):
                if (label := self.places.own_label(library)) is not None:
                    own[label] = library
        found = {f"program:{label}": path for label, path in own.items()}
        for _, source in self.files:
            given = inputs.files(source, self.places)
            found |= {f"data:{label}": path for label, path in given.items()}
        return found

    @property
    def installed(self) -> dict[str, Path]:
        """Installed program that it starts, which is recorded and does not count."""
        first = self.command[0]
        if isinstance(first, Path) or any(placeholders.names(first)):
            return {}
        path = None if self._programs(0, first) else words.installed(first)
        return {first: Path(path)} if path else {}

    def _programs(self, i: int, word: words.Word) -> dict[str, Path]:
        return words.programs(i, word, self.places, dict(self.files))

    def __repr__(self) -> str:
        return f"<Program {' '.join(map(str, self.command))}>"


def program(
    command: Sequence[str | os.PathLike[str]],
    *,
    files: Mapping[str, inputs.Source] | None = None,
    read: Mapping[str, Callable[[Path], Any]],
    keep: str | Iterable[str] = (),
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
    name: str | None = None,
) -> Program:
    r"""Make a function of a command: it writes input files, runs the command and reads outputs.

    Each call has a folder of its own, the current one of the command, which is removed at the end.
    The function takes all parameters that the command and the files name, by name, and returns a
    dict of outputs. `experiment` takes it as any function.

    Parameters
    ----------
    command : sequence of str or path
        The program and its arguments, in which ``{name}`` stands for a parameter's value. Programs
        and scripts of the project are found from the module's folder and the project's root, and
        so is any `pathlib.Path`. There is no shell: for one, give ["sh", "-c", "..."].
    files : mapping, optional
        Name in the program's folder -> what to write there: `template`, text with ``{name}`` in
        it, bytes, the Path of a file or folder of the project, which is copied, or a function
        of parameters that returns text or bytes. "." stands for the folder itself.
    read : mapping
        Output -> a reader of `sweeps.readers`, or a function of the folder.
    keep : str or iterable of str, optional
        Names of files, or patterns such as ``*.vtk``, that are kept with the point: the output
        "files" of it. "stdout" and "stderr" are what the program prints.
    timeout : float, optional
        Seconds after which the command is killed, with all that it has started.
    env : mapping of str to str, optional
        Environment variables, beside those that are set; ``{name}`` as in `command`.
    name : str, optional
        Of the function, and so of an experiment; by default that of the program.

    Raises
    ------
    DeclarationError
        If something of this cannot be meant, or a template is not there.

    Notes
    -----
    The program, the shared libraries of the project that it is linked to, templates with all that
    they include, and copied files count by content as part of the code. An installed program is
    recorded.

    Examples
    --------
    >>> from sweeps.readers import regex
    >>> add = program(
    ...     ["sh", "-c", "echo sum = $(({a} + {b}))"], read={"sum": regex("stdout", r"= (\d+)")}
    ... )
    >>> add(a=1, b=2)
    {'sum': 3.0}
    """
    if isinstance(command, (str, bytes)) or not isinstance(command, Sequence) or not command:
        raise DeclarationError(
            f"program() takes a list of words, not {command!r}: ['./solver', '--tol', '{{x}}']"
        )
    for word in command:
        if not isinstance(word, (str, os.PathLike)) or "\0" in os.fspath(word):
            raise DeclarationError(f"program(): {word!r} is no word of a command: give texts")
    variables = _variables(env)
    own = tuple(each if isinstance(each, str) else Path(each) for each in command)
    module, places = _caller()
    made = Program(
        command=own,
        files=inputs.checked({} if files is None else files),
        read=readers.checked(read),
        keep=kept.checked(keep, read),
        environment=tuple(sorted(variables.items())),
        timeout=_timeout(timeout),
        places=places,
        name=words.name(own) if name is None else name,
        module=module,
    )
    _arguments(made)
    return made


def _variables(given: Any) -> dict[str, str]:
    if given is not None and not isinstance(given, Mapping):
        raise DeclarationError(f"env is {given!r}: give names and values, env={{'N': '{{n}}'}}")
    for key, value in (given or {}).items():
        if (
            not isinstance(key, str)
            or not key
            or {*key} & {"=", "\0"}
            or not isinstance(value, str)
        ):
            raise DeclarationError(f"env maps names to texts, not {key!r} to {value!r}")
    return dict(given or {})


def _timeout(given: Any) -> float | None:
    is_number = isinstance(given, (int, float)) and not isinstance(given, bool)
    if given is not None and not (is_number and given > 0):
        raise DeclarationError(f"timeout is {given!r}: give seconds, a number above 0")
    return None if given is None else float(given)


def _caller() -> tuple[str, Places]:
    """Find the module that declares a program, and where its files are."""
    frame = sys._getframe(2)
    space = frame.f_globals
    module, file = space.get("__name__") or "__main__", space.get("__file__")
    if file is None:  # a notebook
        return module, Places(str(Path.cwd()), str(Path.cwd()))
    own = Path(file).absolute()
    # As for files that code reads; of what ``python -m`` runs, the spec has the name.
    name = getattr(space.get("__spec__"), "name", None) or module
    n_up = name.count(".") + (own.name == "__init__.py")
    if name == "__main__" and own.parent.name == _EXPERIMENTS:
        n_up = 1
    folder, root = own.parent, [*own.parents][min(n_up, len(own.parents) - 1)]
    return module, Places(str(folder), str(root))


# ---- what is the same at all points


class _Known(NamedTuple):
    command: list[str]  # with the words that are the same
    varying: list[int]  # places of the others
    given: frozenset[str]  # names of input files
    is_let_go: bool  # whether no reader holds on to the files that it has read


@functools.lru_cache(maxsize=256)
def _known(made: Program) -> _Known:
    given = frozenset(name for name, _ in made.files)
    varying = [i for i, w in enumerate(made.command) if isinstance(w, Path) or "{" in w]
    command = [
        "" if i in varying else words.filled(i, word, made.places, given, {})
        for i, word in enumerate(made.command)
    ]
    is_let_go = all(isinstance(reader, readers.Reader) for _, reader in made.read)
    return _Known(command, varying, given, is_let_go)


@functools.lru_cache(maxsize=256)
def _arguments(made: Program) -> dict[str, inspect.Parameter]:
    """Find the parameters that a command and its files need, by name."""
    found: dict[str, inspect.Parameter] = {}
    texts = [word for word in made.command if isinstance(word, str)]
    for text in [*texts, *(value for _, value in made.environment)]:
        found |= {name: inputs.required(name) for name in placeholders.names(text)}
    for _, source in made.files:
        for each in inputs.arguments(source, made.places):
            if each.name not in found or each.default is each.empty:
                found[each.name] = each
    return found


def _check_names(made: Program, values: Mapping[str, Any]) -> None:
    taken = _arguments(made)
    if values.keys() == taken.keys():
        return
    missing = [n for n, each in taken.items() if n not in values and each.default is each.empty]
    more = sorted(values.keys() - taken.keys())
    if missing or more:
        said = [f"it needs {', '.join(missing)}"] if missing else []
        said += [f"it does not take {', '.join(more)}"] if more else []
        raise TypeError(f"{made.name}(): {'; '.join(said)}")
