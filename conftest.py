"""Doctests that make results make them elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _elsewhere(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if isinstance(request.node, pytest.DoctestItem):
        monkeypatch.setenv("SWEEPS_EXPERIMENTS", str(Path(__file__).parent / "experiments"))
        monkeypatch.chdir(tmp_path)
