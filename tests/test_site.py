"""What the documentation site is built from; `.ci/run` builds it and takes no warning."""

import importlib
import re
from pathlib import Path

import pytest

import sweeps

ROOT = Path(__file__).parent.parent
INVENTORIES = sorted((ROOT / "docs/inventories").glob("*.inv"))


def named(inventory):
    """The names that an inventory lists (of Sphinx's first format, which is text)."""
    lines = inventory.read_text().splitlines()
    assert lines[0] == "# Sphinx inventory version 1"
    return [line.split()[0] for line in lines[3:]]


def found(name):
    """The object of a dotted name, from the longest part of it that is a module."""
    path = name.split(".")
    for n in range(len(path), 0, -1):
        try:
            thing = importlib.import_module(".".join(path[:n]))
        except ModuleNotFoundError:
            continue
        for part in path[n:]:
            thing = getattr(thing, part)
        return thing
    return getattr(importlib.import_module("builtins"), name)


@pytest.mark.parametrize("inventory", INVENTORIES, ids=lambda file: file.stem)
def test_libraries_have_the_names_that_the_site_links_to(inventory):
    assert named(inventory)
    pytest.importorskip(inventory.stem if inventory.stem != "python" else "builtins")
    for name in named(inventory):
        assert found(name) is not None, name


def test_an_inventory_with_a_wrong_name_would_be_found():
    with pytest.raises(AttributeError):
        found("numpy.random.Generatr")


def test_every_public_name_is_in_the_reference():
    text = (ROOT / "docs/reference/python.rst").read_text()
    listed = re.findall(r"^\.\. auto\w+:: ([\w.]+)$", text, re.MULTILINE)
    assert set(sweeps.__all__) <= {name.removeprefix("sweeps.") for name in listed}
