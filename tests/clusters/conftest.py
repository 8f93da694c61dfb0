"""Clusters that tests of this folder share."""

import pytest

from tests.clusters import slurm as slurms


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """Two nodes of two processors each; what a test submits, it waits for."""
    if reason := slurms.missing():
        pytest.skip(reason)
    with slurms.slurm(tmp_path_factory.mktemp("slurm")) as made:
        yield made
