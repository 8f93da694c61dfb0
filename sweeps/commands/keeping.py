"""Commands that tidy what is kept on disk."""

from __future__ import annotations

import click

from sweeps import answers, verdicts
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
    results of the present code stay, and those of earlier code that a run is computing.
    """
    from sweeps import cleaning

    subject = common.subject(name, experiments, results)
    for folder in cleaning.busy(subject):
        common.warn(f"left alone, since a run of earlier code is at it: {folder}")
    found = cleaning.waste(subject)
    n_bytes = cleaning.free(found) if yes else sum(each.n_bytes for each in found)
    common.say(answers.cleaned(name, found, n_bytes, is_freed=yes), as_json)


@click.command(short_help="Carry results over to an experiment's new name.")
@click.argument("old")
@click.argument("new")
@common.options
def rename(old: str, new: str, experiments: str | None, results: str | None, as_json: bool) -> None:
    """Carry memo and results of OLD over to NEW, the name that the experiment has now.

    Rename the function, or its name= option, first. Nothing is computed, and nothing overwritten.
    A renaming that was interrupted can be repeated.

    Let runs of OLD end before: what one of them commits later stands under the old name again, and
    another `rename OLD NEW` brings it over.
    """
    from sweeps import renaming, reporting

    subject = renaming.find(old, new, results=results, experiments=experiments)
    done = renaming.rename(old, subject)
    for warning in done.warnings:
        common.warn(f"warning: {warning}")
    common.say(verdicts.renamed(done, reporting.status_of(subject)), as_json)


@click.command(short_help="Say whether results and memo are whole.")
@common.name
@common.options
def verify(name: str, experiments: str | None, results: str | None, as_json: bool) -> int:
    """Check the digests of NAME's results file and of all that its memo holds.

    What is damaged is named and set aside; a run makes up for it. NAME may also be the path of a
    results file; outside of the folder of results nothing is set aside. The code of the experiment
    is not needed.

    Exit codes: 0 all is whole, 1 something is not, 2 a mistake in what was asked.
    """
    from sweeps import reporting, verifying

    path = reporting.results_path(name, results)
    is_ours = verifying.is_in_place(path, name, results)
    verified = verifying.verify(path, sets_aside=is_ours)
    common.say(verdicts.verified(verified), as_json)
    if verified.damages:
        again = common.command_line("run", name, experiments=experiments, results=results)
        common.warn(f"then land and compute again what is missing: {again}")
    return 1 if verified.damages else 0


COMMANDS = (clean, rename, verify)
