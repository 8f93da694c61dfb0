"""Laws of programs that points start: those that the source names count, all others are told of."""

import re

import pytest

import sweeps
from sweeps.project.sweep import resolve

HEAD = """
import asyncio, ctypes, os, subprocess, sys
from os import system
from pathlib import Path
from subprocess import Popen as start
from sweeps import experiment, grid

HERE = Path(__file__).parent.parent
SOLVER = HERE / "solver.sh"
MADE_UP = os.environ.get("SOLVER", "")

async def wait(*command):
    return await (await asyncio.create_subprocess_exec(*command)).wait()

@experiment(grid(x=[1, 2]){options})
def calls(x):
    {body}
"""
NAMED = {
    "a constant": "return subprocess.run(['sh', str(SOLVER), str(x)]).returncode",
    "a line": "return os.system(f'sh solver.sh {x}')",
    "imported": "return system('sh ./solver.sh')",
    "an alias": "return start(['sh', 'solver.sh']).wait()",
    "a path": "return subprocess.call([HERE / 'bin' / 'solver'])",
    "joined": "return subprocess.call([os.path.join(HERE, 'bin', 'solver')])",
    "spawned": "return os.waitpid(os.posix_spawn('/bin/sh', ['sh', 'solver.sh'], {}), 0)[1]",
    "async": "return asyncio.run(wait('bin/solver'))",
    "python": "return subprocess.call([sys.executable, HERE / 'solver.py'])",
    "a local import": "import subprocess as s\n    return s.call(['sh', 'solver.sh'])",
    "a library": "return ctypes.CDLL(str(HERE / 'solver.so')).answer(x)",
}
UNTOLD = {
    "made up": "return subprocess.call(['sh', MADE_UP])",
    "of an argument": "return os.popen(x).read()",
    "loaded": "return ctypes.cdll.LoadLibrary(os.environ['SOLVER'])",
}
NONE = {
    "nothing": "return x",
    "its errors": "try: return x\n    except subprocess.SubprocessError: return 'solver.sh'",
    "installed": "return subprocess.call(['/bin/ls', '/bin/sh'])",
    "no start": "return os.path.basename('solver.sh')",
}


@pytest.fixture
def declare(project):
    (project / "bin").mkdir()
    for name in ("solver.sh", "bin/solver", "solver.py", "solver.so", "unrelated.sh"):
        (project / name).write_text("exit 0\n")
        (project / name).chmod(0o755)

    def declared(body, options=""):
        text = HEAD.replace("{body}", body).replace("{options}", options)
        (project / "experiments" / "calls.py").write_text(text)
        return resolve("calls")

    return declared


@pytest.mark.parametrize("body", NAMED.values(), ids=NAMED)
def test_programs_of_the_project_count_by_content(declare, project, body):
    before = declare(body)
    assert before.unwatched == ()
    (project / "unrelated.sh").write_text("exit 1\n")
    assert declare(body).fingerprint.digest == before.fingerprint.digest
    for name in ("solver.sh", "bin/solver", "solver.py", "solver.so"):
        (project / name).write_text("exit 1\n")
    assert declare(body).fingerprint.digest != before.fingerprint.digest


@pytest.mark.parametrize("body", UNTOLD.values(), ids=UNTOLD)
@pytest.mark.parametrize("options", ["", ", depends_on='../solver.sh'", ", version=2"])
def test_programs_that_cannot_be_told_are_named_unless_the_user_has_seen_to_them(
    declare, body, options
):
    told = declare(body, options).unwatched
    assert bool(told) is (options == "")
    assert all("experiments/calls.py:" in each and "depends_on" in each for each in told)


@pytest.mark.parametrize("body", NONE.values(), ids=NONE)
def test_without_programs_no_file_counts(declare, project, body):
    before = declare(body)
    (project / "solver.sh").write_text("exit 1\n")
    assert declare(body).fingerprint.digest == before.fingerprint.digest
    assert before.unwatched == ()


def test_an_edited_script_makes_points_stale_and_is_named(declare, project):
    (project / "solver.sh").write_text("echo $(($1 * 2))\n")
    declare("return int(subprocess.check_output(['sh', str(SOLVER), str(x)]))")
    assert sweeps.run("calls", engine="serial").calls.values.tolist() == [2, 4]
    (project / "solver.sh").write_text("echo $(($1 * 5))\n")
    assert sweeps.plan("calls").stale == 2
    assert [c.part for c in sweeps.why("calls").since[0].changes] == ["program:solver.sh"]
    assert sweeps.run("calls", engine="serial").calls.values.tolist() == [5, 10]


def test_plan_run_and_why_say_what_is_not_watched(declare):
    declare("return subprocess.call([sys.executable, '-c', MADE_UP])")
    said = "starts a program with subprocess.call at experiments/calls.py:.* in depends_on"
    assert re.search(said, " ".join(sweeps.plan("calls").unwatched))
    assert re.search(said, str(sweeps.why("calls")))
    for _ in range(2):  # also where there is nothing to do
        with pytest.warns(UserWarning, match=said):
            sweeps.run("calls", engine="serial")
