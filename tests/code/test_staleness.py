"""No result is served stale, and none is computed again for nothing: campaigns, in a short form."""

import dataclasses
import os
import random
from unittest import mock

import pytest

from benchmarks.staleness import campaign, cosmetics, mutating
from sweeps.code import fingerprint

# The long forms: python -m benchmarks.staleness
N_MUTANTS, N_EDITS = 3, 6


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    return campaign.Copy(tmp_path_factory.mktemp("staleness"))


def sample(items, n_items):
    return random.Random(0).sample(items, n_items)


def test_whatever_a_mutant_changes_is_computed_again(copy):
    found = [copy.outcome(m) for m in sample(mutating.mutants_of(copy.root), N_MUTANTS)]
    assert sum(bool(outcome.changed) for outcome in found) > N_MUTANTS / 2
    assert [outcome for outcome in found if outcome.stale] == []


def mutants_of_files(copy):
    kinds = ("data file", "program")
    return [mutant for mutant in mutating.mutants_of(copy.root) if mutant.kind in kinds]


def test_whatever_a_change_of_a_file_changes_is_computed_again(copy):
    one_of_each = {mutant.file: mutant for mutant in mutants_of_files(copy)}
    found = [copy.outcome(mutant) for mutant in sample([*one_of_each.values()], N_MUTANTS)]
    assert all(outcome.changed for outcome in found)
    assert [outcome for outcome in found if outcome.stale] == []


def test_files_that_are_touched_or_written_again_change_nothing(copy):
    before = copy.identify()
    for mutant in mutants_of_files(copy):
        path = copy.root / mutant.file
        raw = path.read_bytes()
        path.unlink()
        path.write_bytes(raw)
        os.utime(path, (1, 1))
    assert copy.identify() == before == copy.identities


@pytest.mark.campaign
def test_no_change_of_a_file_at_all_is_served_stale(copy):
    found = [copy.outcome(mutant) for mutant in mutants_of_files(copy)]
    print(campaign.table(found))
    assert sum(bool(outcome.changed) for outcome in found) >= 50
    assert [outcome for outcome in found if outcome.stale] == []


def test_what_says_the_same_is_not_computed_again(copy):
    found = campaign.spoiling(copy, sample(cosmetics.rewritten(copy.root), N_EDITS))
    assert [(edit, names) for edit, names in found if names] == []


def test_an_edit_that_is_not_cosmetic_is_found_out(copy):
    raw = (copy.root / "physics/tools.py").read_bytes().replace(b"value + 1", b"value + 2")
    assert "imports" in copy.spoiled(cosmetics.Edit("no cosmetics", "physics/tools.py", raw))


def only_the_function_itself(function, **options):
    """Identify code as if a function reached nothing else."""
    found = whole_fingerprint(function, **options)
    name = getattr(function, "__name__", "")
    own = {part: own for part, own in found.parts.items() if part.endswith(f":{name}")}
    return dataclasses.replace(found, digest=repr(own))


whole_fingerprint = fingerprint.fingerprint


@pytest.mark.campaign
def test_a_fingerprint_that_ignores_helpers_is_found_out(tmp_path):
    with mock.patch.object(fingerprint, "fingerprint", only_the_function_itself):
        copy = campaign.Copy(tmp_path)
        mutants = [m for m in mutating.mutants_of(copy.root) if m.file == "physics/tools.py"][:2]
        found = [copy.outcome(m) for m in mutants]
    assert any(outcome.stale for outcome in found)
    assert all("imports" in outcome.stale for outcome in found if "imports" in outcome.changed)


def test_kinds_of_mutants():
    text = "T = {'a': 1, 'b': -2}\ndef f(x, y=3):\n    if x > 2:\n        x += y\n    return g(x)\n"
    kinds = {mutant.kind for mutant in mutating.mutants(text, "a.py")}
    assert {"operator", "constant", "comparison", "call", "statement deleted", "default",
            "table entry", "condition", "definition deleted", "signature"} <= kinds  # fmt: skip


@pytest.mark.campaign
def test_no_mutant_at_all_is_served_stale(copy):
    found = [copy.outcome(mutant) for mutant in mutating.mutants_of(copy.root)]
    print(campaign.table(found))
    assert sum(bool(outcome.changed) for outcome in found) >= 500
    assert [outcome for outcome in found if outcome.stale] == []


@pytest.mark.campaign
def test_no_cosmetic_edit_at_all_is_computed_again(copy):
    found = campaign.spoiling(copy, cosmetics.edits_of(copy.root))
    print(campaign.cosmetic_table(found))
    assert len(found) >= 200
    assert [(edit, names) for edit, names in found if names] == []
