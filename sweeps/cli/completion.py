"""What a shell completes: names of experiments, axes, engines; it imports no code of users."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
)

if TYPE_CHECKING:
    from sweeps.project.outline import Outline

_OF_FILES = ("show", "plot", "report", "export", "verify", "clean", "rename")
"""Commands that need no code of an experiment, only results."""

_LONGEST = 60

Items = list[CompletionItem[str]]


# ---- what there is to complete


def names(context: click.Context, incomplete: str) -> Items:
    """Complete the name of an experiment; for some commands also that of a results file."""
    from sweeps.project import outline

    if context.info_name == "new":
        return []
    found = {each.name: each.about for each in outline.outlines(context.params.get("experiments"))}
    if context.info_name in _OF_FILES:
        if os.sep in incomplete:
            return [CompletionItem(incomplete, type="file")]
        found = {**dict.fromkeys(_results(context), "results file"), **found}
    return _items({name: found[name] for name in sorted(found)}, incomplete)


def _results(context: click.Context) -> list[str]:
    folder = context.params.get("results") or os.environ.get("SWEEPS_RESULTS") or "results"
    with contextlib.suppress(OSError, ValueError):
        return [path.stem for path in Path(folder).glob("*.h5")]
    return []


def axes(context: click.Context, incomplete: str) -> Items:
    """Complete the names of axes that are not given yet, each with its ``=``."""
    given = {word.partition("=")[0] for word in context.params.get("axes") or ()}
    found = _outline(context)
    if found is None or "=" in incomplete:
        return []
    left = {f"{name}=": text for name, text in found.axes.items() if name not in given}
    return _items(left, incomplete)


def variables(context: click.Context, incomplete: str) -> Items:
    """Complete the name of a parameter, or of an output that has a unit."""
    found = _outline(context)
    return [] if found is None else _items({**found.axes, **found.units}, incomplete)


def _outline(context: click.Context) -> Outline | None:
    from sweeps.project import outline

    # Behind an option that lacks its value, click has not assigned the arguments yet.
    name = context.params.get("name") or next(iter(context.args), None)
    where = context.params.get("experiments")
    return next((each for each in outline.outlines(where) if each.name == name), None)


def engines(context: click.Context, incomplete: str) -> Items:
    """Complete the name of an engine."""
    from sweeps.engines import NAMES

    return _items(dict.fromkeys(NAMES, ""), incomplete)


def kinds(context: click.Context, incomplete: str) -> Items:
    """Complete a kind of failure."""
    from sweeps.execution.options import KINDS

    return _items(dict.fromkeys(KINDS, ""), incomplete)


def statuses(context: click.Context, incomplete: str) -> Items:
    """Complete which points a table has."""
    from sweeps.exports.columns import STATUSES

    return _items(dict.fromkeys(STATUSES, ""), incomplete)


def folders(context: click.Context, incomplete: str) -> Items:
    """Leave folders to the shell."""
    return [CompletionItem(incomplete, type="dir")]


def files(context: click.Context, incomplete: str) -> Items:
    """Leave files to the shell."""
    return [CompletionItem(incomplete, type="file")]


def _items(found: dict[str, str], incomplete: str) -> Items:
    return [
        CompletionItem(name, help=_short(text) or None)
        for name, text in found.items()
        if name.startswith(incomplete) and name.isprintable()
    ]


def _short(text: str) -> str:
    line = "".join(c if c.isprintable() else " " for c in text)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


# ---- how shells are told


class _Ours(ShellComplete):
    def source_vars(self) -> Any:
        """Name the program as the shell finds it, also for ``python -m sweeps``."""
        return {**super().source_vars(), "prog_name": "sweeps", "complete_func": "_sweeps"}


class _WholeWords(_Ours):
    """Gives a shell whole words: ``--engine=loky``, where click gives ``loky``."""

    def get_completions(self, args: list[str], incomplete: str) -> Items:
        """Complete a word."""
        found = super().get_completions(args, incomplete)
        option, equals, _ = incomplete.partition("=")
        if equals and option.startswith("-"):
            for item in found:
                item.value = f"{option}={item.value}"
        return found


class _Bash(_Ours, BashComplete):
    """For bash, to which ``=`` is a word of its own."""

    source_template = BashComplete.source_template.replace(
        "    return 0\n",
        "    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n\n    return 0\n",
    )

    def get_completion_args(self) -> tuple[list[str], str]:
        """Put words together that bash took apart."""
        apart, last = super().get_completion_args()
        words: list[str] = []
        for word in [*apart, last]:
            if words and (word == "=" or words[-1].endswith("=")):
                words[-1] += word
            else:
                words.append(word)
        return words[:-1], words[-1]


class _Zsh(_WholeWords, ZshComplete):
    """For zsh, without a space behind ``=``."""

    source_template = (
        ZshComplete.source_template.replace(
            '    if [ -n "$completions_with_descriptions" ]',
            '    local -a end\n    [[ "$key" == *= ]] && end=(-S "")\n\n'
            '    if [ -n "$completions_with_descriptions" ]',
        )
        .replace("descriptions -U\n", 'descriptions -U "${end[@]}"\n')
        .replace("compadd -U", 'compadd "${end[@]}" -U')
    )


class _Fish(_WholeWords, FishComplete):
    """For fish, which adds no space behind ``=`` by itself; texts may hold commas."""

    source_template = FishComplete.source_template.replace('split ","', 'split --max 1 ","')


def register() -> None:
    """Have click answer shells in our way."""
    for each in (_Bash, _Zsh, _Fish):
        add_completion_class(each)
