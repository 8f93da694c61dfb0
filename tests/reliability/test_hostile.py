"""Hostile files: each is refused with its reason; none is followed, none hangs, none is traced."""

import collections
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

import sweeps as package
from sweeps.errors import StorageError, SweepsError
from sweeps.operations import show
from sweeps.storage import disk, hdf5_foreign
from tests.reliability import corpus

pytestmark = pytest.mark.usefixtures("children_that_look")

MADE = '''
import numpy as np
from sweeps import experiment, grid


@experiment(grid(x=[1.0, 2.0, 3.0]))
def made(x):
    """What is loaded."""
    if x == 2.0:
        raise ValueError("\\x1b[2Jno")
    return {"y": 2 * x, "word": "a" * int(x), "many": np.arange(4) * x}
'''


@pytest.fixture(autouse=True)
def _no_longer_than(request):
    """End a test that hangs, in C too: a pipe that is opened to be read waits for ever."""
    signal.alarm(0 if request.node.get_closest_marker("campaign") else 60)
    yield
    signal.alarm(0)


@pytest.fixture
def outside(tmp_path_factory):
    """What a file may refer to and nobody may read: who opens it, waits for ever."""
    path = tmp_path_factory.mktemp("outside") / "secret"
    os.mkfifo(path)
    return path


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where results are kept once they are made."""
    return tmp_path_factory.mktemp("kept") / "results"


@pytest.fixture
def results(project, sweeps, kept):
    """A results file, beside its memo and its experiment."""
    (project / "experiments" / "made.py").write_text(MADE)
    if not kept.exists():
        assert sweeps("run", "made", "--engine", "serial").code == 1
        shutil.copytree(project / "results", kept)
    else:
        shutil.copytree(kept, project / "results")
    return project / "results" / "made.h5"


def spoil(write, path, outside):
    """Put a hostile file in the place of the results, whose fine content it may start from."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(path, outside)


def put_right(sweeps, results):
    """Run; and where the file says still that it is up to date, do as its refusal says."""
    run = ("run", "made", "--engine", "serial", "--no-retry")
    said = sweeps(*run)
    assert said.code == 1, said.err
    assert "made: 3 points: 0 computed, 2 reused, 1 failed" in said.out
    try:
        package.load("made")
    except StorageError as error:
        assert "delete it and run again" in str(error)
        results.unlink()
        assert sweeps(*run).code == 1


@pytest.mark.parametrize(("write", "reason"), corpus.HOSTILE.values(), ids=corpus.HOSTILE)
def test_hostile_files_are_refused_with_their_reason(sweeps, results, outside, write, reason):
    spoil(write, results, outside)
    begun = time.process_time()
    with pytest.raises(StorageError, match=f"(?s){reason}"):
        package.load("made")
    said = sweeps("show", str(results), "--json")
    assert (said.code, said.out) == (2, "")
    assert "Traceback" not in said.err
    assert time.process_time() - begun < 5


def test_whatever_reads_results_refuses_a_hostile_file(sweeps, results, outside):
    write, reason = corpus.HOSTILE["an external link"]
    spoil(write, results, outside)
    for what in ("made", results):
        for group in (None, "_sweeps"):
            with pytest.raises(StorageError, match=reason):
                package.load(what, group=group)
    for command in (["show", "made"], ["show", str(results)], ["show", "made", "--json"]):
        said = sweeps(*command)
        assert (said.code, said.out) == (2, "")
        assert reason in said.err


NAMES = (
    "*.seg", "code.json", "declared.json", "space-*.json", "benchmark.json", "accepted/other.json",
    "printed.jsonl", ".reads/other.json", ".running/other.json", ".claims/0000000700000007.run",
    ".claims/ledger",
)  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[] if n in NAMES[::3] else pytest.mark.campaign) for n in NAMES],
)
def test_of_20_gb_of_nothing_in_the_memo_no_command_reads_much(sweeps, results, monkeypatch, name):
    (memo,) = (results.parent / ".memo" / "made").iterdir()
    path = next(memo.glob(name), memo / name)
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch()
    os.truncate(path, 20 * 2**30)
    sizes, read = [], disk.read

    def counted(descriptor, n_bytes):
        sizes.append(len(data := read(descriptor, n_bytes)))
        return data

    monkeypatch.setattr(disk, "read", counted)
    for command in ("status", "plan", "why", "failures", "verify", "run", "clean"):
        said = sweeps(command, "made", *(["--engine", "serial"] if command == "run" else []))
        assert said.code in (0, 1) or str(path) in said.err
    assert sum(sizes) < 2**20
    assert package.load("made").y.values[[0, 2]].tolist() == [2.0, 6.0]


def test_a_folder_in_the_place_of_the_results_is_told_before_anything_is_computed(sweeps, results):
    shutil.rmtree(results.parent)
    results.mkdir(parents=True)
    said = sweeps("run", "made", "--engine", "serial")
    assert (said.code, said.out) == (2, "")
    assert "it is a folder" in said.err
    assert not (results.parent / ".memo").exists()


SLOW = pytest.mark.campaign
ALWAYS = {"an external link", "a bomb of gzip", "a pipe"}
REPLACED = [
    pytest.param(name, marks=[] if name in ALWAYS else pytest.mark.campaign)
    for name in corpus.HOSTILE
    if name != "a folder"  # which a run leaves alone
]


@pytest.mark.parametrize("name", REPLACED)
def test_a_run_puts_it_right(sweeps, results, outside, name):
    spoil(corpus.HOSTILE[name][0], results, outside)
    for command in ("status", "plan", "failures", "why"):  # which do not read it
        said = sweeps(command, "made")
        assert said.code == 0, said.err
        assert "\x1b" not in said.out + said.err
    put_right(sweeps, results)
    assert package.load("made").y.values[[0, 2]].tolist() == [2.0, 6.0]


SOME_ODD = set(sorted(corpus.ODD)[::12])


def attribute(name):
    """What an odd file is odd in: an attribute, whatever its value, or the file itself."""
    return (
        " ".join(name.split()[: 3 if name.startswith("root") else 2])
        if "attribute " in name
        else name
    )


FEW_ODD = {attribute(name): name for name in corpus.ODD if "x1b" not in name}.values()
FEW_ODD = {*sorted(FEW_ODD)[::2], *(name for name in corpus.ODD if "x1b" in name)}
"""One value of every other attribute, and what a terminal would take for a command."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in FEW_ODD else SLOW) for name in corpus.ODD],
)
def test_odd_files_are_shown_or_refused(sweeps, results, outside, monkeypatch, name):
    """Some by a child's look first, as on Linux, and some without, as elsewhere."""
    is_by_child = name not in FEW_ODD or name in SOME_ODD
    monkeypatch.setattr(hdf5_foreign, "_HAS_CHILDREN", is_by_child)
    spoil(corpus.ODD[name], results, outside)
    try:
        package.load(results, group="_sweeps")
    except StorageError as error:
        assert "made.h5" in str(error)
    # By its name, it is compared with the memo as well, by attributes of the file itself.
    what = "made" if name.startswith("root attribute") else str(results)
    for command in (["show", what], ["show", what, "--json"]):
        said = sweeps(*command)
        assert said.code in (0, 2), said.err
        assert "\x1b" not in said.out + said.err
        assert (said.out == "") == (said.code == 2)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in SOME_ODD else pytest.mark.campaign)
        for name in corpus.ODD
    ],
)
def test_a_run_puts_an_odd_file_right(sweeps, results, outside, name):
    spoil(corpus.ODD[name], results, outside)
    put_right(sweeps, results)
    assert package.load("made").sizes["x"] == 3


def test_messages_do_not_reach_the_terminal_as_commands(sweeps, results):
    said = sweeps("failures", "made")
    assert "\\x1b[2Jno" in said.out
    assert "\x1b" not in said.out


def test_no_plugin_is_loaded(results, outside, tmp_path):
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    os.mkfifo(plugins / "libz.so")  # who looks into it, waits for ever
    spoil(corpus.HOSTILE["a filter of a plugin"][0], results, outside)
    said = subprocess.run(
        [sys.executable, "-m", "sweeps", "show", "made"],
        env={
            **os.environ,
            "HDF5_PLUGIN_PATH": str(plugins),
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 2
    assert "needs filter 32015" in said.stderr


def changed(content, dice):
    """Content with some of its bytes other ones, as damage or malice may have them."""
    made = bytearray(content)
    how = dice.choice(["bits", "bytes", "head", "word", "swap", "cut"])
    if how == "cut":
        return bytes(made[: dice.randrange(len(made))])
    for _ in range(dice.randint(1, 12) if how in ("bits", "bytes", "head") else 1):
        at = dice.randrange(min(len(made), 4096) if how == "head" else len(made) - 64)
        if how == "bits":
            made[at] ^= 1 << dice.randrange(8)
        elif how == "word":
            n = dice.choice([2, 4, 8])
            made[at : at + n] = dice.choice([b"\xff", b"\0", b"\x7f"]) * n
        elif how == "swap":
            n, other = dice.choice([8, 16, 64]), dice.randrange(len(made) - 64)
            made[at : at + n], made[other : other + n] = made[other : other + n], made[at : at + n]
        else:
            made[at] = dice.choice([0, 1, 127, 128, 255, dice.randrange(256)])
    return bytes(made)


def outcome(path):
    """What comes of reading a file, in a process of its own; a hang or crash is its signal."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        said = "traceback"
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
            warnings.simplefilter("ignore")
            said = ""
            for look in (package.load, show.view, lambda p: package.load(p, group="_sweeps")):
                try:
                    look(path)
                    said += "r"
                except StorageError:
                    said += "-"
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        finally:
            os.write(writer, said[:4000].encode("utf-8", "backslashreplace"))
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:  # noqa: PTH123
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    return f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else said


PIECES = [pytest.param(seed, 1000, marks=pytest.mark.campaign) for seed in range(1, 6)]


@pytest.mark.parametrize(("seed", "n"), [(0, 20), *PIECES])
def test_damaged_files_are_read_or_refused(results, seed, n):
    content, dice = results.read_bytes(), random.Random(seed)
    outcomes, slowest = collections.Counter(), 0.0
    for _ in range(n):
        results.write_bytes(changed(content, dice))
        begun = time.perf_counter()
        outcomes[outcome(results)] += 1
        slowest = max(slowest, time.perf_counter() - begun)
    print(f"\n{n:,} damaged files of {len(content):,} bytes; load, show, load _sweeps:")
    print(f"  {dict(outcomes)}; the slowest took {slowest:.1f} s")
    assert set("".join(outcomes)) <= {"r", "-"}, outcomes


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "/", "a\0b", "a b", "~", "a\n", "é", "\udcff", "x" * 200, "..h5", "-x"],
)
def test_what_is_no_name_is_refused(sweeps, results, name):
    for ask in (package.load, package.run, package.plan, package.status):
        with pytest.raises(SweepsError):
            ask(name)
    if "\0" not in name:
        for command in ("show", "run", "plan", "status", "failures", "why", "reproduce", "clean"):
            said = sweeps(command, "--", name) if name else sweeps(command, name)
            assert said.code == 2
            assert "Traceback" not in said.err


@pytest.mark.parametrize("name", ["../made", "/etc/passwd", "a/../../b", "/tmp", "made/", "./made"])
def test_paths_are_read_and_never_written(sweeps, results, name):
    def there():  # Python may write bytecode of the experiments
        return sorted(p for p in Path().rglob("*") if "__pycache__" not in p.parts)

    before = there()
    with pytest.raises(SweepsError):
        package.load(name)
    for command in ("show", "run", "plan", "status", "failures", "why", "reproduce", "clean"):
        assert sweeps(command, name).code == 2
    assert there() == before


def test_a_path_that_is_given_is_read(sweeps, results, tmp_path):
    elsewhere = tmp_path / "elsewhere.h5"
    results.rename(elsewhere)
    assert package.load(elsewhere).sizes["x"] == 3
    assert sweeps("show", str(elsewhere)).code == 0


def test_landing_replaces_a_link_and_never_writes_through_it(sweeps, results, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("precious")
    results.unlink()
    results.symlink_to(precious)
    with pytest.raises(StorageError, match="not an HDF5 file"):
        package.load("made")
    assert sweeps("run", "made", "--engine", "serial").code == 1
    assert precious.read_text() == "precious"
    assert not results.is_symlink()
    assert package.load("made").sizes["x"] == 3


def test_a_memo_elsewhere_is_used_and_nothing_beside_it_is_cleaned(sweeps, results, tmp_path):
    """A link in the place of a folder is a user's wish, as where scratch disks are large."""
    memo = results.parent / ".memo" / "made"
    elsewhere = tmp_path / "scratch"
    memo.rename(elsewhere)
    memo.symlink_to(elsewhere)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "a.seg").write_text("precious")
    (elsewhere / "0123456789abcdef").symlink_to(tmp_path / "precious")
    said = sweeps("run", "made", "--engine", "serial", "--json")
    assert said.json["reused"] == 2
    assert sweeps("clean", "made", "--yes").code == 0
    assert (tmp_path / "precious" / "a.seg").read_text() == "precious"
    assert package.load("made").sizes["x"] == 3


def test_names_that_the_filesystem_takes_for_one_are_refused(sweeps, results, monkeypatch):
    """As on macOS; here the filesystem is made to look so."""
    (results.parent.parent / "experiments" / "made.py").write_text(MADE.replace("made", "Made"))
    assert sweeps("plan", "Made").code == 0

    def is_there(path):
        place = Path(path)
        return place.name.casefold() in [p.name.casefold() for p in place.parent.iterdir()]

    monkeypatch.setattr(os.path, "lexists", is_there)
    said = sweeps("run", "Made")
    assert said.code == 2
    assert "is the same name to this filesystem as made.h5" in said.err
