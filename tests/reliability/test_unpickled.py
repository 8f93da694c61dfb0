"""Nothing on disk is unpickled or evaluated, save where that is said here, with the reason."""

import hashlib
import io
import json
import pickle
import re
import tokenize
from pathlib import Path

import joblib
import numpy as np
import pytest

import sweeps as package

pytestmark = pytest.mark.usefixtures("children_that_look")

DANGEROUS = re.compile(
    r"\b(\w*pickle|dill|shelve|marshal|joblib|yaml|runpy)\.\w+|allow_pickle|(?<![.\w])(eval|exec|compile)\("
    r"|__import__|\bos\.(system|popen|exec\w*|spawn\w*)\b|\bsubprocess\b|read_pickle|shell=True"
)
ALLOWED = {
    ("worker/job.py", "pickle.load"): "settings of a run, whose SHA-256 came by a pipe",
    ("worker/job.py", "pickle.loads"): "an experiment without a module, which came by a pipe",
    ("execution/send.py", "cloudpickle.Pickler"): "writes; `worker` checks what it reads",
    ("ahead.py", "subprocess"): "another Python, which becomes a worker",
    ("ahead.py", "runpy.run_module"): "what loky would have started; it came by a pipe",
    ("code/provenance.py", "subprocess"): "git, asked for commit and patch",
    ("execution/send.py", "pickle.HIGHEST_PROTOCOL"): "a number",
    ("worker/isolation/contents.py", "pickle.Pickler"): "takes objects of this process apart",
    (
        "worker/isolation/copies.py",
        "pickle.Unpickler",
    ): "puts copies of them together; they are in memory only",
    ("execution/leaks.py", "pickle.dumps"): "writes to a pipe",
    (
        "execution/leaks.py",
        "pickle.load",
    ): "what comes by the pipe of the run that started the process",
    ("execution/leaks.py", "subprocess"): "another Python, to compute some points in",
    ("code/loaded.py", "compile"): "a file of the project, to compare its constants; it is not run",
    ("code/loaded.py", "marshal.loads"): "bytecode of a module that this process has run already",
    ("declaration/value_store.py", "joblib.load"): "what `cached` keeps, once its digest is right",
    ("declaration/value_store.py", "joblib.dump"): "writes what `cached` keeps",
    ("declaration/value_store.py", "joblib.hash"): "identifies arguments; it reads no pickle",
    ("engines/loky.py", "joblib.externals"): "imports",
    ("engines/loky.py", "joblib._parallel_backends"): "an import",
    ("engines/loky.py", "joblib.parallel"): "an import",
    ("engines/pool.py", "joblib.parallel"): "an import",
    ("engines/pool.py", "joblib._multiprocessing_helpers"): "an import",
    ("engines/loky.py", "joblib.executor"): "an import",
    ("execution/remote.py", "subprocess"): "a crew: another Python, beside a worker elsewhere",
    **dict.fromkeys(
        [
            ("engines/executor.py", name)
            for name in (
                "pickle.loads",
                "pickle.dumps",
                "pickle.HIGHEST_PROTOCOL",
                "cloudpickle.dumps",
            )
        ],
        "what a run sends to workers and they answer, by the executor that the user has chosen",
    ),
    ("programs/started.py", "subprocess"): "the command of a program, without a shell",
    ("programs/spawn.py", "subprocess"): "an exception",
    ("programs/libraries.py", "subprocess"): "ldd, asked which libraries a program is linked to",
    ("operations/submit.py", "subprocess"): "sbatch and scontrol of Slurm, asked to submit",
    ("progress/notify.py", "subprocess"): "the command of --notify, without a shell",
    ("cli/commands/reproduce.py", "__import__"): "the debugger that PYTHONBREAKPOINT names",
}


def code_of(path):
    """Code without comments and strings, one line each."""
    kept = (tokenize.COMMENT, tokenize.STRING, tokenize.NL, tokenize.NEWLINE)
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
    lines = {}
    for token in tokens:
        if token.type not in kept:
            lines.setdefault(token.start[0], []).append(token)
    for line in lines.values():
        text, end = "", 0
        for token in line:
            text += " " * (token.start[1] > end) + token.string
            end = token.end[1]
        yield text


def test_the_source_unpickles_and_evaluates_only_where_it_is_known_to():
    root = Path(package.__file__).parent
    found = set()
    for path in root.rglob("*.py"):
        for line in code_of(path):
            for match in DANGEROUS.finditer(line):
                found.add((str(path.relative_to(root)), match[0].rstrip("(")))
    assert found == set(ALLOWED), sorted(found ^ set(ALLOWED))


class Payload:
    """What leaves a mark when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def dumped(dump):
    file = io.BytesIO()
    dump(file)
    return file.getvalue()


FORMS = {
    "pickle": pickle.dumps,
    "pickle as text": lambda payload: pickle.dumps(payload, protocol=0),
    "joblib": lambda payload: dumped(lambda file: joblib.dump(payload, file)),
    "numpy": lambda payload: dumped(lambda file: np.save(file, np.array([payload], dtype=object))),
    "json": lambda payload: json.dumps(
        {"py/object": "os.system", "parts": {"a": f"__import__('os').mknod({str(payload.mark)!r})"}}
    ).encode(),
}


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(form, id=n, marks=[] if n in ("pickle", "json") else pytest.mark.campaign)
        for n, form in FORMS.items()
    ],
)
def test_no_payload_runs(project, sweeps, tmp_path_factory, form):
    """In the place of everything that a run leaves on disk, and of what it may leave."""
    mark = tmp_path_factory.mktemp("marks") / "mark"
    (project / "experiments" / "made.py").write_text(
        "from sweeps import experiment, grid\n\n\n"
        "@experiment(grid(x=[1, 2]))\ndef made(x, method=None):\n    return 1.0 * x\n"
    )
    assert sweeps("run", "made", "--engine", "serial").code == 0
    payload = form(Payload(mark))
    (memo,) = (project / "results" / ".memo" / "made").iterdir()
    digest = hashlib.sha256(payload).digest()
    places = [p for p in (project / "results").rglob("*") if p.is_file()]
    places += [memo / "accepted" / "0123456789abcdef.json", memo.parent / "renamed.json"]
    places += [memo / "a.seg", memo / ".tmp-1-0", memo / "a.bad", project / "results" / "made"]
    earlier = memo.parent / "0123456789abcdef"
    places += [earlier / "code.json", earlier / "declared.json", earlier / "a.seg"]
    for place in places:
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(payload)
    sealed = memo / f"{digest.hex()[:32]}.seg"
    sealed.write_bytes(payload + digest + b"sweeps-segment-1")
    for _ in ("with what stands for an acceptance, and for a segment", "without"):
        for command in ("status", "plan", "failures", "show", "why", "clean", "run", "status"):
            more = ["--engine", "serial"] if command == "run" else []
            said = sweeps(command, "made", *more)
            assert said.code in (0, 2), said.err
            assert "Traceback" not in said.err
        (memo / "accepted" / "0123456789abcdef.json").unlink(missing_ok=True)
        sealed.unlink(missing_ok=True)
    assert package.load("made").made.values.tolist() == [1.0, 2.0]
    assert not mark.exists()


def test_the_payloads_would_leave_a_mark(tmp_path):
    pickle.loads(FORMS["pickle"](Payload(tmp_path / "mark")))
    assert (tmp_path / "mark").exists()
