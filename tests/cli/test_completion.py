"""Shells complete experiments, axes and options, without importing what users wrote."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.shell_completion import get_completion_class

from sweeps.cli import completion
from sweeps.cli.main import COMMANDS, cli

PROGRAM = Path(sys.executable).with_name("sweeps")

WAVE = '''
import pathlib

from sweeps import experiment, grid

pathlib.Path("imported").touch()


@experiment(
    grid(frequency=[1.0, 2.0], mode=["a", "b"]),
    units={"frequency": "Hz", "speed": "m s-1"},
    resources={"client": open},
)
def wave(frequency, mode, client, rng, length=0.5):
    """How fast they travel: at all frequencies."""
    return {"speed": 2 * length * frequency}
'''


@pytest.fixture(autouse=True, scope="module")
def _registered():
    completion.register()


@pytest.fixture
def wave(project):
    (project / "experiments" / "wave.py").write_text(WAVE)
    (project / "experiments" / "broken.py").write_text("from sweeps import experiment\n@exper(")
    yield project
    assert not (project / "imported").exists()


def completed(*words, shell="fish"):
    made = get_completion_class(shell)(cli, {}, "sweeps", "_SWEEPS_COMPLETE")
    return [each.value for each in made.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.parametrize("command", [each for each in COMMANDS if each != "list"])
def test_names_of_experiments_complete(wave, command):
    assert completed(command, "w") == ([] if command == "new" else ["wave"])
    assert completed(command, "x") == []


@pytest.mark.parametrize("command", ["run", "plan", "work", "submit", "failures", "reproduce"])
def test_axes_complete_behind_the_name(wave, command):
    assert completed(command, "wave", "") == ["frequency=", "mode=", "length="]
    assert completed(command, "wave", "length=0.1", "mode=a", "") == ["frequency="]
    assert completed(command, "wave", "l") == ["length="]
    assert completed(command, "wave", "length=") == []


def test_options_complete(wave):
    assert completed("run", "wave", "--engine", "l") == ["loky"]
    assert completed("run", "wave", "--engine=l") == ["--engine=loky"]
    assert completed("run", "wave", "--failed", "--kind", "t") == ["timeout"]
    assert "--notify" in completed("run", "wave", "--n")
    assert completed("stat") == ["status"]
    assert completed("export", "wave", "wave.csv", "--status", "f") == ["failed"]
    assert completed("plot", "wave", "-x", "f") == ["frequency"]
    assert completed("plot", "wave", "--hue", "") == ["frequency", "mode", "length", "speed"]


@pytest.mark.parametrize("command", ["show", "verify", "clean", "rename"])
def test_results_files_complete_where_no_code_is_needed(wave, command):
    (wave / "results").mkdir()
    (wave / "results" / "old.h5").touch()
    assert completed(command, "") == ["old", "wave"]
    (wave / "elsewhere").mkdir()
    (wave / "elsewhere" / "other.h5").touch()
    assert completed(command, "--results", "elsewhere", "o") == ["other"]


def test_other_folders_of_experiments_are_looked_into(wave, monkeypatch):
    monkeypatch.setenv("SWEEPS_EXPERIMENTS", "nowhere")
    (wave / "experiments").rename(wave / "more")
    assert completed("run", "") == []
    assert completed("run", "--experiments", "more", "") == ["wave"]


def test_nothing_completes_in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SWEEPS_EXPERIMENTS", "nowhere")
    assert completed("run", "") == completed("run", "wave", "") == completed("show", "") == []


@pytest.mark.parametrize(
    ("words", "at", "found"),
    [
        ("sweeps run wa", 2, "plain,wave"),
        ("sweeps run wave length = 0.1 f", 6, "plain,frequency="),
        ("sweeps run wave length =", 4, ""),
        ("sweeps run wave --engine = l", 5, "plain,loky"),
        ("sweeps run wave --engine =", 4, "plain,loky\nplain,serial"),
    ],
)
def test_bash_takes_words_apart_at_the_equals_sign(wave, monkeypatch, words, at, found):
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(at))
    made = get_completion_class("bash")(cli, {}, "sweeps", "_SWEEPS_COMPLETE")
    assert made.complete().startswith(found)
    assert bool(made.complete()) == bool(found)


# ---- real shells

SHELLS = {
    "bash": ("bash", "--norc", "--noprofile", "-i"),
    "zsh": ("zsh", "-f", "-i"),
}

SETUP = {
    "bash": 'bind "set enable-bracketed-paste off"; PS1="> "',
    "zsh": "autoload -Uz compinit; compinit -u -D; unsetopt zle_bracketed_paste; PS1='> '",
}


class Terminal:
    """A shell on a terminal of its own, that types and waits for what appears."""

    def __init__(self, shell, folder):
        self._pid, self._end = pty.fork()
        if self._pid == 0:
            os.chdir(folder)
            path = f"{PROGRAM.parent}:{os.environ['PATH']}"
            given = {**os.environ, "PATH": path, "TERM": "dumb", "HOME": str(folder)}
            os.execvpe(SHELLS[shell][0], SHELLS[shell], given)

    def type(self, text):
        os.write(self._end, text.encode())

    def wait_for(self, text, limit_s=30.0):
        """Return what appears until a text does."""
        said, end_s = "", time.monotonic() + limit_s
        while text not in said and time.monotonic() < end_s:
            if select.select([self._end], [], [], 0.1)[0]:
                said += os.read(self._end, 4096).decode(errors="replace")
        assert text in said, said
        return said

    def close(self):
        os.close(self._end)  # which hangs up
        os.kill(self._pid, 9)
        os.waitpid(self._pid, 0)


@pytest.fixture
def shell(request, wave):
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    if not PROGRAM.exists():
        pytest.skip("the program sweeps is not installed beside this Python")
    terminal = Terminal(request.param, wave)
    terminal.type(f"{SETUP[request.param]}\n")
    source = f'eval "$(_SWEEPS_COMPLETE={request.param}_source sweeps)"; echo rea""dy'
    terminal.type(f"{source}\n")
    terminal.wait_for("ready")
    yield terminal
    terminal.close()


@pytest.mark.parametrize("shell", SHELLS, indirect=True)
def test_a_real_shell_completes(shell):
    shell.type("sweeps run wa\t")
    shell.wait_for("run wave ")
    shell.type("fr\t")
    shell.wait_for("frequency=")
    shell.type("1 le\t")
    shell.wait_for("length=")
    shell.type("2 --eng\t")
    shell.wait_for("--engine ")
    shell.type("th\t\x01\x0becho \x19\n")  # to the start, cut, echo what was cut
    shell.wait_for("sweeps run wave frequency=1 length=2 --engine threads")


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("run wa", ["wave\tHow fast they travel: at all frequencies."]),
        ("run wave ", ["frequency=\t[1.0, 2.0]", "mode=\t['a', 'b']", "length=\t0.5"]),
        ("run wave --engine=th", ["--engine=threads"]),
    ],
)
def test_fish_completes(wave, words, found):
    load = "_SWEEPS_COMPLETE=fish_source sweeps | source"
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"{load}; complete -C 'sweeps {words}'"],
        env={**os.environ, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "HOME": str(wave)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(done.stdout.splitlines()) == sorted(found)
