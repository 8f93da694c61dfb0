"""What tests of tables and exported files share."""

import pytest

from sweeps import experiment, grid
from tests.exports.sheets import everything


@pytest.fixture(scope="module")
def sheet(tmp_path_factory):
    """A sheet with done, failed and excluded points: 12, 6 and 12 of 30."""

    def made(x, y):
        if y == 1:
            raise ValueError(y)
        return everything(x)

    space = grid(x=range(10), y=[0, 1, 2]).where(lambda x, y: (x + y) % 5 < 3)
    declared = experiment(space, name="made")(made)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("sheet"))
        declared.run(engine="serial")
        yield declared
