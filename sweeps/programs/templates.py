"""Templates of input files, in the language of Jinja2."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeps.errors import DeclarationError, ProgramError
from sweeps.programs import placeholders
from sweeps.programs.places import Places

if TYPE_CHECKING:
    import jinja2


@dataclasses.dataclass(frozen=True)
class Template:
    """A file of the project that is an input file once values are written into it."""

    file: str


def template(file: str | os.PathLike[str]) -> Template:
    """Name a template of an input file, for the argument `files` of `program`.

    Parameters
    ----------
    file : path
        In the language of Jinja2, relative to the module's folder or the project's root. What it
        includes or extends is looked for beside it, and in these two.

    Notes
    -----
    A parameter that the template asks for and that no point has is an error. The text of the
    template, and of all that it includes, is part of the code.

    Examples
    --------
    >>> template("input.toml.j2")
    Template(file='input.toml.j2')
    """
    if not isinstance(file, (str, os.PathLike)) or not str(file):
        raise DeclarationError(f"template() takes the path of a file, not {file!r}")
    return Template(os.fspath(file))


def names(made: Template, places: Places) -> set[str]:
    """Find the parameters that a template, and all that it includes, ask for."""
    start = _path(made, places)
    environment = _environment(start, places)  # which says what is missing if Jinja2 is
    from jinja2 import meta, nodes

    asked, bound = set[str](), set[str]()
    for path, text in _texts(made, places).items():
        tree = environment.parse(text)
        own = meta.find_undeclared_variables(tree)
        asked |= own if path == start else {f" {name}" for name in own}
        bound |= {each.name for each in tree.find_all(nodes.Name) if each.ctx != "load"}
    # What a template binds is known to those that it includes.
    inner = {name[1:] for name in asked if name[0] == " "}
    return {name for name in asked if name[0] != " "} | (inner - bound)


def files(made: Template, places: Places) -> dict[str, Path]:
    """Find all files that a template is made of, by their names in the project."""
    return {places.label(path): path for path in _texts(made, places)}


def render(made: Template, places: Places, values: Mapping[str, Any]) -> str:
    """Write values into a template."""
    path = _path(made, places)
    try:
        return _environment(path, places).get_template(path.name).render(values)
    except Exception as error:  # any that an expression of a template raises
        where = getattr(error, "lineno", None)
        line = f", line {where}" if where else ""
        raise ProgramError(f"template {made.file!r}{line}: {error}") from error


def _path(made: Template, places: Places) -> Path:
    path = places.find(made.file)
    if path is None or not path.is_file():
        raise DeclarationError(
            f"there is no template {made.file!r} in {places.folder} or {places.root}"
        )
    return path


def _texts(made: Template, places: Places) -> dict[Path, str]:
    """Read a template and all that it includes, extends or imports.

    Where a name is only known as it is rendered, all files of the folder may be meant.
    """
    start = _path(made, places)
    environment, found = _environment(start, places), dict[Path, str]()
    from jinja2 import TemplateError, TemplateNotFound, meta

    pending, seen = [start.name], set[str]()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            text, file, _ = _loaded(environment, name)
            tree = environment.parse(text)
        except TemplateNotFound:
            continue  # it may be optional: ``ignore missing``
        except (TemplateError, UnicodeDecodeError) as error:
            line = getattr(error, "lineno", None)
            said = f"template {name!r}{f', line {line}' if line else ''}: {error}"
            raise DeclarationError(said) from error
        found[Path(file)] = text
        for each in meta.find_referenced_templates(tree):
            pending += [each] if each is not None else list(_beside(start))
    return found


def _loaded(environment: jinja2.Environment, name: str) -> tuple[str, str, Any]:
    loader: Any = environment.loader
    text, file, is_fresh = loader.get_source(environment, name)
    return text, file, is_fresh


def _beside(start: Path) -> Iterator[str]:
    for each in sorted(start.parent.rglob("*")):
        if each.is_file():
            yield each.relative_to(start.parent).as_posix()


def _environment(start: Path, places: Places) -> jinja2.Environment:
    return _made((str(start.parent), places.folder, places.root))


@functools.lru_cache(maxsize=64)
def _made(folders: tuple[str, ...]) -> jinja2.Environment:
    """Make what reads templates; it looks at their times, so an edited one is read again."""
    try:
        import jinja2
    except ImportError:
        raise DeclarationError(
            "templates need Jinja2: pip install 'sweeps[programs]', or give a text with {name} in "
            "it, or a function of the parameters"
        ) from None
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(list(dict.fromkeys(folders))),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # input files of programs are not HTML
        finalize=placeholders.checked,
    )
