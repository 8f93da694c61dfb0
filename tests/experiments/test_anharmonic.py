"""The program in C: published energies, points that fail, and a rebuild that is noticed."""

import shutil
import subprocess

import pytest

import sweeps
from experiments import anharmonic as module
from sweeps.errors import ProgramError

pytestmark = pytest.mark.skipif(
    shutil.which("cc") is None, reason="anharmonic needs a C compiler (cc)"
)

PUBLISHED = {0.1: 0.559146327, 1.0: 0.803770651}
"""Hioe and Montroll (1975): the lowest level."""


@pytest.fixture(scope="module", autouse=True)
def built():
    module.build()


@pytest.mark.parametrize("coupling", PUBLISHED)
def test_the_lowest_level_is_as_published(coupling):
    found = module.oscillator(coupling=coupling, level=0)
    assert found["energy"] == pytest.approx(PUBLISHED[coupling], abs=5e-6)


def test_without_coupling_levels_are_a_half_and_one_apart():
    for level in range(4):
        found = module.oscillator(coupling=0.0, level=level)
        assert found["energy"] == pytest.approx(level + 0.5, abs=5e-5)
        assert found["spacing"] == pytest.approx(1.0 if level else 0.5, abs=5e-5)


def test_what_it_refuses_fails_with_its_words():
    with pytest.raises(ProgramError, match="exit code 2") as caught:
        module.oscillator(coupling=-1.0, level=0)
    assert "no bound levels" in caught.value.__notes__[0]


def test_a_rebuild_is_noticed_if_it_makes_another_program(project, monkeypatch):
    for file in (module.__file__, module.SOURCE):
        shutil.copy(file, project / "experiments")
    source = project / "experiments" / "anharmonic.c"
    axes = {"coupling": [0.0], "level": [0, 1]}

    def build():
        subprocess.run(["cc", "-O2", "-o", "build/anharmonic", source], check=True)

    (project / "build").mkdir()
    build()
    sweeps.run("anharmonic", axes=axes, engine="serial", quiet=True)
    source.write_text(source.read_text().replace("Reads oscillator.in", "It reads oscillator.in"))
    build()
    assert sweeps.plan("anharmonic", axes=axes).reused == 2
    source.write_text(source.read_text().replace("0.5 * x * x", "2.0 * x * x"))
    build()
    assert sweeps.plan("anharmonic", axes=axes).stale == 2
    results = sweeps.run("anharmonic", axes=axes, engine="serial", quiet=True)
    assert results.energy.values.ravel() == pytest.approx([1.0, 3.0], abs=5e-4)
