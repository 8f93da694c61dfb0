import ast
import keyword

import pytest

from sweeps.errors import DeclarationError, StorageError
from sweeps.project import template
from sweeps.project.discovery import find


@pytest.mark.parametrize("name", ["wave", "größe", "amplitude", "damping", "hypot", "match"])
def test_the_template_is_an_experiment_that_computes(project, name):
    path = template.write(name)
    assert path == project.joinpath("experiments", f"{name}.py").relative_to(project)
    made = find(name).experiment
    assert len(made.space) == 12
    assert made(frequency=2.0, damping=0.5) == {
        "amplitude": pytest.approx(13**-0.5),  # 1 / |1 - 2² + 2i · 0.5 · 2|
        "is_resonant": False,
    }


def test_the_template_is_utf_8_and_says_what_it_is_about(project):
    source = template.write("größe").read_bytes().decode("utf-8")
    assert "größe" in ast.get_docstring(ast.parse(source))


def test_an_existing_file_is_left_as_it_is(project):
    path = template.write("wave")
    path.write_text("mine")
    with pytest.raises(StorageError, match=r"wave\.py exists already"):
        template.write("wave")
    assert path.read_text() == "mine"


def test_the_folder_is_made_where_it_is_not(tmp_path):
    path = template.write("wave", tmp_path / "a" / "b")
    assert path == tmp_path / "a" / "b" / "wave.py"
    assert path.exists()


def test_the_environment_names_the_folder(project, monkeypatch):
    monkeypatch.setenv("SWEEPS_EXPERIMENTS", "models")
    assert str(template.write("wave")) == "models/wave.py"


@pytest.mark.parametrize(
    "name",
    [
        *("", "my wave", "../wave", "wave.py", "2d", "a-b", "_hidden", "a\nb", "\udcff"),
        *("complex", "math", "grid", "experiment", *keyword.kwlist),
    ],
)
def test_a_name_that_no_function_can_have_is_refused(project, name):
    with pytest.raises(DeclarationError):
        template.write(name)
    assert not list(project.joinpath("experiments").iterdir())


def test_a_file_in_the_place_of_the_folder_is_told(project):
    (project / "models").write_text("mine")
    with pytest.raises(StorageError, match="models"):
        template.write("wave", "models")
