"""Commands that tidy what is kept on disk."""

from __future__ import annotations

import click

from sweeps import answers
from sweeps.commands import common


@click.command(short_help="Say what nobody needs any more; free it.")
@common.name
@click.option("--yes", is_flag=True, help="Free it.")
@common.options
def clean(
    name: str, yes: bool, experiments: str | None, results: str | None, as_json: bool
) -> None:
    """Say what of NAME's memo nobody needs any more; free it with --yes.

    That are results of earlier code, damaged segments and what killed runs left behind. The
    results of the present code stay.
    """
    from sweeps import cleaning

    found = cleaning.waste(common.subject(name, experiments, results))
    n_bytes = cleaning.free(found) if yes else sum(each.n_bytes for each in found)
    common.say(answers.cleaned(name, found, n_bytes, is_freed=yes), as_json)


COMMANDS = (clean,)
