"""Laws of programs as functions: what they are given, what is read, and how they fail."""

import contextlib
import hashlib
import inspect
import os
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sweeps
from sweeps import program, template
from sweeps.declaration.experiment import experiment
from sweeps.errors import DeclarationError, ProgramError
from sweeps.programs import templates
from sweeps.readers import csv, json, npy, regex
from sweeps.spaces.build import grid
from sweeps.worker.isolation.copies import can_change

READ = {"x": regex("stdout", "= (.*)")}


def shell(text, **options):
    return program(["sh", "-c", text], **{"read": READ, **options})


def left(mark):
    """Processes whose command line has a mark, and that have not ended."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in each.read_bytes():
                found.append(each)
        except OSError:
            continue
    return found


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path_factory, monkeypatch):
    """Leave nothing lying about."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert [*folder.iterdir()] == []


@pytest.fixture
def declared(project):
    """What a module of a project declares, after it was written."""

    def declare(body):
        (project / "experiments" / "flow.py").write_text(
            "from pathlib import Path\nfrom sweeps import experiment, grid, program, template\n"
            f"from sweeps.readers import csv, regex\n{body}\n"
        )
        namespace = {"__name__": "experiments.flow"}
        namespace["__file__"] = str(project / "experiments" / "flow.py")
        exec(
            compile(Path(namespace["__file__"]).read_text(), namespace["__file__"], "exec"),
            namespace,
        )
        return namespace

    return declare


@given(x=st.floats(allow_nan=False), n=st.integers(), text=st.text("ab{}'\"$ %-\n", max_size=9))
def test_values_come_through_exactly(x, n, text):
    echo = program(
        ["printf", "%s|%s|%s", "{x}", "{n}", "{text}"],
        read={"all": lambda folder: (folder / "stdout").read_text()},
    )
    first, second, rest = echo(x=x, n=n, text=text)["all"].split("|", 2)
    assert (float(first), int(second), rest) == (x, n, text)


def test_a_program_takes_the_parameters_that_its_words_and_files_name():
    def deck(rate, rng, steps=5):
        return f"{rate} {steps}"

    made = program(
        ["true", "{a:.3f}", "{{no}}"], files={"in": deck, "b": "{b}"}, env={"C": "{c}"}, read=READ
    )
    parameters = inspect.signature(made).parameters
    assert {*parameters} == {"a", "b", "c", "rate", "rng", "steps"}
    assert parameters["steps"].default == 5
    with pytest.raises(TypeError, match="it needs c, rate, rng, b; it does not take d"):
        made(a=1, d=1)


def test_all_kinds_of_input_files(declared, project):
    (project / "case" / "system").mkdir(parents=True)
    (project / "case" / "system" / "control").write_text("base")
    (project / "case" / "mesh").write_bytes(b"\0\1")
    (project / "deep.j2").write_text("{% if a > 1 %}large{% endif %} {% include 'part.j2' %}\n")
    (project / "part.j2").write_text("a = {{ a }}")
    made = declared(
        "made = program(['sh', '-c', 'cat system/control text raw made rendered; echo $V'],"
        "files={'system/control': 'control {a}\\n', '.': Path('case'), 'text': '{{}} {b}\\n',"
        "'raw': b'raw\\n', 'made': lambda b: f'made {b}\\n', 'rendered': template('deep.j2')},"
        "env={'V': 'v{b}'}, read={'out': lambda folder: (folder / 'stdout').read_text(),"
        "'mesh': lambda folder: (folder / 'mesh').read_bytes().hex()})"
    )["made"]
    assert made(a=2, b=0.5) == {
        "out": "control 2\n{} 0.5\nraw\nmade 0.5\nlarge a = 2\nv0.5\n",
        "mesh": "0001",
    }


def test_what_can_not_be_meant_is_refused_when_it_is_declared(project):
    for changed, said in [
        ({"command": "./solver"}, "list of words"),
        ({"command": ["true", 3]}, "no word"),
        ({"command": ["true", "{a.b}"]}, "no name of a parameter"),
        ({"command": ["true", "{"]}, "written twice"),
        ({"command": ["true", "{class}"]}, "cannot name a parameter"),
        ({"files": {"/etc/x": ""}}, "outside"),
        ({"files": {"../x": ""}}, "outside"),
        ({"files": {"x": 3}}, "give text"),
        ({"files": {"stdout": ""}}, "what the program prints"),
        ({"files": {"x": template("none.j2")}}, "there is no template"),
        ({"files": {"x": lambda *a: ""}}, "name all arguments"),
        ({"read": {}}, "give the outputs"),
        ({"read": {"x": 3}}, "give a reader"),
        ({"timeout": 0}, "above 0"),
        ({"env": {"A=B": "x"}}, "names to texts"),
        ({"keep": ["../*.vtk"]}, "outside"),
        ({"keep": 3}, "names or patterns"),
        ({"keep": "x", "read": {"files": len}}, "rename yours"),
    ]:
        with pytest.raises(DeclarationError, match=re.escape(said)):
            program(**{"command": ["true"], "read": READ, **changed})
    with pytest.raises(DeclarationError, match="no regular expression"):
        regex("out", "(")


FAILURES = {
    "exit 3": "sh ended with exit code 3",
    "kill -SEGV $$": "sh was ended by SIGSEGV (segmentation fault)",
    "sleep 99999": "sh took longer than the timeout of 0.3 s, and was killed",
    "true": "'x' cannot be read: 'stdout' has nothing like",
    "echo = 1; echo = 2": "has 2 places like '= (.*)': say which",
    "echo = one": "has 'one' for '= (.*)', which is no float",
    "trap '' TERM INT HUP; sleep 99999": "took longer",
}


@pytest.mark.parametrize("text", FAILURES)
def test_what_fails_says_why_and_what_was_printed_last(text):
    made = shell(f"echo to stderr >&2; {text}", timeout=0.3)
    with pytest.raises(ProgramError) as caught:
        made()
    assert FAILURES[text] in str(caught.value)
    assert "--- stderr:\nto stderr" in caught.value.__notes__


def test_programs_that_are_not_there_or_cannot_be_started(declared, project):
    (project / "text").write_text("exit 0")
    (project / "text").chmod(0o755)
    text = "made = program([{!r}], read={{'x': regex('stdout', 'x')}})"
    for word, said in [
        ("./none", "there is no program './none'"),
        ("no-such-program", "install it"),
        ("./text", "#!/bin/sh"),
    ]:
        with pytest.raises(ProgramError, match=re.escape(said)):
            declared(text.format(word))["made"]()


@pytest.mark.parametrize(
    "n_bytes", [5_000_000, pytest.param(10**9, marks=pytest.mark.campaign)], ids=["5 MB", "1 GB"]
)
def test_large_output_stays_on_disk(n_bytes):
    before = resident_bytes()
    made = shell(f"yes '= 1' | head -c {n_bytes} >&2; echo = 2; exit 1")
    with pytest.raises(ProgramError) as caught:
        made()
    (ends, _) = caught.value.__notes__
    assert f"the end of {n_bytes:,} bytes" in ends
    assert len(ends) < 3000
    assert resident_bytes() - before < 50e6


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


STAYING = {
    "in its group": "sleep {0} &",
    "of its own session": "setsid sleep {0} &",
    "a daemon": "setsid sh -c 'setsid sleep {0} & exec sleep {0}' > /dev/null 2>&1 < /dev/null &",
    "of an empty environment": "env -i setsid sleep {0} > /dev/null 2>&1 &",
    "it prints from elsewhere": "env -i setsid sh -c 'cd / && exec sleep {0}' &",
}


@pytest.mark.parametrize("text", STAYING.values(), ids=STAYING)
@pytest.mark.parametrize("end", ["echo = 1", "exit 1", "kill -KILL $$", "sleep 99"])
def test_nothing_goes_on_after_its_end(text, end):
    mark = f"{time.time():.9f}"[-12:]
    made = shell(f"{text.format('9' + mark)} {end}", timeout=0.3)
    try:
        made()
    except ProgramError:
        assert end != "echo = 1"
    assert left("9" + mark) == []
    with contextlib.suppress(ChildProcessError):  # it leaves no child that has ended, either
        assert os.waitpid(-1, os.WNOHANG) == (0, 0)


LEAVING = (
    "seq 1 100000",
    "seq 1 100000 >&2",
    "echo short; echo short >&2",
    "echo linked; ln stdout link; ln -f stdout {0}.link",
    "ln -s stdout link; echo linked",
    "echo x > other; mv other stdout",
    "rm stdout; ln -s {0} stdout; echo linked > stdout",
    "rm stdout stderr",
    "rm stdout; mkdir stdout",
    "rm stdout; mkfifo stdout",
    "echo x; chmod 644 stdout",
    "touch .hidden; mkdir -p a/b; chmod 0 a",
    "chmod 755 .",
    'rm -r "$PWD"',
)


@pytest.mark.parametrize("engine", ["serial", "loky"])
def test_no_point_sees_what_another_one_has_left(declared, project, engine):
    (project / "kept").write_text("kept")
    lines = [text.format(project / "kept") for text in LEAVING]
    cases = "".join(f"{i}) {line};;\n" for i, line in enumerate(lines))
    (project / "leave.sh").write_text(
        "seen=$(ls -A; stat -c '%F %a %h' . *; cat stdout stderr)\n"
        f"echo $seen > seen\ncase $1 in\n{cases}esac\n"
    )
    declared(
        f"flow = experiment(grid(i=range({len(LEAVING)}), again=[0, 1, 2]), name='flow')(program("
        "['sh', 'leave.sh', '{i}'], env={'AGAIN': '{again}'},"
        "read={'seen': regex('seen', '(.+)', type=str)}))"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the point that removes its folder
        results = sweeps.run("flow", engine=engine, quiet=True)
    clean = "stderr stdout directory 700 2 regular empty file 600 1 regular empty file 600 1"
    gone = LEAVING.index('rm -r "$PWD"')
    assert {*results.seen.drop_sel(i=gone).values.ravel().tolist()} == {clean}
    assert (project / "kept").read_text() == (project / "kept.link").read_text() == "linked\n"


def test_half_written_output_is_refused(project):
    for name, content, reader, said in [
        ("t.csv", "a,b\n1,2\n3", csv("t.csv"), "its last line does not end"),
        ("t.csv", "a,b\n1,2\n3\n", csv("t.csv"), "has 1 values in row 2"),
        ("t.csv", "a,b\n1,2\n3,*****\n", csv("t.csv"), "is no number"),
        ("o.json", '{"a": [1, 2', json("o.json"), "half-written"),
        ("o.json", '{"a": 1}', json("o.json", "b"), "has no 'b'"),
        ("other", "", json("o.json"), "did not write 'o.json'"),
        ("f.npy", b"\x93NUMPY\x01\x00v\x00{'descr'", npy("f.npy"), "half-written"),
    ]:
        raw = content if isinstance(content, bytes) else content.encode()
        made = program(["true"], files={name: raw}, read={"value": reader})
        with pytest.raises(ProgramError, match=re.escape(said)):
            made()


def test_a_program_is_pickled_and_no_point_can_change_it():
    made = shell("echo = $(({a} * 2))")
    assert pickle.loads(pickle.dumps(made))(a=4) == {"x": 8.0}
    assert not can_change(made)


def test_without_jinja_a_template_says_what_to_install(declared, project, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    templates._made.cache_clear()
    (project / "in.j2").write_text("{{ x }}\n")
    text = "made = program(['true'], files={'in': template('in.j2')}, read={'x': lambda folder: 1})"
    with pytest.raises(DeclarationError, match=r"pip install 'sweeps\[programs\]'"):
        declared(text)


def test_a_template_that_asks_for_more_is_refused(declared, project):
    (project / "in.j2").write_text("{% set b = 1 %}{{ a }} {{ range(3) }} {% include 'more.j2' %}")
    (project / "more.j2").write_text("{{ b }} {{ c }} {% for i in [1] %}{{ i }}{% endfor %}")
    made = declared(
        "made = program(['true'], files={'in': template('in.j2')},"
        "read={'out': lambda folder: (folder / 'in').read_text()})"
    )["made"]
    assert {*inspect.signature(made).parameters} == {"a", "c"}
    assert made(a=1, c=2) == {"out": "1 range(0, 3) 1 2 1"}
    with pytest.raises(DeclarationError, match="no value for argument 'c'"):
        experiment(grid(a=[1]))(made)


@pytest.mark.parametrize("engine", ["serial", "loky"])
def test_kept_files_come_back_bit_for_bit(declared, project, engine):
    declared(
        "flow = experiment(grid(x=[1, 2]), name='flow')(program("
        "['sh', '-c', 'mkdir sub; printf v{x} > sub/a.vtk; echo log; echo {x} > b.vtk'],"
        "read={'size': lambda folder: len([*folder.rglob('*')])}, keep=['**/*.vtk', 'stdout']))\n"
    )
    results = sweeps.run("flow", engine=engine, quiet=True)
    for x in (1, 2):
        expected = {"b.vtk": b"%d\n" % x, "stdout": b"log\n", "sub/a.vtk": b"v%d" % x}
        own = results.sel(x=x)
        assert own.files.values.tolist() == [*expected]
        digests = [hashlib.sha256(content).hexdigest() for content in expected.values()]
        assert own.files_sha256.values.tolist() == digests
        kept = sweeps.files("flow", {"x": x})
        found = {each.name: each.read_bytes() for each in kept.values()}
        assert found == expected
    made = shell("echo = 1", keep="none.*")
    with pytest.raises(ProgramError, match="did not write any file like 'none"):
        made()


@pytest.mark.parametrize("value", [np.arange(3.0), len, object()], ids=["array", "code", "object"])
def test_what_no_text_says_is_not_written_into_texts(declared, project, value):
    (project / "in.j2").write_text("{{ a }}")
    made = declared(
        "made = program(['true'], files={'in': template('in.j2')}, read={'x': lambda folder: 1})"
    )["made"]
    for each in (made, shell("echo {a}")):
        with pytest.raises(ProgramError, match=r"is an (array|object)"):
            each(a=value)


@pytest.mark.parametrize("engine", ["serial", "threads", "loky"])
def test_an_experiment_of_a_program_fails_at_single_points(declared, project, engine):
    (project / "solver.sh").write_text(
        "case $1 in 2) echo broken >&2; exit 1;; 3) kill -9 $$;; 4) sleep 99;; esac\n"
        'echo "E = $1"\n'
    )
    declared(
        "@experiment(grid(x=[1, 2, 3, 4, 5]))\n"
        "def other(x):\n    return solver(x=x)['energy'] * 2\n"
        "solver = program(['sh', 'solver.sh', '{x}'],"
        "read={'energy': regex('stdout', r'E = (\\S+)')}, timeout=1)\n"
        "flow = experiment(grid(x=[1, 2, 3, 4, 5]), name='flow', units={'energy': 'J'})(solver)\n"
    )
    results = sweeps.run("flow", engine=engine, quiet=True)
    assert np.array_equal(results.energy, [1, np.nan, np.nan, np.nan, 5], equal_nan=True)
    failed = sweeps.failures("flow")
    assert [each.message for each in failed] == [
        "solver ended with exit code 1",
        "solver was ended by SIGKILL (killed)",
        "solver took longer than the timeout of 1 s, and was killed",
    ]
    assert failed[0].traceback.endswith("--- stderr:\nbroken\n")
    assert "programs" not in failed[0].traceback
    results = sweeps.run("other", engine=engine, axes={"x": [1, 5]}, quiet=True)
    assert results.other.values.tolist() == [2, 10]


def test_scratch_folders_of_killed_workers_go(declared, project, own_temporary_folder):
    declared(
        "slow = experiment(grid(x=[0, 60]), name='slow', timeout=1)("
        "program(['sleep', '{x}'], read={'x': len}))"
    )
    sweeps.run("slow", engine="loky", quiet=True)
    assert [each.kind for each in sweeps.failures("slow")] == ["exception", "timeout"]
    assert left("sleep\x0060") == []


needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler (cc)")


@needs_cc
def test_what_a_program_is_made_of_counts_by_content(declared, project):
    (project / "part.c").write_text("double part(void) { return 2; }\n")
    main = (
        '#include <stdio.h>\ndouble part(void);\nint main(void) { printf("E = %g\\n", part()); }\n'
    )
    (project / "main.c").write_text(main)
    (project / "in.j2").write_text("{% include 'more.j2' %}")
    (project / "more.j2").write_text("more")
    (project / "data.bin").write_text("data")

    def build():
        cc = ["cc", "-shared", "-fPIC", "part.c", "-o", "libpart.so"]
        subprocess.run(cc, check=True, cwd=project)
        cc = ["cc", "main.c", "-o", "solver", "-L.", "-lpart", "-Wl,-rpath,$ORIGIN"]
        subprocess.run(cc, check=True, cwd=project)

    build()
    declared(
        "solver = program(['./solver', '{x}'],"
        "files={'in': template('in.j2'), 'd': Path('data.bin')},"
        "read={'energy': regex('stdout', r'E = (\\S+)')})\n"
        "flow = experiment(grid(x=[1, 2]), name='flow')(solver)\n"
        "@experiment(grid(x=[1, 2]))\ndef within(x):\n    return solver(x=x)['energy']\n"
    )

    def missing():
        return [2 - sweeps.plan(name).reused for name in ("flow", "within")]

    def run():
        return [
            sweeps.run(n, engine="serial", quiet=True).to_array().values.tolist()
            for n in ("flow", "within")
        ]

    assert run() == [[[2, 2]], [[2, 2]]]
    build()
    (project / "solver").touch()
    (project / "in.j2").touch()
    assert missing() == [0, 0]
    (project / "part.c").write_text("double part(void) { return 3; }\n")
    build()
    assert missing() == [2, 2]
    assert run() == [[[3, 3]], [[3, 3]]]
    for name in ("more.j2", "in.j2", "data.bin"):
        kept = (project / name).read_text()
        (project / name).write_text(kept + " ")
        assert missing() == [2, 2], name
        (project / name).write_text(kept)
        assert missing() == [0, 0]
    (project / "solver").unlink()
    with pytest.raises(DeclarationError, match="there is no program"):
        sweeps.plan("flow")


SOURCES = {
    "C": ("model.c", '#include <stdio.h>\n#include <stdlib.h>\nint main(int n, char **a) '
          '{ printf("E = %.17g\\n", FACTOR * atof(a[1])); return 0; }\n'),
    "Fortran": ("model.f90", "program model\ncharacter(40) :: a\nreal(8) :: x\n"
                "call get_command_argument(1, a)\nread(a, *) x\nprint '(A, ES25.17)', 'E = ', "
                "FACTOR * x\nend program\n"),
    "shell": ("model", "#!/bin/sh\nawk -v x=$1 'BEGIN { printf \"E = %.17g\\n\", FACTOR * x }'\n"),
}  # fmt: skip
COMPILERS = {"C": "cc", "Fortran": "gfortran", "shell": "awk"}


@pytest.mark.parametrize("n", [4, pytest.param(1000, marks=pytest.mark.campaign)])
@pytest.mark.parametrize("language", SOURCES)
def test_a_rebuild_with_another_constant_computes_all_again(declared, project, language, n):
    if shutil.which(COMPILERS[language]) is None:
        pytest.skip(f"there is no {COMPILERS[language]}")
    name, text = SOURCES[language]

    def build(factor):
        (project / name).write_text(text.replace("FACTOR", factor))
        if language == "shell":
            (project / name).chmod(0o755)
        else:
            command = [COMPILERS[language], name, "-o", "model"]
            subprocess.run(command, check=True, cwd=project)

    def run():
        found = sweeps.run("flow", engine="serial" if n < 100 else "loky", quiet=True)
        return (found.energy / found.x).values[1:]

    build("2.0")
    declared(
        f"flow = experiment(grid(x=[float(i) for i in range({n})]), name='flow')("
        "program(['./model', '{x}'], read={'energy': regex('stdout', r'E =\\s+(\\S+)')}))\n"
    )
    assert (run() == 2).all()
    build("2.0")
    (project / "model").touch()
    assert sweeps.plan("flow").reused == n
    build("3.0")
    assert sweeps.plan("flow").stale == n
    assert (run() == 3).all()


def test_programs_that_functions_make_count_as_far_as_their_source_says(declared, project):
    (project / "model").write_text("#!/bin/sh\necho E = 1\n")
    (project / "model").chmod(0o755)
    (project / "in.j2").write_text("a")
    declared(
        "READ = {'energy': regex('stdout', r'E = (\\S+)')}\n"
        "PROGRAMS = {'a': program(['./model', '{x}'], read=READ)}\n"
        "@experiment(grid(x=[1, 2]))\ndef within(x):\n"
        "    made = program(['./model', 'in'], files={'in': template('in.j2')}, read=READ)\n"
        "    return made()['energy']\n"
        "@experiment(grid(x=[1, 2]))\ndef contained(x):\n    return PROGRAMS['a'](x=x)['energy']\n"
        "@experiment(grid(x=[1, 2]))\ndef default(x, solver=PROGRAMS['a']):\n"
        "    return solver(x=x)['energy']\n"
    )
    names = ["within", "contained", "default"]
    for name in names:
        assert sweeps.run(name, engine="serial", quiet=True)[name].values.tolist() == [1, 1]
        assert sweeps.plan(name).unwatched == ()
    (project / "in.j2").write_text("b")
    assert [sweeps.plan(name).reused for name in names] == [0, 2, 2]
    (project / "in.j2").write_text("a")
    (project / "model").write_text("#!/bin/sh\necho E = 2\n")
    assert [sweeps.plan(name).reused for name in names] == [0, 0, 0]


def test_depends_on_starts_at_the_module_of_the_program(declared, project):
    (project / "experiments" / "table.csv").write_text("1")
    declared(
        "flow = experiment(grid(x=[1]), name='flow', depends_on='table.csv')("
        "program(['sh', '-c', 'echo = {x}'], read={'x2': regex('stdout', '= (.*)')}))\n"
    )
    sweeps.run("flow", engine="serial", quiet=True)
    assert sweeps.plan("flow").reused == 1
    (project / "experiments" / "table.csv").write_text("2")
    assert sweeps.plan("flow").stale == 1
